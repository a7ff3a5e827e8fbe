-- What a search will do, decided from what was asked.

-- What one search will do: its statement and the settings it runs under; reads, runs nothing.
-- Called by: mrl.search, mrl.search_keys, mrl.search_many
create or replace function mrl._plan(
    -- rows, batch, or keys
    form text,
    table_id oid,
    key_type regtype,
    full_column name,
    queries vector[],
    k int,
    candidates int,
    filter text,
    args text[],
    dims int,
    kind text,
    index_name name,
    ef_search int,
    max_scan_tuples int,
    passes text[],
    exact boolean,
    recall float8,
    -- a second try, after too few candidates came
    again boolean,
    -- of the table's rows that the filter lets through, as far as anybody knows
    share float8 default null,
    out statement text,
    out settings text[],
    out guarded boolean,
    -- where fewer than wanted may come: asks whether there are more, after $18 came
    out left_over text,
    -- candidates, or k where only some rows are let through, of which more cost more
    out wanted bigint,
    out limited boolean,
    -- the statement says, beside each row, how many candidates came
    out counted boolean
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    slots jsonb;
    steps jsonb;
    effort record;
    least int;
    answer text;
    condition text;
begin
    if exact then
        if passes is not null then
            raise exception 'an exact search has no passes'
                using errcode = 'invalid_parameter_value',
                    hint = 'leave passes out, or exact';
        end if;
        slots := mrl._full(table_id, full_column, dims, kind, index_name);
    elsif passes is not null then
        steps := mrl._steps(
            table_id,
            full_column,
            passes,
            k,
            num_nonnulls(candidates, dims, kind, index_name, recall)
        );
        slots := steps -> 0;
        candidates := slots ->> 'count';
    else
        slots := mrl._found(table_id, full_column, dims, kind, index_name);
    end if;
    perform mrl._check_queries(queries, slots);
    if filter is not null or cardinality(args) > 0 then
        perform mrl._check_filter(filter, cardinality(args));
    end if;
    limited := filter is not null or row_security_active(table_id);
    if not exact then
        select chosen.candidates, chosen.ef_search
        into candidates, ef_search
        from mrl._for_recall(
            recall, k, candidates, ef_search, slots, table_id, full_column, limited, share,
            concat_ws(' ', filter, args::text), again
        ) as chosen;
    end if;
    effort := mrl._effort(k, candidates, ef_search, max_scan_tuples, limited or again);
    guarded := not (limited or again or exact);
    settings := case when not exact then effort.settings end;
    -- under a filter few rows of the answer say as much
    counted := again and not limited;
    wanted := case when limited
        then k
        else coalesce((steps -> -1 ->> 'count')::int, effort.candidates)
    end;
    least := case when guarded then wanted - 1 else 0 end;
    answer := case form
        when 'rows' then 'mrl_row.*'
        when 'keys' then mrl._key(table_id, key_type) || ', mrl_pass.distance'
    end;
    if counted then
        answer := case form
            when 'rows' then format('%s::%s as hit', answer, slots ->> 'table')
            when 'keys' then mrl._key(table_id, key_type) || ' as key, mrl_pass.distance'
        end || ', mrl_pass.seen';
    end if;
    condition := mrl._condition(filter);
    if form <> 'batch' and steps is null and not exact then
        statement := mrl._statement(
            slots ->> 'kind',
            (slots ->> 'parts')::boolean,
            answer,
            slots ->> 'table',
            condition,
            effort.candidates,
            least,
            case when counted then mrl._seen() else '' end,
            k,
            '$17',
            slots ->> 'type',
            slots ->> 'extension',
            slots ->> 'full',
            slots ->> 'operator',
            slots ->> 'short',
            (slots ->> 'dims')::int
        );
    else
        slots := slots || jsonb_build_object(
            'answer', answer,
            'filter', condition,
            'candidates', effort.candidates,
            'least', least,
            'k', k
        );
        statement := mrl._compose(form, slots, steps, exact, counted);
    end if;
    if not (guarded or exact) then
        left_over := mrl._render(
            mrl._more_rows(),
            slots || jsonb_build_object(
                'filter', condition,
                'ef_search', settings[1],
                'k', k,
                'seen', '$18',
                'extra', ''
            )
        );
    end if;
end
$body$;

-- Statement and ef_search of an ordinary search, by one look; NULL for any other.
-- Called by: mrl.search
create or replace function mrl._ordinary(
    -- of the table's rows
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
    -- as mrl._effort chooses them
    chosen bigint := coalesce(candidates, greatest(160, 8 * k::bigint));
begin
    -- all in one statement: a search takes 3 ms, each further one here 1 % of it
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
            quote_ident(registry.short_column),
            registry.dims
        ),
        chosen
    into statement, ef_search
    from (
        -- the oldest, even if it cannot be used: mrl._plan says why
        select *
        from mrl.registry as registry
        where registry.table_id = to_regclass(_ordinary.type::text)
            and registry.full_column = _ordinary.full_column
            and (_ordinary.dims is null or registry.dims = _ordinary.dims)
            and (_ordinary.kind is null or registry.kind = _ordinary.kind)
            and (_ordinary.index_name is null or registry.index_name = _ordinary.index_name)
        order by registry.created_at, registry.index_name
        limit 1
    ) as registry
    cross join lateral mrl._facts(
        registry.table_id,
        registry.full_column,
        registry.short_column,
        registry.index_name,
        registry.dims,
        registry.kind,
        registry.distance
    ) as facts
    -- what mrl._plan and those it calls look at one by one
    where facts.row_type = _ordinary.type::oid
        -- another index of that name decides how fast an answer comes, not which: no more
        -- of it here, and the planner leaves pg_index out
        and facts.present
        and facts.prefix
        and not row_security_active(registry.table_id)
        and mrl._dims(_ordinary.query) = facts.full_dims
        and not mrl._is_zero(_ordinary.query)
        and _ordinary.k between 1 and chosen
        and chosen <= 1000;
end
$body$;

-- Says that a search brought fewer than it should though the table holds more.
-- Called by: mrl.search, mrl.search_keys, mrl.search_many, templates/search_function.sql
create or replace function mrl._warn_cut_short(
    came bigint,
    wanted bigint,
    -- rows of the answer are wanted, else candidates
    limited boolean
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
begin
    raise warning 'the search was cut short: % % of % came, and there are more',
        came, case when limited then 'rows' else 'candidates' end, wanted
        using hint = case when limited
            then 'raise max_scan_tuples or candidates, or pass exact => true'
            else 'raise max_scan_tuples, vacuum the table, or pass exact => true'
        end;
end
$body$;
