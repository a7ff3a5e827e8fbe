-- Everything that mrl_pg 0.1.0 installs, in order.
-- Released: neither this file nor one it names changes; frozen.txt holds their hashes.
-- Called by: mrl_0001_install.py
\ir ../schema.sql
\ir ../functions/version.sql
\ir ../refuse_downgrade.sql
\ir ../functions/refuse_dims.sql
\ir ../functions/truncate_vector.sql
\ir ../functions/truncate_halfvec.sql
\ir ../functions/index_bytes.sql
\ir ../tables/registry.sql
\ir ../functions/check_owner.sql
\ir ../functions/register.sql
\ir ../functions/unregister.sql
\ir ../views/indexes.sql
\ir ../grants.sql
\ir ../restore_path.sql
