-- What a calibration will run: how it samples, exact search, and a pass to be timed.
-- mrl._plan_calibration(table_name, full_column, k, sample, filter, …) -> record
-- Called by: mrl.calibrate
create or replace function mrl._plan_calibration(
    table_name regclass,
    full_column name,
    k int,
    sample int,
    filter text,
    arguments int,
    dims int,
    kind text,
    index_name name,
    queries vector[],
    out slots jsonb,
    out sampling text,
    -- how far the k-th nearest is: by a first pass under its settings, exactly, and
    -- exactly for many queries at once
    out near_edge text,
    out near_settings text[],
    out edge text,
    out edges text,
    -- queries that are asked at once
    out batch int,
    -- {candidates} is still to be filled in
    out pass text,
    -- rows that a search hands over for each query and that do not count
    out spare int,
    -- only some rows are let through
    out limited boolean,
    -- rows there are, and rows that the filter lets through
    out counting text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    -- of queries that every row is compared with: they are gone through once a row
    batch_bytes constant int := 2000000;
    query text;
    passes text;
    effort record;
begin
    perform mrl.check_owner(table_name);
    perform mrl._check_writable();
    slots := mrl._found(table_name, full_column, dims, kind, index_name);
    -- refuses a k that no search takes
    effort := mrl._effort(k, null, null, null, false);
    if k > 100000000 then
        raise exception 'k % is above 100000000, the most that a calibration measures', k
            using errcode = 'invalid_parameter_value';
    end if;
    -- answers count, not queries: one of each query takes more of them to be as sure
    sample := coalesce(sample, greatest(500, 2000 / k));
    if sample < 1 then
        raise exception 'sample % is below 1', sample
            using errcode = 'invalid_parameter_value', hint = 'give a number of queries';
    end if;
    perform mrl._check_filter(filter, arguments);
    perform mrl._check_queries(queries, slots);
    limited := filter is not null or row_security_active(table_name);
    -- a sampled row is its own nearest: one more of each, and not itself
    spare := case when queries is null then 1 else 0 end;
    query := format('$17::%s', slots ->> 'type');
    slots := slots || jsonb_build_object(
        'where', mrl._condition(filter),
        'query', query,
        'short_query', mrl._short_of(query, slots),
        'value', slots ->> 'full',
        'gate', 'true',
        'extra', '',
        'key_names', slots ->> 'names',
        'sample', sample,
        'queries', '$17',
        'edge', '$20',
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
    passes := mrl._render(mrl._first_pass(), slots);
    sampling := mrl._render(
        case when queries is null then mrl._sample() else mrl._given() end, slots
    );
    effort := mrl._effort(k + spare, greatest(4 * k, 100), null, null, limited);
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
    pass := mrl._render(
        mrl._near_places(),
        slots || jsonb_build_object('passes', passes)
    );
    counting := format(
        'select pg_catalog.count(*) as count, '
        'pg_catalog.count(*) filter (where true%s) as passing from %s',
        slots ->> 'where', slots ->> 'table'
    );
end
$body$;

comment on function mrl._plan_calibration(
    regclass, name, int, int, text, int, int, text, name, vector[]
) is
'Internal. What a calibration will run.';
