-- What a measurement of recall will run: how it samples, its statement and settings.
-- mrl._plan_recall(table_name, full_column, k, sample, candidates, …) -> record
-- Called by: mrl.recall
create or replace function mrl._plan_recall(
    table_name regclass,
    full_column name,
    k int,
    sample int,
    inout candidates int,
    filter text,
    arguments int,
    dims int,
    kind text,
    inout index_name name,
    inout ef_search int,
    max_scan_tuples int,
    queries vector[],
    out sampling text,
    out statement text,
    out settings text[]
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    slots jsonb := mrl._found(table_name, full_column, dims, kind, index_name);
    effort record := mrl._effort(
        k,
        candidates,
        ef_search,
        max_scan_tuples,
        filter is not null or row_security_active(table_name)
    );
    -- a sampled row is its own nearest: one more of each, and not itself
    spare int := case when queries is null then 1 else 0 end;
    query text := format('$17::%s', slots ->> 'type');
begin
    if sample is null or sample < 1 then
        raise exception 'sample % is below 1', coalesce(sample::text, 'NULL')
            using errcode = 'invalid_parameter_value', hint = 'give a number of queries';
    end if;
    perform mrl._check_filter(filter, arguments);
    perform mrl._check_queries(queries, slots);
    index_name := slots ->> 'index_name';
    candidates := effort.candidates;
    ef_search := coalesce(ef_search, least(candidates, 1000));
    effort := mrl._effort(
        k + spare,
        candidates + spare,
        least(greatest(ef_search, candidates + spare), 1000),
        max_scan_tuples,
        filter is not null or row_security_active(table_name)
    );
    settings := effort.settings;
    slots := slots || jsonb_build_object(
        'where', mrl._condition(filter),
        'query', query,
        'short_query', mrl._short_of(query, slots),
        'value', slots ->> 'full',
        'gate', 'true',
        'extra', '',
        'key_names', slots ->> 'names',
        'candidates', effort.candidates,
        'k', k + spare,
        'sample', sample,
        'queries', '$17',
        'other', mrl._not_itself(
            queries is null, (slots ->> 'parts')::boolean, '$18', '$19'
        )
    );
    sampling := mrl._render(
        case when queries is null then mrl._sample() else mrl._given() end, slots
    );
    statement := mrl._render(
        mrl._misses(),
        slots || jsonb_build_object(
            'exact', mrl._render(mrl._exact(), slots),
            'passes', mrl._render(mrl._first_pass(), slots)
        )
    );
end
$body$;

comment on function mrl._plan_recall(
    regclass, name, int, int, int, text, int, int, text, name, int, int, vector[]
) is
'Internal. What a measurement of recall will run.';
