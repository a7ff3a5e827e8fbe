-- Whether a table or its index has changed since a calibration.

-- Rows and changes of a table as PostgreSQL counts them, with its partitions and children.
-- Called by: mrl._counts_in, mrl._keep_measurement, mrl._upkeep_of
create or replace function mrl._counts(
    table_id oid,
    -- the planner's own estimate; NULL before the first analyze
    out rows float8,
    -- by how much the estimate may be wrong because the table has more or fewer pages by now
    out unsure float8,
    -- rows that were ever inserted, updated or deleted; NULL if PostgreSQL does not count
    out changes bigint
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    page constant float8 := current_setting('block_size')::float8;
    parts oid[] := array[table_id];
begin
    if (select class.relhassubclass from pg_class as class where class.oid = table_id) then
        parts := array(select tree.relid from mrl._tree(table_id) as tree);
    end if;
    select
        case
            when bool_and(part.pages = 0 or part.reltuples <> -1 and part.relpages > 0)
            then sum(
                case
                    when part.pages > 0 then part.reltuples * part.pages / greatest(part.relpages, 1)
                    else 0
                end
            )
        end,
        sum(
            case
                when part.pages <> part.relpages and part.relpages > 0
                then greatest(part.reltuples, 0) / greatest(part.relpages, 1)
                else 0
            end
        ),
        case
            when current_setting('track_counts')::bool
            then sum(
                pg_stat_get_tuples_inserted(part.oid)
                + pg_stat_get_tuples_deleted(part.oid)
                -- an update that changes no indexed column changes no vector
                + pg_stat_get_tuples_updated(part.oid)
                - pg_stat_get_tuples_hot_updated(part.oid)
                -- what this session has not reported yet
                + pg_stat_get_xact_tuples_inserted(part.oid)
                + pg_stat_get_xact_tuples_deleted(part.oid)
                + pg_stat_get_xact_tuples_updated(part.oid)
                - pg_stat_get_xact_tuples_hot_updated(part.oid)
            )
        end
    into rows, unsure, changes
    from (
        select
            class.oid,
            class.reltuples::float8,
            class.relpages,
            pg_relation_size(class.oid) / page as pages
        from pg_class as class
        where class.relkind = 'r'
            and class.oid = any (parts)
    ) as part;
end
$body$;

-- How many rows changed since a calibration, as far as that is known.
-- Called by: mrl._change, mrl._upkeep_of
create or replace function mrl._changed_since(
    known mrl.calibrations,
    -- what is counted now
    changes bigint,
    -- the share of the rows that may change without a doubt
    few float8
)
returns bigint
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    since bigint := case
        -- nothing was counted
        when known.changes is null or changes is null then 0
        when changes >= known.changes then changes - known.changes
        -- another session has not reported its changes yet
        when known.changes - changes <= few * known.rows then 0
        -- the counters were reset
        else changes
    end;
begin
    if since > few * known.rows
        and known.born <> (
            select live.born
            from mrl._live_tables as live
            where live.table_id = known.table_id
        )
    then
        -- the table came with a dump, which inserted all rows, or with pg_upgrade
        since := least(changes, abs(changes - known.rows));
    end if;
    return since;
end
$body$;

-- What has changed since a calibration, for people; NULL if it still holds.
-- Called by: mrl._promised, mrl._upkeep_of
create or replace function mrl._change(
    known mrl.calibrations,
    -- how the index is built now, and what is counted now
    m int,
    ef_construction int,
    rows float8,
    unsure float8,
    changes bigint
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    -- the share of the rows that may change
    few constant float8 := 0.2;
    since bigint := mrl._changed_since(known, changes, few);
begin
    return case
        when (known.m, known.ef_construction) <> (m, ef_construction)
        then format(
            'the index was built again with m %s and ef_construction %s since the calibration',
            m, ef_construction
        )
        -- rows that changed have added pages, and count by themselves
        when abs(rows - known.rows) > few * known.rows + unsure + since
        then format(
            'the table has about %s rows, and had %s at the calibration',
            round(rows), known.rows
        )
        when since > few * known.rows
        then format(
            '%s rows were inserted, updated or deleted since the calibration, of %s',
            since, known.rows
        )
    end;
end
$body$;

-- The same of the rows that are in the index of a tenant, or else of the whole table.
-- Called by: mrl._promised, mrl._keep_calibration
create or replace function mrl._counts_in(
    table_id oid,
    index_name name,
    out rows float8,
    out unsure float8,
    -- NULL for a tenant, because PostgreSQL counts changes for the whole table alone
    out changes bigint
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_column
declare
    -- the rows that analyze reads
    read constant float8 := 300 * current_setting('default_statistics_target')::float8;
    part float8 := (
        select class.reltuples
        from pg_index as state
        join pg_class as class on class.oid = state.indexrelid
        where state.indrelid = _counts_in.table_id
            and class.relname = _counts_in.index_name
            and state.indpred is not null
    );
begin
    select counted.rows, counted.unsure, counted.changes
    into rows, unsure, changes
    from mrl._counts(_counts_in.table_id) as counted;
    if part >= 0 then
        -- three standard deviations of an estimate by a sample
        unsure := coalesce(3 * sqrt(part * greatest(rows / read - 1, 0)), 0);
        rows := part;
        changes := null;
    end if;
end
$body$;

-- Whether answers are at other distances than at the calibration, where distances are stored.
-- Called by: mrl._promised
create or replace function mrl._drifted(table_id oid, index_name name, k int)
returns boolean
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $body$
declare
    -- of the distribution functions (Kolmogorov and Smirnov), from so many distances on
    far constant float8 := 0.2;
    enough constant int := 100;
    -- slots are random, so a part of them says as much
    read constant int := 500;
    known record;
    drifted boolean;
begin
    select point.reach, point.measured_at, sampling.room
    into known
    from mrl._live_tables as live
    join mrl._registry as registry on registry.entry = live.entry
    join mrl._query_sampling as sampling
        on sampling.entry = registry.entry
        and sampling.full_column = registry.full_column
    join mrl._calibrations as point
        on point.entry = registry.entry
        and point.index_name = registry.index_name
    where live.table_id = _drifted.table_id
        and registry.index_name = _drifted.index_name
        and sampling.distance_share > 0
        and point.k = _drifted.k
        and point.filter = ''
        -- nobody knows by which of two distances an answer was found
        and not exists (
            select
            from mrl._registry as other
            where other.entry = registry.entry
                and other.full_column = registry.full_column
                and other.distance <> registry.distance
        )
    limit 1;
    if cardinality(known.reach) is distinct from 21 then
        return false;
    end if;
    execute format(
        'with placed as ('
            -- how many of the quantiles a distance has reached, and passed
            ' select width_bucket(kept.distance, $1) as reached,'
            ' 21 - width_bucket(-kept.distance, $2) as passed,'
            ' count(*)::float8 as times'
            ' from mrl.%I as kept'
            ' where kept.slot <= $3 and kept.k = $4 and kept.calibrated_at >= $5'
            ' group by 1, 2'
        '), step as ('
            ' select place / 20.0 as wanted, sum(times) as total,'
            ' sum(case when reached <= place then times else 0 end) as below,'
            ' sum(case when passed <= place then times else 0 end) as within'
            ' from placed cross join generate_series(0, 20) as place'
            ' group by place'
        ')'
        ' select coalesce('
            'min(total) >= $6'
            ' and max(greatest(below / total - wanted, wanted - within / total)) > $7,'
            ' false)'
        ' from step',
        '_queries_' || known.room
    )
    into drifted
    using
        known.reach,
        array(
            select -quantile
            from unnest(known.reach) with ordinality as part (quantile, place)
            order by place desc
        ),
        read,
        _drifted.k,
        known.measured_at,
        enough,
        far;
    return drifted;
exception
    -- a restore left the table out
    when undefined_table then
        return false;
end
$body$;
