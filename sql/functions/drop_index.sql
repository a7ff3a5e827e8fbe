-- Drops an index of mrl.create_index, and its short column if no other index needs the column.
-- mrl.drop_index('docs', 'embedding', dims => 256, …) -> name of the index, or NULL
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
    select
        registered.*,
        -- after a rename by hand, or the old name if the index is gone
        coalesce(registered.index_now, registered.index_name) as name_now,
        space.nspname,
        count(*) over () as matches
    into known
    from mrl._registered(table_name) as registered
    join pg_class as class on class.oid = registered.table_id
    join pg_namespace as space on space.oid = class.relnamespace
    where (
            coalesce(registered.full_now, registered.full_column) = drop_index.full_column
            -- an old name that no column has now
            or registered.full_column = drop_index.full_column
            and not exists (
                select
                from pg_attribute as other
                where other.attrelid = drop_index.table_name
                    and other.attname = drop_index.full_column
            )
        )
        and (drop_index.dims is null or registered.dims = drop_index.dims)
        and (drop_index.kind is null or registered.kind = drop_index.kind)
        and (
            drop_index.index_name is null
            or drop_index.index_name in (registered.index_name, registered.index_now)
        );
    if known.matches is null then
        perform mrl._table(table_name, full_column);
        raise notice 'column %.% has no such short column, so there is nothing to drop',
            table_name, quote_ident(full_column);
        return null;
    end if;
    perform mrl._check_one(table_name, full_column, known.matches);
    slots := slots || jsonb_build_object(
        'short', quote_ident(known.short_now),
        'index', format('%I.%I', known.nspname, known.name_now)
    );
    for step in execute mrl._render(
        mrl._drop_steps(),
        jsonb_build_object(
            'table', quote_literal(table_name),
            'short', quote_literal(known.short_now),
            'index', quote_literal(known.name_now),
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
    return known.name_now;
end
$body$;

comment on function mrl.drop_index(regclass, name, int, text, name) is
'Undoes mrl.create_index: drops the index and its row in the registry, and drops the short '
'column, with its trigger, if no other index uses it. Returns the name of the index, or NULL '
'with a notice if there is none like that. Full vectors do not change.';
