-- Undoes mrl.create_index: the index, the short column when no other needs it, the entry.
-- mrl.drop_index('docs', 'embedding', dims => 256, …) -> name of the index
-- Called by: people
create or replace function mrl.drop_index(
    table_name regclass,
    full_column name,
    dims int default null,
    kind text default null,
    index_name name default null
)
returns name
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    known record;
    matches int;
    slots jsonb := jsonb_build_object('table', table_name, 'concurrently', '');
begin
    perform mrl.check_owner(table_name);
    execute mrl._render(mrl._lock_table(), slots);
    select registry.*, space.nspname, count(*) over () as matches
    into known
    from mrl.registry as registry
    join pg_class as class on class.oid = registry.table_id
    join pg_namespace as space on space.oid = class.relnamespace
    where registry.table_id = drop_index.table_name
        and registry.full_column = drop_index.full_column
        and (drop_index.dims is null or registry.dims = drop_index.dims)
        and (drop_index.kind is null or registry.kind = drop_index.kind)
        and (drop_index.index_name is null or registry.index_name = drop_index.index_name);
    if not found then
        raise exception 'column %.% has no such short column',
            table_name, quote_ident(full_column)
            using errcode = 'undefined_object', hint = 'select * from mrl.indexes';
    elsif known.matches > 1 then
        raise exception 'column %.% has % short columns like that',
            table_name, quote_ident(full_column), known.matches
            using errcode = 'ambiguous_parameter',
                hint = 'say which with dims, kind or index_name: select * from mrl.indexes';
    end if;
    if exists (
        select
        from pg_class as class
        join pg_index as state on state.indexrelid = class.oid
        where class.relname = known.index_name
            and state.indrelid = drop_index.table_name
    ) then
        execute mrl._render(
            mrl._drop_index(),
            slots || jsonb_build_object(
                'index', format('%I.%I', known.nspname, known.index_name)
            )
        );
    end if;
    if exists (
        -- generated: a column of yours that has come to bear its name holds your values
        select
        from pg_attribute as attribute
        where attribute.attrelid = drop_index.table_name
            and attribute.attname = known.short_column
            and attribute.attgenerated = 's'
    ) and not exists (
        select
        from pg_attribute as attribute
        join pg_index as state on state.indrelid = attribute.attrelid
        -- a key, an expression or a condition that reads the short column
        join pg_depend as reads
            on reads.classid = 'pg_class'::regclass
            and reads.objid = state.indexrelid
            and reads.refobjid = attribute.attrelid
            and reads.refobjsubid = attribute.attnum
        where attribute.attrelid = drop_index.table_name
            and attribute.attname = known.short_column
    ) then
        execute mrl._render(
            mrl._drop_short_column(),
            slots || jsonb_build_object('short', quote_ident(known.short_column))
        );
    end if;
    perform mrl.unregister(table_name, known.index_name);
    return known.index_name;
end
$body$;

comment on function mrl.drop_index(regclass, name, int, text, name) is
'Undoes mrl.create_index: drops the index, the short column when no other index reads it, '
'and the registry''s row; answers the index''s name. Full vectors stay as they are.';
