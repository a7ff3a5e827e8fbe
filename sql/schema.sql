-- Checks pgvector, makes the schema, and lets the files after it find the vector types.
-- The search path changes until `restore_path.sql`, the last of the manifest.
-- Called by: install.sql, mrl_pg.install, migrations
do $check$
declare
    found text := (
        select extversion from pg_catalog.pg_extension where extname = 'vector'
    );
    home text := (
        select space.nspname
        from pg_catalog.pg_extension as extension
        join pg_catalog.pg_namespace as space on space.oid = extension.extnamespace
        where extension.extname = 'vector'
    );
begin
    perform pg_catalog.set_config(
        'mrl.search_path', pg_catalog.current_setting('search_path'), true
    );
    perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    perform pg_advisory_xact_lock(hashtext('mrl_pg install'));
    if found is null then
        raise exception 'pgvector is not installed in this database'
            using hint = 'create extension vector;';
    elsif string_to_array(substring(found from '^[0-9.]+'), '.')::int[] < '{0,8}' then
        raise exception 'pgvector % is too old: mrl_pg needs 0.8.0 or later', found
            using hint = 'alter extension vector update;';
    end if;
    perform set_config('search_path', quote_ident(home) || ', pg_temp', true);
end
$check$;

create schema if not exists mrl;
comment on schema mrl is 'mrl_pg: Matryoshka two-pass retrieval with pgvector';
