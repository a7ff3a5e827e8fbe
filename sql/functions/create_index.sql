-- Gives a table a short column and its index, in one transaction, and registers them.
-- mrl.create_index('docs', 'embedding', dims => 256, …) -> name of the index
-- Called by: people
create or replace function mrl.create_index(
    table_name regclass,
    full_column name,
    dims int,
    kind text default 'halfvec',
    distance text default 'cosine',
    m int default 16,
    ef_construction int default 64,
    short_column name default null,
    index_name name default null,
    keep text default null,
    rebuild boolean default false
)
returns name
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    slots jsonb := mrl._table(table_name, full_column);
    step record;
    sample record;
    -- seven signs are the fewest that can tell a hundred rows apart
    signs boolean := mrl._kind(kind, 'stored') = 'bits' and dims >= 7;
begin
    -- a second build waits here, then finds nothing left to do
    execute mrl._render(mrl._lock_table(), slots);
    for step in
        select *
        from mrl._create_steps(
            table_name, full_column, dims, kind, distance, m, ef_construction,
            short_column, index_name, false, keep, rebuild
        )
    loop
        execute step.statement;
    end loop;
    slots := slots || jsonb_build_object('dims', dims, 'kind', kind);
    execute mrl._render(
        mrl._row_sample(),
        slots || jsonb_build_object('short', mrl._short_of('sample."full"', slots))
    ) into sample;
    if distance <> 'cosine' and sample.off > 0 then
        raise warning '% of the first % vectors are not of length 1: under distance %',
            sample.off, sample.rows, distance
            using detail = 'Short vectors have length 1, so the first pass ranks rows by '
                    'direction only.',
                hint = 'use distance => ''cosine'', unless length matters in your data';
    end if;
    -- fewer than ten distinct vectors say nothing
    if sample.full_values >= 10 and 2 * sample.short_values < sample.full_values then
        raise warning 'the first % vectors have % short values of kind %(%): a first pass '
            'cannot tell their rows apart',
            sample.rows, sample.short_values, kind, dims
            using detail = case when signs
                    then 'Bits keep only signs. Nearly all signs are the same here, as in image '
                        'features and unsigned integers.'
                    else 'The prefix has too few dimensions.'
                end,
                hint = case when signs then 'use kind => ''halfvec''' else 'use more dims' end;
    end if;
    return coalesce(
        nullif(index_name, ''),
        (
            mrl._names(slots ->> 'table_name', full_column, dims, kind, distance)
        ).index_name
    );
end
$body$;

comment on function mrl.create_index(
    regclass, name, int, text, text, int, int, name, name, text, boolean
) is
'Adds an index of short vectors, the first dims dimensions, to a table, and returns the name '
'of the index. kind: vector, halfvec or bit; distance: cosine, l2 or ip. keep: generated adds '
'a column and rewrites the table under an ACCESS EXCLUSIVE lock until the transaction ends; '
'expression adds no column, and only writers wait while the index is built. If keep is NULL, '
'a table with rows and a vector index gets an expression index, because a rewrite rebuilds '
'every index; rebuild => true allows that. Use mrl.create_index_sql for tables in use. Does '
'only the steps that are missing.';
