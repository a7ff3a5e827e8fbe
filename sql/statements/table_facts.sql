-- All that a search or a build must know of one table, in one row; none: no such table.
-- Slots: stamp; parameters: schema ('' for the search path), table, column, short, index
-- Called by: mrl_pg.catalog.read
select
    class.oid::pg_catalog.int8 as table_id,
    space.nspname::pg_catalog.text as schema,
    class.relname::pg_catalog.text as "table",
    class.relkind::pg_catalog.text as relation_kind,
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
        select attribute.attname::pg_catalog.text
        from pg_catalog.pg_index as key
        cross join pg_catalog.unnest(key.indkey) with ordinality as part (number, place)
        join pg_catalog.pg_attribute as attribute
            on attribute.attrelid operator(pg_catalog.=) class.oid
            and attribute.attnum operator(pg_catalog.=) part.number
        where key.indrelid operator(pg_catalog.=) class.oid
            and key.indisprimary
            and part.place operator(pg_catalog.<=) key.indnkeyatts
        order by part.place
    ) as keys,
    array(
        select attribute.attname::pg_catalog.text
        from pg_catalog.pg_attribute as attribute
        where attribute.attrelid operator(pg_catalog.=) class.oid
            and attribute.attnum operator(pg_catalog.>) 0
            and not attribute.attisdropped
        order by attribute.attnum
    ) as columns,
    array(
        select pg_catalog.format_type(attribute.atttypid, attribute.atttypmod)
        from pg_catalog.pg_attribute as attribute
        where attribute.attrelid operator(pg_catalog.=) class.oid
            and attribute.attnum operator(pg_catalog.>) 0
            and not attribute.attisdropped
        order by attribute.attnum
    ) as column_types,
    index.definition as index_definition,
    index.operator_class as index_operator_class,
    index.options as index_options,
    coalesce(index.usable, false) as index_usable,
    (
        select pg_catalog.count(distinct other.indexrelid)
        from pg_catalog.pg_index as other
        join pg_catalog.pg_class as other_class on other_class.oid operator(pg_catalog.=) other.indexrelid
        -- a key, an expression or a condition that reads the short column
        join pg_catalog.pg_depend as reads
            on reads.classid operator(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
            and reads.objid operator(pg_catalog.=) other.indexrelid
            and reads.refobjid operator(pg_catalog.=) class.oid
            and reads.refobjsubid operator(pg_catalog.=) short_column.number
        where other.indrelid operator(pg_catalog.=) class.oid
            and other_class.relname operator(pg_catalog.<>) %(index)s
    ) as other_indexes
from pg_catalog.pg_class as class
join pg_catalog.pg_namespace as space on space.oid operator(pg_catalog.=) class.relnamespace
left join lateral (
    select
        attribute.attnum as number,
        type.typname::pg_catalog.text as type,
        case
            when attribute.atttypmod operator(pg_catalog.<>) -1
            then attribute.atttypmod
        end as dims
    from pg_catalog.pg_attribute as attribute
    join pg_catalog.pg_type as type on type.oid operator(pg_catalog.=) attribute.atttypid
    where attribute.attrelid operator(pg_catalog.=) class.oid
        and attribute.attname operator(pg_catalog.=) %(column)s
        and attribute.attnum operator(pg_catalog.>) 0
        and not attribute.attisdropped
) as full_column on true
left join lateral (
    select
        attribute.attnum as number,
        value.oid as value,
        type.typname::pg_catalog.text as type,
        case
            when attribute.atttypmod operator(pg_catalog.<>) -1
            then attribute.atttypmod
        end as dims,
        case
            when attribute.attgenerated operator(pg_catalog.=) 's'
            then pg_catalog.pg_get_expr(value.adbin, value.adrelid)
        end as expression
    from pg_catalog.pg_attribute as attribute
    join pg_catalog.pg_type as type on type.oid operator(pg_catalog.=) attribute.atttypid
    left join pg_catalog.pg_attrdef as value
        on value.adrelid operator(pg_catalog.=) attribute.attrelid
        and value.adnum operator(pg_catalog.=) attribute.attnum
    where attribute.attrelid operator(pg_catalog.=) class.oid
        and attribute.attname operator(pg_catalog.=) %(short)s
        and attribute.attnum operator(pg_catalog.>) 0
        and not attribute.attisdropped
) as short_column on true
left join lateral (
    select
        pg_catalog.pg_get_indexdef(state.indexrelid) as definition,
        (
            select operator_class.opcname::pg_catalog.text
            from pg_catalog.pg_opclass as operator_class
            where operator_class.oid operator(pg_catalog.=) state.indclass[0]
                and state.indkey[0] operator(pg_catalog.=) short_column.number
                and state.indrelid operator(pg_catalog.=) class.oid
                and state.indpred is null
        ) as operator_class,
        coalesce(index_class.reloptions, '{{}}') as options,
        state.indisvalid and state.indisready as usable
    from pg_catalog.pg_class as index_class
    join pg_catalog.pg_index as state on state.indexrelid operator(pg_catalog.=) index_class.oid
    where index_class.relname operator(pg_catalog.=) %(index)s
        and index_class.relnamespace operator(pg_catalog.=) class.relnamespace
) as index on true
left join pg_catalog.pg_constraint as primary_key
    on primary_key.conrelid operator(pg_catalog.=) class.oid
    and primary_key.contype operator(pg_catalog.=) 'p'
where class.relname operator(pg_catalog.=) %(table)s
    and class.relkind operator(pg_catalog.=) any (
        array['r', 'p', 'v', 'm', 'f']::pg_catalog."char"[]
    )
    and case
        when %(schema)s operator(pg_catalog.=) '' then pg_catalog.pg_table_is_visible(class.oid)
        else space.nspname operator(pg_catalog.=) %(schema)s
    end
