-- The tenants that have an index of their own, for the owner of the table.
-- mrl.tenant_indexes
-- Called by: people, client/tenants.sql
create or replace view mrl.tenant_indexes
with (security_barrier)
as
select
    live.table_id as table_name,
    made.full_column,
    made.tenant,
    made.index_name,
    case
        when state.indexrelid is null then 'missing'
        when state.indisvalid and state.indisready then 'valid'
        when building.index_relid is not null then 'building'
        else 'invalid'
    end as state,
    -- as of the build or the last vacuum or analyze
    case
        when class.reltuples operator(pg_catalog.>=) 0 then class.reltuples::pg_catalog.int8
    end as estimated_rows,
    pg_catalog.pg_relation_size(state.indexrelid::pg_catalog.regclass) as index_bytes,
    made.recall,
    made.k,
    made.low,
    made.queries,
    made.measured_at,
    calibrated.measured_at as calibrated_at,
    calibrated.rows as calibrated_rows
from mrl._tenant_indexes as made
join mrl._live_tables as live on live.entry operator(pg_catalog.=) made.entry
join pg_catalog.pg_class as home on home.oid operator(pg_catalog.=) live.table_id
left join pg_catalog.pg_class as class
    on class.relname operator(pg_catalog.=) made.index_name
    and class.relnamespace operator(pg_catalog.=) home.relnamespace
left join pg_catalog.pg_index as state
    on state.indexrelid operator(pg_catalog.=) class.oid
    and state.indrelid operator(pg_catalog.=) home.oid
left join pg_catalog.pg_stat_progress_create_index as building
    on building.index_relid operator(pg_catalog.=) state.indexrelid
left join lateral (
    select point.measured_at, point.rows
    from mrl._tenant_calibrations as point
    where point.entry operator(pg_catalog.=) made.entry
        and point.full_column operator(pg_catalog.=) made.full_column
        and point.tenant operator(pg_catalog.=) made.tenant
    order by point.measured_at desc
    limit 1
) as calibrated on true
where pg_catalog.pg_has_role(current_user, live.owner, 'usage');

comment on view mrl.tenant_indexes is
'Tenants with an index of their own, of tables that you own: state is valid, building, invalid '
'(an interrupted build) or missing; estimated_rows are those of the build or the last vacuum; '
'recall is what was measured last, for its k, on so many queries, with the lower end of its '
'95 % interval; calibrated_at says when mrl.calibrate measured what keeps a recall, and '
'calibrated_rows how many rows the index had then.';
