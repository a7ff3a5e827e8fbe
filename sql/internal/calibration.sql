-- Measures searches with many settings, and stores the results.

-- Candidates of the searches that a calibration stores, in ascending order.
-- Called by: mrl._walks, mrl._points
create or replace function mrl._levels(k int)
returns setof int
language sql
immutable
parallel safe
begin atomic
    -- steps of the square root of 2, and 1000, the most candidates of an ordinary scan
    select candidates::int
    from (
        -- a limit for the cast, which may run before the condition
        select least(
            pg_catalog.ceil(
                k operator(pg_catalog.*) pg_catalog.power(
                    2, step operator(pg_catalog./) 2.0
                )
            ),
            2147483647
        )
        from pg_catalog.generate_series(0, 24) as step
        union
        select 1000
    ) as level (candidates)
    where candidates operator(pg_catalog.>=) k
        and candidates operator(pg_catalog.<=) greatest(
            4000, 4 operator(pg_catalog.*) k::bigint
        )
    order by candidates;
end;

-- The values of ef_search that a calibration tries, as candidates of a search, in ascending order.
-- Called by: mrl.calibrate, client/calibration.sql
create or replace function mrl._walks(k int)
returns setof int
language sql
immutable
parallel safe
begin atomic
    -- from pgvector's default on: less finds little, and is hardly faster
    select level
    from mrl._levels(k) as level
    where level operator(pg_catalog.>=) 40;
end;

-- The statements of a calibration: its sample, its exact search and the pass that is timed.
-- Called by: mrl.calibrate, client/calibration.sql
create or replace function mrl._plan_calibration(
    -- table_id, full_column, k, sample, filter, arguments, dims, kind, index_name, tenant
    asked jsonb,
    -- NULL if rows of the table are the queries
    queries vector[],
    -- more rows are drawn, of which some are chosen by the distance of their answers
    by_distance boolean default false,
    out slots jsonb,
    out sampling text,
    -- the number of rows that are measured
    out most bigint,
    -- statements for the distance of the k-th nearest row: by a first pass with its settings,
    -- by exact search, and by exact search for many queries at once
    out near_edge text,
    out near_settings text[],
    out edge text,
    out edges text,
    -- the number of queries that are searched at once
    out batch int,
    -- the full vectors of the rows of some pages
    out row_vectors text,
    -- the timed search, in which mrl._walk replaces {candidates}; the same without reading
    -- full vectors, for rows that are known to be near; and which of these are still there
    out pass text,
    out known_pass text,
    out still_there text,
    -- where a search can read only the best candidates, else NULL: a search that also says in
    -- which order these come, and one that reads {rerank} of them, to be timed
    out ordered_pass text,
    out best_pass text,
    -- candidates per query that do not count: 1 if a sampled row finds itself, else 0
    out spare int,
    -- a filter or a policy lets only some rows through
    out limited boolean,
    -- counts all rows, and the rows that the filter selects
    out counting text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    -- the most bytes of queries in a batch, because each row is compared with all of them
    batch_bytes constant int := 2000000;
    table_name regclass := (asked ->> 'table_id')::oid;
    k int := asked ->> 'k';
    sample int := asked ->> 'sample';
    filter text := asked ->> 'filter';
    -- conditions of rows to be searched: by any index, and by the short one
    condition text := mrl._condition(filter);
    condition_of_pass text := condition;
    query text;
    passes text;
    effort record;
    -- conditions of near rows: by distance, and by place
    near constant text := 'distance operator(pg_catalog.<=) $20';
    known constant text := 'mrl_spot operator(pg_catalog.=) any ($21::pg_catalog.text[])';
begin
    perform mrl._refuse_spread(
        table_name, 'measure a sample of its rows in a local table: see docs/citus.md'
    );
    perform mrl.check_owner(table_name);
    perform mrl._check_writable();
    if asked ->> 'tenant' is not null then
        asked := mrl._of_tenant_with_index(asked);
        slots := asked -> 'tenant_slots';
        condition := mrl._condition(asked ->> 'exact_filter');
        condition_of_pass := mrl._condition(asked ->> 'filter');
    else
        slots := mrl._found(
            table_name,
            (asked ->> 'full_column')::name,
            (asked ->> 'dims')::int,
            asked ->> 'kind',
            (asked ->> 'index_name')::name
        );
    end if;
    -- raises if no search accepts this k
    effort := mrl._effort(jsonb_build_object('k', k), false);
    if k > 100000000 then
        raise exception 'k % is above 100000000, the most that a calibration measures', k
            using errcode = 'invalid_parameter_value';
    end if;
    -- precision depends on the number of answers, so a small k needs more queries
    sample := coalesce(sample, greatest(700, 2000 / k));
    if sample < 1 then
        raise exception 'sample % is below 1', sample
            using errcode = 'invalid_parameter_value', hint = 'give a number of queries';
    end if;
    perform mrl._check_filter(filter, (asked ->> 'arguments')::int);
    perform mrl._check_queries(queries, slots);
    most := case when filter is null then sample else 2 * sample::bigint end;
    if by_distance then
        sample := least(sample::bigint * mrl._drawn_for_each(), 2147483647);
    end if;
    limited := condition <> '' or row_security_active(table_name);
    -- a sampled row is its own nearest row, so a search takes one more and leaves itself out
    spare := case when queries is null then 1 else 0 end;
    query := format('$17::%s', slots ->> 'type');
    slots := slots || jsonb_build_object(
        'filter', condition,
        'query', query,
        'short_query', mrl._short_of(query, slots),
        'value', slots ->> 'full',
        'gate', 'true',
        'extra', '',
        'key_names', slots ->> 'names',
        'sample', sample,
        'queries', '$17',
        'candidates', '{candidates}',
        'other', mrl._not_itself(
            queries is null, (slots ->> 'parts')::boolean, '$18', '$19'
        ),
        'bounds', '$20',
        'parts_asked', '$18',
        'places_asked', '$19',
        'other_asked', mrl._not_itself(
            queries is null, (slots ->> 'parts')::boolean, 'part', 'place'
        ),
        'k', k
    );
    passes := mrl._render(
        mrl._first_pass(), slots || jsonb_build_object('filter', condition_of_pass)
    );
    sampling := mrl._render(
        case
            when queries is not null then mrl._given()
            -- a search with the filter may ask for what the filter turns away
            when filter is not null then mrl._sample_both()
            else mrl._sample()
        end,
        slots
    );
    effort := mrl._effort(
        jsonb_build_object('k', k + spare, 'candidates', greatest(2 * k, 40)), limited
    );
    near_settings := effort.settings;
    near_edge := mrl._render(
        mrl._edge(),
        slots || jsonb_build_object(
            'rows', replace(passes, '{candidates}', effort.candidates::text)
        )
    );
    edge := mrl._render(
        mrl._edge(),
        slots || jsonb_build_object(
            'rows', mrl._render(mrl._exact(), slots || jsonb_build_object('k', k + spare))
        )
    );
    edges := mrl._render(mrl._edges(), slots);
    batch := greatest(1, batch_bytes / (4 * (slots ->> 'full_dims')::int));
    slots := slots || jsonb_build_object(
        'passes', passes,
        'spot', case
            when (slots ->> 'parts')::boolean
            then 'pg_catalog.concat(mrl_part, '' '', mrl_place)'
            else 'mrl_place::pg_catalog.text'
        end
    );
    row_vectors := mrl._render(mrl._row_vectors(), slots);
    pass := mrl._render(mrl._near_places(), slots || jsonb_build_object('near', near));
    still_there := mrl._render(mrl._still_there(), slots);
    -- the planner leaves out a distance that is not used
    known_pass := mrl._render(mrl._near_places(), slots || jsonb_build_object('near', known));
    if mrl._reranked(slots, k) ->> 'rerank' is not null then
        slots := slots || jsonb_build_object('rerank', '{rerank}');
        best_pass := mrl._render(
            mrl._near_places(),
            slots || jsonb_build_object('passes', mrl._passes(slots, query, false), 'near', near)
        );
        slots := slots || jsonb_build_object(
            'ordered', mrl._render(
                mrl._estimated_order(),
                slots || jsonb_build_object(
                    'names', concat_ws(', ', slots ->> 'names', 'mrl_turn'),
                    'passes', mrl._render(
                        mrl._turns(),
                        slots || jsonb_build_object('passes', mrl._bit_pass(slots))
                    )
                )
            )
        );
        ordered_pass := mrl._render(
            mrl._near_orders(), slots || jsonb_build_object('near', near)
        );
        known_pass := mrl._render(
            mrl._near_orders(), slots || jsonb_build_object('near', known)
        );
    end if;
    counting := format(
        'select pg_catalog.count(*) as count, '
        'pg_catalog.count(*) filter (where true%s) as passing from %s where true%s',
        mrl._condition(filter),
        slots ->> 'table',
        -- of a tenant, its rows are all rows
        case when asked ->> 'tenant' is not null then condition end
    );
end
$body$;

-- Refuses what a calibration of one tenant does not take.
-- Called by: mrl.calibrate
create or replace function mrl._check_of_tenant(tenant text, filter text)
returns void
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
begin
    if filter is not null then
        raise exception 'filter was given with tenant %: a tenant is calibrated without a filter',
            quote_literal(tenant)
            using errcode = 'invalid_parameter_value',
                hint = 'leave it out; in a search with both, raise candidates or pass '
                    'exact => true';
    end if;
end
$body$;

-- Refuses weights that are not one positive number for each query that the caller gives.
-- Called by: mrl.calibrate
create or replace function mrl._check_weights(weights float8[], queries int)
returns void
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
begin
    if weights is null then
        return;
    elsif queries is null then
        raise exception 'weights were given without queries'
            using errcode = 'invalid_parameter_value',
                hint = 'give queries, and a weight for each of them';
    elsif cardinality(weights) <> queries then
        raise exception '% weights were given for % queries', cardinality(weights), queries
            using errcode = 'invalid_parameter_value', hint = 'give a weight for each query';
    -- sums of squares of others have no room in a double
    elsif not coalesce(1e-9 <= all (weights) and 1e9 >= all (weights), false) then
        raise exception 'a weight is outside 1e-9 to 1e9'
            using errcode = 'invalid_parameter_value',
                hint = 'leave a query of no weight out, and count in other units';
    end if;
end
$body$;

-- Rows that a role sees of a table, and the share of rows that pass the filter.
-- Called by: mrl.calibrate, client/calibration.sql
create or replace function mrl._count_passing(
    table_name regclass,
    -- as mrl._plan_calibration makes it
    counting text,
    args text[],
    out rows bigint,
    out share float8
)
language plpgsql
volatile
parallel unsafe
as $body$
-- no search_path of its own, so that PostgreSQL looks up the filter's names as the caller does
#variable_conflict use_variable
declare
    counts pg_catalog.record;
begin
    execute counting into counts
        using args[1], args[2], args[3], args[4], args[5], args[6], args[7], args[8],
            args[9], args[10], args[11], args[12], args[13], args[14], args[15], args[16];
    rows := counts.count;
    if rows operator(pg_catalog.>) 0 then
        share := counts.passing::double precision operator(pg_catalog./) case
            -- hidden rows cannot be counted, but the share of a search is of all rows
            when pg_catalog.row_security_active(table_name)
            then greatest(mrl._rows(table_name), rows)
            else rows
        end;
    end if;
end
$body$;

-- The text under which a calibration with a filter is stored; "" if it has none.
-- Called by: mrl.calibrate, client/calibration.sql
create or replace function mrl._stored_filter(filter text, args text[], limited boolean)
returns text
language sql
stable
parallel safe
return pg_catalog.concat_ws(
    ' ',
    filter,
    args::pg_catalog.text,
    -- row-level security that is forced on the owner selects rows, as a filter does
    case when filter is null and limited then 'row-level security' end
);
