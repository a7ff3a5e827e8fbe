-- The registered short columns of tables that still exist. Every role may read it.
-- mrl.registry
-- Called by: mrl._found, mrl._ordinary, mrl._full, mrl._index_of, mrl.drop_index, mrl.indexes
create or replace view mrl.registry as
select
    live.table_id,
    registry.full_column,
    registry.short_column,
    registry.index_name,
    registry.dims,
    registry.kind,
    registry.distance,
    registry.created_at,
    registry.computed_as,
    registry.kept_as,
    registry.chosen_at,
    registry.in_place_of,
    registry.default_name
from mrl._registry as registry
join mrl._live_tables as live on live.entry operator(pg_catalog.=) registry.entry;

comment on view mrl.registry is
'Short columns and indexes made by mrl_pg; read them through mrl.indexes.';
