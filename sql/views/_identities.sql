-- What identifies a table: its OID, the transaction that made it, and its name.
-- mrl._identities
-- Called by: mrl._live_tables, mrl._claim, refresh.sql
create or replace view mrl._identities as
select
    class.oid as table_oid,
    class.relowner as owner,
    -- the cluster, and the transaction that made the table, because no later statement
    -- changes the rows of pg_attribute about system columns
    pg_catalog.concat(
        (
            select system.system_identifier
            from pg_catalog.pg_control_system() as system
        ),
        '/',
        attribute.xmin
    ) as born,
    pg_catalog.format(
        '%s.%I of %s',
        class.relnamespace::pg_catalog.regnamespace,
        class.relname,
        class.relowner::pg_catalog.regrole
    ) as named
from pg_catalog.pg_class as class
join pg_catalog.pg_attribute as attribute
    on attribute.attrelid operator(pg_catalog.=) class.oid
    -- cmax, because nobody grants rights on this column
    and attribute.attnum operator(pg_catalog.=) -5
where class.relkind operator(pg_catalog.=) any ('{r,p}'::pg_catalog."char"[]);

comment on view mrl._identities is
'Internal. Values that identify each table.';
