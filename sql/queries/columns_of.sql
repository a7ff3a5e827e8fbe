-- Columns of a table by name, in order; no row when there is no such relation.
-- Parameters: schema ('' for the search path), table
-- Called by: mrl_pg.load.exchange
select
    space.nspname::pg_catalog.text as schema,
    class.relkind::pg_catalog.text as relation_kind,
    -- COPY is refused where row-level security holds for who loads; INSERT is not
    pg_catalog.row_security_active(class.oid) as row_security,
    attribute.attname::pg_catalog.text as name,
    case
        when type.typnamespace operator(pg_catalog.=) 'pg_catalog'::pg_catalog.regnamespace
        then type.typname::pg_catalog.text
        when type.typname operator(pg_catalog.=) any ('{vector,halfvec}')
            and type.typnamespace operator(pg_catalog.=) extension.extnamespace
        then type.typname::pg_catalog.text
    end as type,
    home.nspname::pg_catalog.text as type_schema,
    type.typname::pg_catalog.text as type_name,
    type.typcategory operator(pg_catalog.=) 'A' as is_array,
    pg_catalog.format_type(attribute.atttypid, attribute.atttypmod) as declared,
    case
        when attribute.atttypmod operator(pg_catalog.<>) -1 then attribute.atttypmod
    end as modifier,
    attribute.attgenerated operator(pg_catalog.<>) '' as generated
from pg_catalog.pg_class as class
join pg_catalog.pg_namespace as space on space.oid operator(pg_catalog.=) class.relnamespace
left join pg_catalog.pg_extension as extension
    on extension.extname operator(pg_catalog.=) 'vector'
left join pg_catalog.pg_attribute as attribute
    on attribute.attrelid operator(pg_catalog.=) class.oid
    and attribute.attnum operator(pg_catalog.>) 0
    and not attribute.attisdropped
left join pg_catalog.pg_type as type
    on type.oid operator(pg_catalog.=) attribute.atttypid
left join pg_catalog.pg_namespace as home
    on home.oid operator(pg_catalog.=) type.typnamespace
where class.relname operator(pg_catalog.=) %(table)s
    and class.relkind operator(pg_catalog.=) any ('{r,p,v,m,f}')
    and case
        when %(schema)s operator(pg_catalog.=) '' then pg_catalog.pg_table_is_visible(class.oid)
        else space.nspname operator(pg_catalog.=) %(schema)s
    end
order by attribute.attnum
