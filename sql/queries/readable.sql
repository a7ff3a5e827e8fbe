-- Whether this role may read mrl.indexes: false where there is none, too.
-- No parameters; always one row.
-- Called by: mrl_pg.sqlalchemy.reflect
select exists (
    -- not by name: that is an error where there is none
    select
    from pg_catalog.pg_class as class
    join pg_catalog.pg_namespace as space on space.oid operator(pg_catalog.=) class.relnamespace
    where space.nspname operator(pg_catalog.=) 'mrl'
        and class.relname operator(pg_catalog.=) 'indexes'
        and class.relkind operator(pg_catalog.=) 'v'
        and pg_catalog.has_schema_privilege(space.oid, 'usage')
        and pg_catalog.has_table_privilege(class.oid, 'select')
)
