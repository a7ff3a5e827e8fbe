-- The statements that give a table a short column and its index, to run one by one.
-- mrl.create_index_sql('docs', 'embedding', dims => 256, …) -> setof text
-- Called by: people with \gexec
create or replace function mrl.create_index_sql(
    table_name regclass,
    full_column name,
    dims int,
    kind text default 'halfvec',
    distance text default 'cosine',
    m int default 16,
    ef_construction int default 64,
    short_column name default null,
    index_name name default null,
    concurrent boolean default true,
    keep text default null,
    rebuild boolean default false
)
returns setof text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    return query
    select todo.statement
    from mrl._create_steps(
        table_name, full_column, dims, kind, distance, m, ef_construction, short_column,
        index_name, concurrent, keep, rebuild
    ) as todo;
end
$body$;

comment on function mrl.create_index_sql(
    regclass, name, int, text, text, int, int, name, name, boolean, text, boolean
) is
'Statements that add an index of short vectors to a table, and register it. Run each '
'statement by itself, as \gexec does, because "create index concurrently" cannot run in a '
'function. Only missing steps are returned, so run them again after an interruption. keep '
'and rebuild are as in mrl.create_index: a statement that adds a generated column rewrites '
'the table under an ACCESS EXCLUSIVE lock. If keep is NULL and concurrent is true, a table of '
'more than 16 MB without a vector index gets a column with a trigger, which is filled in '
'batches.';
