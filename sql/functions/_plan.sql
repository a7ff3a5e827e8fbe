-- What one search will do: its statement and the settings it runs under; reads, runs nothing.
-- mrl._plan(form, table_id, full_column, queries, k, candidates, filter, …) -> record
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
            'where', condition,
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
                'where', condition,
                'ef_search', settings[1],
                'k', k,
                'seen', '$18',
                'extra', ''
            )
        );
    end if;
end
$body$;

comment on function mrl._plan(
    text, oid, regtype, name, vector[], int, int, text, text[], int, text, name, int, int,
    text[], boolean, float8, boolean, float8
) is
'Internal. Statement and settings of one search.';
