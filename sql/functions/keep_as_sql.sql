-- The statements that have an index keep its short values in another way, to run one by one.
-- mrl.keep_as_sql('docs', 'embedding', 'trigger', dims => 256) -> setof text
-- Called by: people with \gexec
create or replace function mrl.keep_as_sql(
    table_name regclass,
    full_column name,
    keep text,
    dims int default null,
    kind text default null,
    index_name name default null,
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
    from mrl._keep_steps(
        table_name, full_column, keep, dims, kind, index_name, rebuild
    ) as todo;
end
$body$;

comment on function mrl.keep_as_sql(regclass, name, text, int, text, name, boolean) is
'Statements that turn an index on an expression into a column with an index, or back. keep: '
'expression, trigger or generated. The new index is built beside the old one, under the name '
'of the old one and _beside; then both exchange their names, and the old one is dropped. '
'Calibrations stay. Run each statement by itself, as \gexec does, and ask again after an '
'interruption. rebuild is as in mrl.create_index.';
