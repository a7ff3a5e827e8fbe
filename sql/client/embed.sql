-- The embedding models of full columns.

-- name: column_model
-- Whether a table is there, its column's size and model, and who may say which model it is.
-- Parameters: table (a name), column; always one row.
-- Called by: mrl_pg.embed.column_model
select
    class.oid is not null as there,
    class.relname::pg_catalog.text as "table",
    space.nspname::pg_catalog.text as schema,
    attribute.attnum is not null as has_column,
    case
        when attribute.atttypmod operator(pg_catalog.<>) -1 then attribute.atttypmod
    end as dims,
    coalesce(pg_catalog.pg_has_role(class.relowner, 'usage'), true) as owned,
    exists (
        select
        from pg_catalog.pg_proc as proc
        join pg_catalog.pg_namespace as home on home.oid operator(pg_catalog.=) proc.pronamespace
        where home.nspname operator(pg_catalog.=) 'mrl'
            and proc.proname operator(pg_catalog.=) 'set_model'
    ) as installed
from (values (1)) as always (one)
left join pg_catalog.pg_class as class
    on class.oid operator(pg_catalog.=) pg_catalog.to_regclass(%(table)s)
left join pg_catalog.pg_namespace as space
    on space.oid operator(pg_catalog.=) class.relnamespace
left join pg_catalog.pg_attribute as attribute
    on attribute.attrelid operator(pg_catalog.=) class.oid
    and attribute.attname operator(pg_catalog.=) %(column)s
    and attribute.attnum operator(pg_catalog.>) 0
    and not attribute.attisdropped

-- name: known_model
-- The model of a column, if its owner has said it.
-- Parameters: table (a name), column
-- Called by: mrl_pg.embed.column_model
select filled.model
from mrl.column_models as filled
where filled.table_id operator(pg_catalog.=) pg_catalog.to_regclass(%(table)s)
    and filled.full_column operator(pg_catalog.=) %(column)s

-- name: has_vectors
-- Whether any row has a vector.
-- Slots: table, column
-- Called by: mrl_pg.embed.column_model
select exists (select from {table} where {column} is not null) as filled

-- name: set_model
-- Says which model filled a column.
-- Parameters: table (a name), column, model
-- Called by: mrl_pg.embed.column_model
select mrl.set_model(
    %(table)s::pg_catalog.regclass, %(column)s::pg_catalog.name, %(model)s::pg_catalog.text
)
