-- Makes pg_dump write the rows of mrl_pg's tables, although the extension owns these tables.
-- Only in the extension's script. Rows about dropped tables are left out.
-- Called by: mrl_pg.extension
select pg_catalog.pg_extension_config_dump('mrl._tables', $$
where exists (
    select
    from pg_catalog.pg_class as class
    where class.oid operator(pg_catalog.=) table_id
)
$$);
select pg_catalog.pg_extension_config_dump('mrl._registry', $$
where entry in (
    select known.entry
    from mrl._tables as known
    join pg_catalog.pg_class as class
        on class.oid operator(pg_catalog.=) known.table_id
)
$$);
select pg_catalog.pg_extension_config_dump('mrl._calibrations', $$
where entry in (
    select known.entry
    from mrl._tables as known
    join pg_catalog.pg_class as class
        on class.oid operator(pg_catalog.=) known.table_id
)
$$);
select pg_catalog.pg_extension_config_dump('mrl._measurements', $$
where entry in (
    select known.entry
    from mrl._tables as known
    join pg_catalog.pg_class as class
        on class.oid operator(pg_catalog.=) known.table_id
)
$$);
select pg_catalog.pg_extension_config_dump('mrl._query_sampling', $$
where entry in (
    select known.entry
    from mrl._tables as known
    join pg_catalog.pg_class as class
        on class.oid operator(pg_catalog.=) known.table_id
)
$$);
select pg_catalog.pg_extension_config_dump('mrl._column_models', $$
where entry in (
    select known.entry
    from mrl._tables as known
    join pg_catalog.pg_class as class
        on class.oid operator(pg_catalog.=) known.table_id
)
$$);
select pg_catalog.pg_extension_config_dump('mrl._rotations', $$
where entry in (
    select known.entry
    from mrl._tables as known
    join pg_catalog.pg_class as class
        on class.oid operator(pg_catalog.=) known.table_id
)
$$);
select pg_catalog.pg_extension_config_dump('mrl._rotation_rows', $$
where entry in (
    select known.entry
    from mrl._tables as known
    join pg_catalog.pg_class as class
        on class.oid operator(pg_catalog.=) known.table_id
)
$$);
select pg_catalog.pg_extension_config_dump('mrl._tenants', $$
where entry in (
    select known.entry
    from mrl._tables as known
    join pg_catalog.pg_class as class
        on class.oid operator(pg_catalog.=) known.table_id
)
$$);
select pg_catalog.pg_extension_config_dump('mrl._tenant_indexes', $$
where entry in (
    select known.entry
    from mrl._tables as known
    join pg_catalog.pg_class as class
        on class.oid operator(pg_catalog.=) known.table_id
)
$$);
select pg_catalog.pg_extension_config_dump('mrl._tables_entry_seq', '');
select pg_catalog.pg_extension_config_dump('mrl._query_sampling_room_seq', '');
