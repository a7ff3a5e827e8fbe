-- The short column that a search means, as slots: by the registry, checked on the catalog.
-- mrl._found(table_id oid, full_column name, dims, kind, index_name) -> jsonb
-- Called by: mrl._plan, mrl._plan_recall, mrl._steps, mrl.search_sql, mrl.create_search_function
create or replace function mrl._found(
    table_id oid,
    full_column name,
    dims int,
    kind text,
    index_name name
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    known record;
    slots jsonb;
    present text;
begin
    -- one cheap look a search
    select
        registry.*,
        facts.*,
        facts.usable and facts.fitting and facts.prefix as sound
    into known
    from (
        select
            registry.full_column,
            registry.short_column,
            registry.index_name,
            registry.dims,
            registry.kind,
            registry.distance
        from mrl.registry as registry
        where registry.table_id = _found.table_id::regclass
            and registry.full_column = _found.full_column
            and (_found.dims is null or registry.dims = _found.dims)
            and (_found.kind is null or registry.kind = _found.kind)
            and (_found.index_name is null or registry.index_name = _found.index_name)
        -- the oldest: a size added later changes no search that names none
        order by registry.created_at, registry.index_name
        limit 1
    ) as registry
    left join lateral mrl._facts(
        _found.table_id,
        registry.full_column,
        registry.short_column,
        registry.index_name,
        registry.dims,
        registry.kind,
        registry.distance
    ) as facts on true;
    if not found then
        slots := mrl._table(table_id, full_column);
        select string_agg(
            format('%s(%s)', registry.kind, registry.dims), ', ' order by registry.dims
        )
        into present
        from mrl.registry as registry
        where registry.table_id = _found.table_id::regclass
            and registry.full_column = _found.full_column;
        raise exception 'column %.% has no short column%',
            slots ->> 'table',
            slots ->> 'full',
            case when coalesce(dims::text, kind, index_name) is not null
                then ' of ' || concat_ws(
                    ', ', dims || ' dims', 'kind ' || kind, 'index ' || index_name
                )
                else ''
            end
            using errcode = 'undefined_object',
                hint = case
                    when present is not null then 'there are: ' || present
                    else format(
                        'select mrl.create_index(%L, %L, dims => %s), or exact => true',
                        slots ->> 'table',
                        full_column,
                        least(256, (slots ->> 'full_dims')::int)
                    )
                end;
    end if;
    if known.sound is not true then
        perform mrl._check_short(
            table_id,
            full_column,
            known.short_column,
            known.index_name,
            known.dims,
            known.kind,
            known.distance
        );
        -- mended between two looks
        return mrl._found(table_id, full_column, dims, kind, index_name);
    end if;
    return mrl._places(known.parts) || jsonb_build_object(
        'table', known.table_name,
        'parts', known.parts,
        'full', quote_ident(full_column),
        'full_dims', known.full_dims,
        'type', known.full_type,
        'extension', known.extension,
        'dims', known.dims,
        'kind', known.kind,
        'operator', mrl._operator(known.distance),
        'distance', known.distance,
        'short', quote_ident(known.short_column),
        'short_column', known.short_column,
        'short_operator', case known.kind
            when 'bit' then '<~>'
            else mrl._operator(known.distance)
        end,
        'index', quote_literal(known.index_text),
        'index_name', known.index_name
    );
end
$body$;

comment on function mrl._found(oid, name, int, text, name) is
'Internal. The short column that a search means.';
