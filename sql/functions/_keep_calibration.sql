-- Writes a calibration in the place of an older one: the points that no other beats.
-- mrl._keep_calibration(table_id, index_name, k, filter, points, …) -> setof calibrations
-- Called by: mrl.calibrate
create or replace function mrl._keep_calibration(
    table_id regclass,
    index_name name,
    k int,
    filter text,
    points jsonb,
    share float8,
    queries int,
    -- as counted, where the statistics know nothing yet
    rows bigint
)
returns setof mrl.calibrations
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_column
declare
    built record;
    claimed int;
begin
    perform mrl.check_owner(_keep_calibration.table_id);
    built := mrl._built(_keep_calibration.table_id, _keep_calibration.index_name);
    insert into mrl._claims (table_id)
    values (_keep_calibration.table_id)
    returning _claims.entry into claimed;
    -- one after the other: two of the same would want the same rows
    perform
    from mrl._own_registry as registry
    where registry.entry = claimed
        and registry.index_name = _keep_calibration.index_name
    for update;
    insert into mrl._removals (entry, index_name, k, filter)
    values (
        claimed,
        _keep_calibration.index_name,
        _keep_calibration.k,
        _keep_calibration.filter
    );
    return query
    with point as (
        select *
        from jsonb_to_recordset(points) as point (
            candidates int, ef_search int, recall float8, low float8,
            median_ms float8, p95_ms float8
        )
    ),
    kept as (
        insert into mrl._own_calibrations (
            entry, index_name, k, filter, candidates, ef_search, share,
            recall, low, median_ms, p95_ms, queries, rows, m, ef_construction
        )
        select
            claimed,
            _keep_calibration.index_name,
            _keep_calibration.k,
            _keep_calibration.filter,
            point.candidates,
            point.ef_search,
            _keep_calibration.share,
            point.recall,
            point.low,
            point.median_ms,
            point.p95_ms,
            _keep_calibration.queries,
            coalesce(mrl._rows(_keep_calibration.table_id), _keep_calibration.rows),
            built.m,
            built.ef_construction
        from point
        where not exists (
            select
            from point as better
            where better.recall >= point.recall
                and better.low >= point.low
                and (better.median_ms, better.candidates, better.ef_search)
                    < (point.median_ms, point.candidates, point.ef_search)
        )
        returning *
    )
    select
        _keep_calibration.table_id,
        kept.index_name,
        kept.k,
        kept.filter,
        kept.candidates,
        kept.ef_search,
        kept.share,
        kept.recall,
        kept.low,
        kept.median_ms,
        kept.p95_ms,
        kept.queries,
        kept.rows,
        kept.m,
        kept.ef_construction,
        kept.measured_at
    from kept
    order by kept.median_ms;
end
$body$;

comment on function mrl._keep_calibration(
    regclass, name, int, text, jsonb, float8, int, bigint
) is
'Internal. Writes a calibration of a table you own.';
