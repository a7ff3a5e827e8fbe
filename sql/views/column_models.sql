-- The embedding models of full columns. Every role may read them.
-- mrl.column_models
-- Called by: people, mrl.indexes, client/embed.sql
create or replace view mrl.column_models as
select
    live.table_id,
    filled.full_column,
    filled.model,
    filled.set_at
from mrl._column_models as filled
join mrl._live_tables as live on live.entry operator(pg_catalog.=) filled.entry
where filled.model is not null;

comment on view mrl.column_models is
'The embedding model of each full column, if it is known: what mrl.set_model was told. It is a '
'name, and nothing that could be run.';
