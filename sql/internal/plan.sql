-- Plans a search from its arguments, and begins and finishes each try.

-- The plan of one search: its statement and its settings. It runs nothing.
-- Called by: mrl._begin
create or replace function mrl._plan(
    -- rows, batch, keys or hybrid
    form text,
    queries vector[],
    -- arguments of mrl.search, mrl.search_keys, mrl.search_many or mrl.hybrid by name, with the
    -- OIDs of the table and of the type of the key, and two more:
    -- attempt: which try this is, from 1 on; NULL counts as the first
    -- share: the estimated share of the table's rows that the filter selects, NULL if unknown
    asked jsonb,
    out statement text,
    out settings text[],
    -- the settings before the search, which mrl._begin fills in
    out before text[],
    out guarded boolean,
    -- if fewer than wanted may come: a statement, whether the table holds more than $18
    out left_over text,
    -- candidates, or k with a filter or a policy, because each further row then takes longer
    out wanted bigint,
    out limited boolean,
    -- whether the statement returns the number of candidates beside each row
    out counted boolean
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    given record;
    slots jsonb;
    chosen record;
    effort record;
    -- as the caller asked, or because exact search is fastest among those that keep the recall
    is_exact boolean;
    least int;
    key text;
    answer text;
    condition text;
    -- the condition of the first pass alone that a row is in a part near to the query
    within text;
    near text := '';
    again boolean;
    -- how many rows the search by vectors hands on, and walks for them
    rows int;
    most int;
begin
    if asked ->> 'tenant' is not null then
        asked := mrl._of_tenant(asked);
    end if;
    select *
    into given
    from jsonb_to_record(asked) as given (
        table_id oid, key_type oid, full_column name, k int, filter text,
        args text[], dims int, kind text, index_name name, exact boolean, attempt int,
        tenant_slots jsonb
    );
    perform mrl._refuse_spread(
        given.table_id,
        'search it from Python or the shell, which hand settings on to the shards'
    );
    if given.tenant_slots is not null then
        slots := given.tenant_slots;
    elsif given.exact then
        slots := mrl._full(
            given.table_id, given.full_column, given.dims, given.kind, given.index_name
        );
    else
        slots := mrl._found(
            given.table_id,
            given.full_column,
            given.dims,
            given.kind,
            given.index_name,
            true,
            -- the first try has said it
            coalesce(given.attempt, 1) = 1
        );
    end if;
    perform mrl._check_queries(queries, slots);
    perform mrl._check_rerank(asked, given.kind);
    within := mrl._within_parts(asked, queries[1]);
    if given.filter is not null or cardinality(given.args) > 0 then
        perform mrl._check_filter(given.filter, cardinality(given.args));
    end if;
    -- of a few parts it is normal that they hold fewer rows than candidates
    limited := given.filter is not null or within <> ''
        or row_security_active(given.table_id);
    chosen := mrl._for_recall(asked, slots, limited, true);
    is_exact := chosen.exact;
    -- all tries that the recall asks for found too few candidates
    again := coalesce(given.attempt > chosen.steps, false);
    effort := mrl._effort(
        asked || jsonb_build_object(
            'candidates', chosen.candidates,
            'ef_search', chosen.ef_search,
            'rerank', chosen.rerank
        ),
        limited or again
    );
    if form = 'hybrid' then
        slots := slots || mrl._fusion_slots(asked);
        rows := mrl._rows_to_fetch(asked);
        if rows > least(effort.candidates, effort.rerank) then
            most := greatest(rows, effort.candidates);
            effort := mrl._effort(
                asked || jsonb_build_object(
                    'candidates', most,
                    'ef_search', greatest(chosen.ef_search, least(most, 1000)),
                    -- only rows that were read can be handed on
                    'rerank', case when effort.rerank is not null
                        then greatest(effort.rerank, rows)
                    end
                ),
                limited or again
            );
        end if;
    end if;
    if chosen.up_to is not null then
        near := mrl._render(
            mrl._near_enough(), jsonb_build_object('k', given.k, 'up_to', chosen.up_to)
        );
    end if;
    guarded := near <> '' or not (limited or again or is_exact);
    settings := case when not is_exact then effort.settings end;
    -- with a filter the number of rows in the answer is counted instead
    counted := again and not limited;
    wanted := case when limited then given.k else effort.candidates end;
    least := case when guarded and not limited then wanted - 1 else 0 end;
    if form = 'keys' then
        key := mrl._key(given.table_id, given.key_type::regtype);
    end if;
    answer := case form
        when 'rows' then 'mrl_row.*'
        when 'keys' then key || ', mrl_pass.distance'
        when 'hybrid' then format('mrl_row.*::%s as hit', slots ->> 'table')
    end;
    if counted and form <> 'hybrid' then
        answer := case form
            when 'rows' then format('%s::%s as hit', answer, slots ->> 'table')
            when 'keys' then key || ' as key, mrl_pass.distance'
        end || ', mrl_pass.seen';
    end if;
    condition := mrl._condition(
        -- an exact search of a tenant, by the ordinary index of the key
        case when is_exact then coalesce(asked ->> 'exact_filter', given.filter)
            else given.filter
        end
    );
    slots := mrl._reranked(slots, effort.rerank) || jsonb_build_object(
        'answer', answer,
        'filter', condition,
        'within', within,
        'candidates', effort.candidates,
        'least', least,
        'near', near,
        'k', given.k,
        'rows', coalesce(rows, given.k),
        'guard', case when guarded
            then e'\nwhere mrl_half.came operator(pg_catalog.>) 0'
            else ''
        end
    );
    if form in ('batch', 'hybrid') or is_exact or slots ->> 'rerank' is not null then
        statement := mrl._compose(form, slots, is_exact, counted);
    else
        statement := mrl._statement(
            slots ->> 'kind',
            (slots ->> 'parts')::boolean,
            answer,
            slots ->> 'table',
            condition || within,
            effort.candidates,
            least,
            case when counted then mrl._seen() else '' end,
            given.k,
            '$17',
            slots ->> 'type',
            slots ->> 'extension',
            slots ->> 'full',
            slots ->> 'operator',
            slots ->> 'short',
            (slots ->> 'dims')::int,
            near
        );
    end if;
    if not (guarded or is_exact) then
        left_over := mrl._render(
            mrl._more_rows(),
            slots || jsonb_build_object(
                'ef_search', settings[1], 'seen', '$18', 'extra', ''
            )
        );
    end if;
end
$body$;

-- Plans one try of a search, and puts its settings in force until mrl._finish.
-- Called by: mrl.search, mrl.search_keys, mrl.search_many, mrl.hybrid
create or replace function mrl._begin(
    form text, queries vector[], asked jsonb, attempt int
)
-- the row that mrl._plan returned
returns record
language plpgsql
volatile
parallel unsafe
as $body$
-- no search_path of its own, so that PostgreSQL looks up the filter's names as the caller does
declare
    plan pg_catalog.record;
    share double precision;
begin
    -- the planner is asked only if the share is used
    if asked operator(pg_catalog.->>) 'recall' is not null
        and asked operator(pg_catalog.->>) 'candidates' is null
        and not (asked operator(pg_catalog.->>) 'exact')::pg_catalog.bool
    then
        share := mrl._share(
            (asked operator(pg_catalog.->>) 'table_id')::pg_catalog.oid,
            asked operator(pg_catalog.->>) 'filter',
            mrl._args(asked)
        );
    end if;
    plan := mrl._plan(
        form,
        queries,
        asked operator(pg_catalog.||) pg_catalog.jsonb_build_object(
            'attempt', attempt, 'share', share
        )
    );
    plan.before := mrl._enter(plan.settings);
    return plan;
end
$body$;

-- Restores the settings after a search, and warns if the search was cut short.
-- Called by: mrl.search, mrl.search_keys, mrl.search_many, mrl.hybrid
create or replace function mrl._finish(
    -- the last try, as mrl._begin planned it
    plan record,
    -- the settings before the first try
    before text[],
    args text[],
    -- the mean number of candidates or rows per query
    came bigint
)
returns void
language plpgsql
volatile
parallel unsafe
as $body$
-- no search_path of its own, so that PostgreSQL looks up the filter's names as the caller does
declare
    replaced pg_catalog.text[] := mrl._enter(before);
    more pg_catalog.bool;
begin
    if came operator(pg_catalog.<) plan.wanted and plan.left_over is not null then
        execute plan.left_over into more
            using args[1], args[2], args[3], args[4], args[5], args[6], args[7], args[8],
                args[9], args[10], args[11], args[12], args[13], args[14], args[15],
                -- the statement does not use the query
                args[16], null::pg_catalog.text, came;
        if more then
            perform mrl._warn_cut_short(came, plan.wanted, plan.limited);
        end if;
    end if;
end
$body$;

-- Statement and ef_search of an ordinary search, by one query; NULL for every other search.
-- Called by: mrl.search
create or replace function mrl._ordinary(
    -- the row type of the table
    type regtype,
    full_column name,
    query vector,
    k int,
    candidates int,
    dims int,
    kind text,
    index_name name,
    out statement text,
    out ef_search text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    chosen bigint := coalesce(candidates, mrl._default_candidates(k));
begin
    -- one statement, because a search takes 3 ms and each further statement adds 1 %
    select
        mrl._statement(
            registry.kind,
            facts.parts,
            'mrl_row.*',
            facts.table_name,
            '',
            chosen,
            chosen - 1,
            '',
            _ordinary.k,
            '$1',
            facts.full_type,
            facts.extension,
            quote_ident(registry.full_column),
            mrl._operator(registry.distance),
            mrl._short_name(
                registry.short_column,
                registry.full_column,
                registry.dims,
                registry.kind,
                registry.kept_as,
                facts.extension
            ),
            registry.dims,
            ''
        ),
        chosen
    into statement, ef_search
    from (
        -- the one in use, even if it cannot be used, because mrl._plan raises the reason
        select *
        from mrl.registry as registry
        where registry.table_id = (select typrelid from pg_type where oid = _ordinary.type)
            and registry.full_column = _ordinary.full_column
            and (_ordinary.dims is null or registry.dims = _ordinary.dims)
            and (_ordinary.kind is null or registry.kind = _ordinary.kind)
            and (_ordinary.index_name is null or registry.index_name = _ordinary.index_name)
        order by registry.chosen_at desc nulls last, registry.created_at, registry.index_name
        limit 1
    ) as registry
    cross join lateral mrl._facts(
        registry.table_id,
        registry.full_column,
        registry.short_column,
        registry.index_name,
        registry.dims,
        registry.kind,
        registry.distance,
        registry.kept_as
    ) as facts
    -- checks that mrl._plan and its functions make one by one
    where facts.row_type = _ordinary.type::oid
        -- another index of that name changes how fast an answer comes, not the answer, and what
        -- the index is takes longer to check
        and facts.usable
        and facts.prefix
        and not row_security_active(registry.table_id)
        -- with Citus, mrl._plan refuses tables that are spread
        and to_regclass('pg_catalog.pg_dist_partition') is null
        and mrl._dims(_ordinary.query) = facts.full_dims
        and not mrl._is_zero(_ordinary.query)
        and _ordinary.k between 1 and chosen
        and chosen <= 1000;
end
$body$;
