-- Drops an index of mrl.create_index, and its short column if no other index needs the column.
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
    step record;
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
    perform mrl._check_one(table_name, full_column, known.matches);
    slots := slots || jsonb_build_object(
        'short', quote_ident(known.short_column),
        'index', format('%I.%I', known.nspname, known.index_name)
    );
    for step in execute mrl._render(
        mrl._drop_steps(),
        jsonb_build_object(
            'table', quote_literal(table_name),
            'short', quote_literal(known.short_column),
            'index', quote_literal(known.index_name),
            -- the prefix of any column, because the full column may have been renamed
            'ours', format(
                'exists ('
                    'select from mrl._column(attribute.attrelid, attribute.attname) as made '
                    'where mrl._is_short_column(made.expression, made.type, null, %s, %L)'
                ')',
                known.dims, known.kind
            ),
            'drop_index', quote_literal(mrl._render(mrl._drop_index(), slots)),
            'drop_column', quote_literal(mrl._render(mrl._drop_short_column(), slots)),
            'unregister', quote_literal(
                format('select mrl.unregister(%L, %L)', table_name, known.index_name)
            ),
            'installed', 'true'
        )
    ) loop
        execute step.statement;
    end loop;
    return known.index_name;
end
$body$;

comment on function mrl.drop_index(regclass, name, int, text, name) is
'Undoes mrl.create_index: drops the index and its row in the registry, and drops the short '
'column, with its trigger, if no other index uses it. Returns the name of the index. Full '
'vectors do not change.';
