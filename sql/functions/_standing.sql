-- What of a short column and its index is there already, or that it is another one.
-- mrl._standing(table_id, full_column, short_column, index_name, slots) -> has_column, usable
-- Called by: mrl.create_index_sql
create or replace function mrl._standing(
    table_id oid,
    full_column name,
    short_column name,
    index_name name,
    slots jsonb,
    out has_column boolean,
    -- NULL: there is no index of that name
    out usable boolean
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    there record;
begin
    select
        format_type(attribute.atttypid, attribute.atttypmod) as type,
        case when attribute.attgenerated = 's'
            then pg_get_expr(value.adbin, value.adrelid)
        end as expression
    into there
    from pg_attribute as attribute
    left join pg_attrdef as value
        on value.adrelid = attribute.attrelid
        and value.adnum = attribute.attnum
    where attribute.attrelid = _standing.table_id
        and attribute.attname = _standing.short_column
        and attribute.attnum > 0
        and not attribute.attisdropped;
    has_column := found;
    if has_column and not mrl._is_prefix(
        there.expression, there.type, full_column, (slots ->> 'dims')::int, slots ->> 'kind'
    ) then
        raise exception 'column %.% is not the %(%) prefix of %',
            slots ->> 'table',
            slots ->> 'short',
            slots ->> 'kind',
            slots ->> 'dims',
            slots ->> 'full'
            using errcode = 'duplicate_column',
                detail = format(
                    'it is %s %s', there.type, coalesce(there.expression, 'not generated')
                ),
                hint = 'drop it, or name another with short_column';
    end if;
    select
        state.indisvalid and state.indisready as usable,
        pg_get_indexdef(state.indexrelid) as definition,
        state.indrelid = _standing.table_id
            and state.indpred is null
            and operator_class.opcname = slots ->> 'operator_class'
            and pg_get_indexdef(state.indexrelid, 1, false) = slots ->> 'short'
            and class.reloptions @> array[
                'm=' || (slots ->> 'm'), 'ef_construction=' || (slots ->> 'ef_construction')
            ] as same
    into there
    from pg_class as class
    left join pg_index as state on state.indexrelid = class.oid
    left join pg_opclass as operator_class on operator_class.oid = state.indclass[0]
    where class.relname = _standing.index_name
        and class.relnamespace = (
            select home.relnamespace from pg_class as home where home.oid = _standing.table_id
        );
    if found and there.same is not true then
        raise exception '% exists and is another one: %',
            quote_ident(index_name), coalesce(there.definition, 'not an index')
            using errcode = 'duplicate_object',
                hint = 'drop it, or name another with index_name';
    end if;
    usable := there.usable;
end
$body$;

comment on function mrl._standing(oid, name, name, name, jsonb) is
'Internal. What of a short column and its index is there already.';
