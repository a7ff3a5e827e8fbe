-- Slots of the templates that a short column and its index decide, checked on the catalog.
-- mrl._slots(table_id, full_column, short_column, index_name, dims, kind, distance) -> jsonb
-- Called by: mrl.register, mrl._found, refresh.sql
create or replace function mrl._slots(
    table_id oid,
    full_column name,
    short_column name,
    index_name name,
    dims int,
    kind text,
    distance text
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    slots jsonb := mrl._table(table_id, full_column);
    index record;
    short record;
begin
    select
        state.indisvalid and state.indisready as usable,
        operator_class.opcname,
        pg_get_indexdef(state.indexrelid, 1, false) as key
    into index
    from pg_index as state
    join pg_class as class on class.oid = state.indexrelid
    join pg_opclass as operator_class on operator_class.oid = state.indclass[0]
    where state.indrelid = _slots.table_id
        and class.relname = _slots.index_name;
    if index.usable is not true then
        raise exception 'index % of % %',
            quote_ident(index_name),
            slots ->> 'table',
            case when index.usable is null then 'does not exist' else 'is not valid' end
            using errcode = 'undefined_object',
                hint = 'run what mrl.create_index_sql(…) returns, or mrl.create_index(…)';
    elsif index.opcname <> mrl._operator_class(kind, distance)
        or index.key <> quote_ident(short_column)
    then
        raise exception 'index % of % is not one of % for distance %',
            quote_ident(index_name), slots ->> 'table', quote_ident(short_column), distance
            using errcode = 'object_not_in_prerequisite_state',
                detail = format('it is of %s with %s', index.key, index.opcname),
                hint = 'name the kind and distance that it was made with';
    end if;
    select
        format_type(attribute.atttypid, attribute.atttypmod) as type,
        pg_get_expr(value.adbin, value.adrelid) as expression
    into short
    from pg_attribute as attribute
    join pg_attrdef as value
        on value.adrelid = attribute.attrelid
        and value.adnum = attribute.attnum
    where attribute.attrelid = _slots.table_id
        and attribute.attname = _slots.short_column
        and attribute.attgenerated = 's';
    if not found
        or not mrl._is_prefix(short.expression, short.type, full_column, dims, kind)
    then
        raise exception 'column %.% is not the %(%) prefix of %',
            slots ->> 'table',
            quote_ident(short_column),
            kind,
            dims,
            quote_ident(full_column)
            using errcode = 'object_not_in_prerequisite_state',
                detail = format('it is %s', coalesce(short.expression, 'not generated')),
                hint = 'was a column renamed? drop the index and create it again';
    end if;
    slots := slots || jsonb_build_object(
        'dims', dims,
        'kind', kind,
        'operator', mrl._operator(distance),
        'distance', distance,
        'short', quote_ident(short_column),
        'index', format('%I.%I', slots ->> 'schema_name', index_name),
        'index_name', index_name
    );
    return slots || jsonb_build_object(
        'short_operator', case kind when 'bit' then '<~>' else slots ->> 'operator' end
    );
end
$body$;

comment on function mrl._slots(oid, name, name, name, int, text, text) is
'Internal. What a short column and its index put into the templates.';
