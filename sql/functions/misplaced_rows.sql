-- Of random rows of each part, how many belong to another part. Reads the whole table.
-- mrl.misplaced_rows('docs', 'embedding', sample => 1000) -> setof (part, rows, misplaced)
-- Called by: people, client/parts.sql
create or replace function mrl.misplaced_rows(
    table_name regclass,
    full_column name,
    -- rows of the whole table that are compared
    sample int default 1000
)
returns table (part int, rows bigint, misplaced bigint)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    known record := mrl._parts_of(table_name, full_column);
    slots jsonb := mrl._table(table_name, full_column);
begin
    if sample is null or sample < 1 then
        raise exception 'sample % is below 1', coalesce(sample::text, 'NULL')
            using errcode = 'invalid_parameter_value', hint = 'give a number of rows';
    end if;
    return query execute format(
        'select drawn.part, count(*), count(*) filter (where drawn.part <> '
        'coalesce((mrl._near_parts($1, $2, $3, drawn.near, 1))[1], 0)) '
        'from (select %I as part, %s::%svector as near from %s order by random() limit $4) '
        'as drawn group by drawn.part order by drawn.part',
        known.part_column, slots ->> 'full', slots ->> 'extension', slots ->> 'table'
    )
        using known.entry, full_column, known.distance, sample;
end
$body$;

comment on function mrl.misplaced_rows(regclass, name, int) is
'Of random rows of a table that is partitioned by likeness, by part: how many were compared, and '
'how many belong to another part, so that a search with few probes may miss them. To move them: '
'update docs set part = mrl.part_of(''docs'', ''embedding'', embedding) where part <> '
'mrl.part_of(''docs'', ''embedding'', embedding).';
