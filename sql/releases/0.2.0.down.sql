-- From 0.2.0 back to 0.1.0: the registry's rows, short columns and indexes stay.
-- Not released yet.
-- Called by: mrl_0002_sql_door.py
\ir ../drop_sql_door.sql
\ir ../functions/version.sql
\ir ../functions/register.sql
\ir ../tables/registry.2.down.sql
