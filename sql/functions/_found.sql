-- The short column that a search means, as slots: by the registry, checked on the catalog.
-- mrl._found(table_id oid, full_column name, dims, kind, index_name) -> slots, pattern
-- Called by: mrl._plan, mrl._plan_recall, mrl._steps, mrl.search_sql, mrl.create_search_function
create or replace function mrl._found(
    table_id oid,
    full_column name,
    dims int,
    kind text,
    index_name name,
    out slots jsonb,
    out pattern text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    known record;
    present text;
begin
    -- one cheap look a search: what it finds must agree with what the registry derived
    select
        registry.*,
        attribute.attnum as full_number,
        format('%I.%I', space.nspname, class.relname) as name,
        class.relhassubclass or class.relkind = 'p' as parts,
        to_regclass(registry.slots ->> 'index') is not null as indexed
    into known
    from mrl.registry as registry
    join pg_class as class on class.oid = registry.table_id
    join pg_namespace as space on space.oid = class.relnamespace
    left join pg_attribute as attribute
        on attribute.attrelid = registry.table_id
        and attribute.attname = registry.full_column
    where registry.table_id = _found.table_id::regclass
        and registry.full_column = _found.full_column
        and (_found.dims is null or registry.dims = _found.dims)
        and (_found.kind is null or registry.kind = _found.kind)
        and (_found.index_name is null or registry.index_name = _found.index_name)
    -- the oldest: a size added later changes no search that names none
    order by registry.created_at, registry.index_name
    limit 1;
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
    if known.indexed
        and known.full_number = (known.slots ->> 'full_number')::int
        and known.parts = (known.slots ->> 'parts')::boolean
    then
        slots := known.slots || jsonb_build_object('table', known.name);
        pattern := known.pattern;
    else
        slots := mrl._slots(
            table_id,
            full_column,
            known.short_column,
            known.index_name,
            known.dims,
            known.kind,
            known.distance
        );
        pattern := mrl._pattern(slots);
    end if;
end
$body$;

comment on function mrl._found(oid, name, int, text, name) is
'Internal. The short column that a search means.';
