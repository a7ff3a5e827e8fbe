-- Columns of a table by name, in order; no row when there is no such relation.
-- Parameters: schema ('' for the search path), table
-- Called by: mrl_pg.load.loader
select
    space.nspname::text as schema,
    class.relkind::text as relation_kind,
    attribute.attname::text as name,
    case
        when type.typnamespace = 'pg_catalog'::pg_catalog.regnamespace
        then type.typname::text
        when type.typname in ('vector', 'halfvec')
            and type.typnamespace = extension.extnamespace
        then type.typname::text
    end as type,
    pg_catalog.format_type(attribute.atttypid, attribute.atttypmod) as declared,
    nullif(attribute.atttypmod, -1) as modifier,
    attribute.attgenerated <> '' as generated
from pg_catalog.pg_class as class
join pg_catalog.pg_namespace as space on space.oid = class.relnamespace
left join pg_catalog.pg_extension as extension on extension.extname = 'vector'
left join pg_catalog.pg_attribute as attribute
    on attribute.attrelid = class.oid
    and attribute.attnum > 0
    and not attribute.attisdropped
left join pg_catalog.pg_type as type on type.oid = attribute.atttypid
where class.relname = %(table)s
    and class.relkind in ('r', 'p', 'v', 'm', 'f')
    and case
        when %(schema)s = '' then pg_catalog.pg_table_is_visible(class.oid)
        else space.nspname = %(schema)s
    end
order by attribute.attnum
