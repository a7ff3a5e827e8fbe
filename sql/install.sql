-- Installs or upgrades mrl_pg in the current database, in one transaction.
-- Run: psql -X -f sql/install.sql   (pgvector 0.8 or later must be installed first)
-- Called by: people, mrl_pg.install, migrations; each runs the files below in order
\set ON_ERROR_STOP on
begin;
set local client_min_messages = warning;
\ir schema.sql
\ir functions/version.sql
\ir refuse_downgrade.sql
\ir functions/refuse_dims.sql
\ir functions/truncate_vector.sql
\ir functions/truncate_halfvec.sql
\ir functions/index_bytes.sql
\ir tables/registry.sql
\ir functions/check_owner.sql
\ir functions/register.sql
\ir functions/unregister.sql
\ir views/indexes.sql
\ir grants.sql
\ir restore_path.sql
commit;
select 'mrl_pg ' || mrl.version() || ' is installed' as result;
