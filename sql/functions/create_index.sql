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
-- under the caller's search path, because filling a column runs the triggers of the table
as $body$
declare
    step pg_catalog.record;
begin
    -- a second build waits here, then finds nothing left to do
    execute mrl._render(mrl._lock_table(), mrl._table(table_name, full_column));
    for step in
        select *
        from mrl._create_steps(
            table_name, full_column, dims, kind, distance, m, ef_construction,
            short_column, index_name, false, keep, rebuild
        )
    loop
        execute step.statement;
    end loop;
    return mrl._created(table_name, full_column, dims, kind, distance, index_name);
end
$body$;

comment on function mrl.create_index(
    regclass, name, int, text, text, int, int, name, name, text, boolean
) is
'Adds an index of short vectors, the first dims dimensions, to a table, and returns the name '
'of the index. kind: vector, halfvec or bit; distance: cosine, l2 or ip. keep: generated adds '
'a column and rewrites the table under an ACCESS EXCLUSIVE lock until the transaction ends; '
'trigger adds a column that a trigger fills, and updates every row; expression adds no column, '
'and only writers wait while the index is built. If keep is NULL, a table with rows and a '
'vector index gets an expression index, because a rewrite rebuilds every index; rebuild => '
'true allows that. Use mrl.create_index_sql for tables in use. Does only the steps that are '
'missing.';
