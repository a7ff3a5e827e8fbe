-- All that a search or a build must know of one table, in one row; none: no such table.
-- Slots: stamp; parameters: schema ('' for the search path), table, column, short, index
-- Called by: mrl_pg.catalog
select
    class.oid::bigint as table_id,
    space.nspname::text as schema,
    class.relname::text as "table",
    class.relkind::text as relation_kind,
    pg_catalog.row_security_active(class.oid) as row_security,
    {stamp} as stamp,
    full_column.number::pg_catalog.int4 as full_number,
    short_column.value as short_value,
    primary_key.oid as key_id,
    full_column.type as full_type,
    full_column.dims as full_dims,
    short_column.type as short_type,
    short_column.dims as short_dims,
    short_column.expression as short_expression,
    array(
        select attribute.attname::text
        from pg_catalog.pg_index as key
        cross join pg_catalog.unnest(key.indkey) with ordinality as part (number, place)
        join pg_catalog.pg_attribute as attribute
            on attribute.attrelid = class.oid
            and attribute.attnum = part.number
        where key.indrelid = class.oid
            and key.indisprimary
            and part.place <= key.indnkeyatts
        order by part.place
    ) as keys,
    array(
        select attribute.attname::text
        from pg_catalog.pg_attribute as attribute
        where attribute.attrelid = class.oid
            and attribute.attnum > 0
            and not attribute.attisdropped
        order by attribute.attnum
    ) as columns,
    array(
        select pg_catalog.format_type(attribute.atttypid, attribute.atttypmod)
        from pg_catalog.pg_attribute as attribute
        where attribute.attrelid = class.oid
            and attribute.attnum > 0
            and not attribute.attisdropped
        order by attribute.attnum
    ) as column_types,
    index.definition as index_definition,
    index.operator_class as index_operator_class,
    index.options as index_options,
    coalesce(index.usable, false) as index_usable,
    (
        select count(distinct other.indexrelid)
        from pg_catalog.pg_index as other
        join pg_catalog.pg_class as other_class on other_class.oid = other.indexrelid
        -- a key, an expression or a condition that reads the short column
        join pg_catalog.pg_depend as reads
            on reads.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            and reads.objid = other.indexrelid
            and reads.refobjid = class.oid
            and reads.refobjsubid = short_column.number
        where other.indrelid = class.oid
            and other_class.relname <> %(index)s
    ) as other_indexes
from pg_catalog.pg_class as class
join pg_catalog.pg_namespace as space on space.oid = class.relnamespace
left join lateral (
    select
        attribute.attnum as number,
        type.typname::text as type,
        nullif(attribute.atttypmod, -1) as dims
    from pg_catalog.pg_attribute as attribute
    join pg_catalog.pg_type as type on type.oid = attribute.atttypid
    where attribute.attrelid = class.oid
        and attribute.attname = %(column)s
        and attribute.attnum > 0
        and not attribute.attisdropped
) as full_column on true
left join lateral (
    select
        attribute.attnum as number,
        value.oid as value,
        type.typname::text as type,
        nullif(attribute.atttypmod, -1) as dims,
        case
            when attribute.attgenerated = 's'
            then pg_catalog.pg_get_expr(value.adbin, value.adrelid)
        end as expression
    from pg_catalog.pg_attribute as attribute
    join pg_catalog.pg_type as type on type.oid = attribute.atttypid
    left join pg_catalog.pg_attrdef as value
        on value.adrelid = attribute.attrelid
        and value.adnum = attribute.attnum
    where attribute.attrelid = class.oid
        and attribute.attname = %(short)s
        and attribute.attnum > 0
        and not attribute.attisdropped
) as short_column on true
left join lateral (
    select
        pg_catalog.pg_get_indexdef(state.indexrelid) as definition,
        (
            select operator_class.opcname::text
            from pg_catalog.pg_opclass as operator_class
            where operator_class.oid = state.indclass[0]
                and state.indkey[0] = short_column.number
                and state.indrelid = class.oid
                and state.indpred is null
        ) as operator_class,
        coalesce(index_class.reloptions, '{{}}') as options,
        state.indisvalid and state.indisready as usable
    from pg_catalog.pg_class as index_class
    join pg_catalog.pg_index as state on state.indexrelid = index_class.oid
    where index_class.relname = %(index)s
        and index_class.relnamespace = class.relnamespace
) as index on true
left join pg_catalog.pg_constraint as primary_key
    on primary_key.conrelid = class.oid
    and primary_key.contype = 'p'
where class.relname = %(table)s
    and class.relkind in ('r', 'p', 'v', 'm', 'f')
    and case
        when %(schema)s = '' then pg_catalog.pg_table_is_visible(class.oid)
        else space.nspname = %(schema)s
    end
