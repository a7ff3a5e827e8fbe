-- What monitoring reads: recall, promises and calibrations of each index, as plain numbers.
-- mrl.metrics
-- Called by: people, examples/watch
create or replace view mrl.metrics as
with calibrated as (
    select
        known.table_id,
        known.index_name,
        known.k,
        pg_catalog.max(known.measured_at) as measured_at
    from mrl.calibrations as known
    where known.filter operator(pg_catalog.=) ''
    group by known.table_id, known.index_name, known.k
),
-- without a calibration, an index shows as uncalibrated for ten rows
watched as (
    select
        indexes.table_name as table_id,
        indexes.full_column,
        indexes.index_name,
        indexes.in_use,
        coalesce(calibrated.k, 10) as k,
        calibrated.measured_at
    from mrl.indexes as indexes
    left join calibrated
        on calibrated.table_id operator(pg_catalog.=) indexes.table_name
        and calibrated.index_name operator(pg_catalog.=) indexes.index_name
)
select
    namespace.nspname as schema_name,
    class.relname as table_name,
    watched.full_column,
    watched.index_name,
    watched.in_use,
    watched.k,
    target.recall as target,
    promised.standing,
    -- the mean recall that was measured, its lower bound, and the 5th percentile
    promised.measured as recall,
    promised.low as recall_low,
    promised.p05 as recall_p05,
    promised.queries,
    -- 1 or 0, because exporters take numbers
    (promised.standing operator(pg_catalog.=) 'stale')::pg_catalog.int4 as stale,
    (promised.standing operator(pg_catalog.=) 'unreached')::pg_catalog.int4 as unreached,
    (promised.standing operator(pg_catalog.=) 'uncalibrated')::pg_catalog.int4 as uncalibrated,
    pg_catalog.date_part(
        'epoch', pg_catalog.now() operator(pg_catalog.-) watched.measured_at
    ) as calibration_age_seconds,
    -- what mrl.recall(…, keep => true) measured last, without a filter
    last.recall as last_recall,
    last.low as last_recall_low,
    pg_catalog.date_part(
        'epoch', pg_catalog.now() operator(pg_catalog.-) last.measured_at
    ) as last_recall_age_seconds
from watched
join pg_catalog.pg_class as class on class.oid operator(pg_catalog.=) watched.table_id
join pg_catalog.pg_namespace as namespace
    on namespace.oid operator(pg_catalog.=) class.relnamespace
cross join (
    values (0.9::pg_catalog.float8), (0.95), (0.99), (0.999)
) as target (recall)
cross join lateral mrl._promised(
    watched.table_id::pg_catalog.oid, watched.index_name, watched.k, target.recall, false,
    by_distance => true
) as promised
left join lateral (
    select measured.recall, measured.low, measured.measured_at
    from mrl.measurements as measured
    where measured.table_id operator(pg_catalog.=) watched.table_id
        and measured.index_name operator(pg_catalog.=) watched.index_name
        and measured.k operator(pg_catalog.=) watched.k
        and measured.filter operator(pg_catalog.=) ''
    order by measured.measured_at desc
    limit 1
) as last on true;

comment on view mrl.metrics is
'Recall, standing of the promises for .9, .95, .99 and .999, and age of the calibration, for '
'each index and k, for monitoring. Searches without a filter only.';
