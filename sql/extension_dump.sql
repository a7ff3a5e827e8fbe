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
do $body$
declare
    of_entry pg_catalog.regclass;
begin
    -- a statement each, because all of them change the same row of the catalog
    foreach of_entry in array array[
        'mrl._registry', 'mrl._calibrations', 'mrl._measurements', 'mrl._query_sampling',
        'mrl._column_models', 'mrl._rotations', 'mrl._rotation_rows', 'mrl._tenants',
        'mrl._tenant_indexes', 'mrl._tenant_calibrations', 'mrl._parts', 'mrl._part_centres'
    ]::pg_catalog.regclass[]
    loop
        perform pg_catalog.pg_extension_config_dump(of_entry, $$
where entry in (
    select known.entry
    from mrl._tables as known
    join pg_catalog.pg_class as class
        on class.oid operator(pg_catalog.=) known.table_id
)
$$);
    end loop;
end
$body$;
select pg_catalog.pg_extension_config_dump('mrl._tables_entry_seq', '');
select pg_catalog.pg_extension_config_dump('mrl._query_sampling_room_seq', '');
