-- Calibrations, recalls and real queries.

-- name: vector_type
-- The number of the type of query vectors, which is part of an array in binary.
-- Slots: extension (pgvector's schema and a dot)
-- Called by: mrl_pg.calibration.measuring
select pg_catalog.pg_typeof(null::{extension}vector)::pg_catalog.oid as type_id

-- name: calibrate
-- Measures searches by one short column, and stores the results.
-- Slots: extension (pgvector's schema and a dot)
-- Called by: mrl_pg.calibration.calibrate, mrl_pg.calibration.of_tenant
select
    made.candidates,
    made.ef_search,
    made.rerank,
    made.recall,
    made.low,
    made.p05,
    made.shares,
    made.weights,
    made.misses,
    made.reach,
    made.median_ms,
    made.p95_ms,
    made.share,
    made.queries,
    made.rows,
    made.basis
from mrl.calibrate(
    %(table)s::pg_catalog.regclass,
    %(column)s,
    k => %(k)s,
    sample => %(sample)s,
    filter => %(filter)s,
    index_name => %(index_name)s,
    queries => case
        when %(real_queries)s
        then mrl.kept_queries(
            %(table)s::pg_catalog.regclass, %(column)s, sample => %(sample)s
        )
        else %(queries)s::{extension}vector[]
    end,
    rows => %(as_rows)s,
    weights => %(weights)s::pg_catalog.float8[],
    tenant => %(tenant)s
) as made
order by made.candidates, made.ef_search, made.rerank

-- name: draw_calibration
-- The queries of a calibration, one a row; rows of the table with table and ctid.
-- Slots: extension (pgvector's schema and a dot)
-- Called by: mrl_pg.calibration.in_batches
with given as materialized (
    select case
        when %(real_queries)s
        then mrl._all_rotated(
            mrl.kept_queries(
                %(table)s::pg_catalog.regclass, %(column)s, sample => %(sample)s
            ),
            %(table)s::pg_catalog.regclass::pg_catalog.oid,
            %(column)s
        )
        else mrl._queries_or_kept(
            %(table)s::pg_catalog.regclass,
            %(column)s,
            %(sample)s,
            %(queries)s::{extension}vector[],
            %(as_rows)s
        )
    end as queries
)
select
    {extension}vector_send(query.full_value) as query,
    pg_catalog.pg_typeof(query.full_value)::pg_catalog.oid as type_id,
    query.part::pg_catalog.int8 as part,
    query.place::pg_catalog.text as place,
    query.outside
from given
cross join lateral mrl._plan_calibration(
    %(asked)s::pg_catalog.jsonb operator(pg_catalog.||) pg_catalog.jsonb_build_object(
        'table_id', %(table)s::pg_catalog.regclass::pg_catalog.oid
    ),
    given.queries,
    mrl._distances_to_match(
        %(table)s::pg_catalog.regclass,
        %(column)s,
        %(k)s,
        %(filter)s,
        given.queries,
        %(as_rows)s
    ) is not null
) as plan
cross join lateral mrl._draw_queries(plan.sampling, null, given.queries) as drawn
cross join lateral rows from (
    pg_catalog.unnest(drawn.fulls),
    pg_catalog.unnest(drawn.parts),
    pg_catalog.unnest(drawn.spots),
    pg_catalog.unnest(drawn.outside)
) with ordinality as query (full_value, part, place, outside, number)
order by query.number

-- name: calibration_rows
-- Rows that the filter lets through, the name of the filter, and how far to measure.
-- Slots: extension (pgvector's schema and a dot)
-- Called by: mrl_pg.calibration.in_batches
with given as materialized (
    select %(queries)s::{extension}vector[] as queries
)
select
    counted.rows as row_count,
    counted.share,
    mrl._stored_filter(%(filter)s, null, plan.limited) as stored_filter,
    mrl._timed_queries() as timed,
    pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::pg_catalog.text as since,
    array(select mrl._walks(%(k)s)) as levels
from given
cross join lateral mrl._plan_calibration(
    %(asked)s::pg_catalog.jsonb operator(pg_catalog.||) pg_catalog.jsonb_build_object(
        'table_id', %(table)s::pg_catalog.regclass::pg_catalog.oid
    ),
    -- a row of the table leaves itself out, any other query does not
    case when not %(rows_as_queries)s then given.queries end
) as plan
cross join lateral mrl._count_passing(
    %(table)s::pg_catalog.regclass, plan.counting, null
) as counted

-- name: calibration_probe
-- Milliseconds of an exact search and of some first passes, to estimate what calibrating takes.
-- Slots: extension (pgvector's schema and a dot)
-- Called by: mrl_pg.calibration.in_batches
with given as materialized (
    select %(queries)s::{extension}vector[] as queries
)
select
    mrl._exact_times(
        plan.edge,
        null,
        given.queries,
        %(parts)s::pg_catalog.oid[],
        %(places)s::pg_catalog.tid[],
        0
    ) as exact,
    mrl._exact_times(
        plan.near_edge,
        null,
        given.queries,
        %(parts)s::pg_catalog.oid[],
        %(places)s::pg_catalog.tid[],
        'infinity'
    ) as near
from given
cross join lateral mrl._plan_calibration(
    %(asked)s::pg_catalog.jsonb operator(pg_catalog.||) pg_catalog.jsonb_build_object(
        'table_id', %(table)s::pg_catalog.regclass::pg_catalog.oid
    ),
    -- a row of the table leaves itself out, any other query does not
    case when not %(rows_as_queries)s then given.queries end
) as plan

-- name: calibration_vectors
-- The full vectors of the rows of some pages, in binary, and where the rows are.
-- Slots: extension (pgvector's schema and a dot), first, last (a place; that row is not among them)
-- Called by: mrl_pg.calibration.truth
select read.vectors, read.spots
from mrl._plan_calibration(
    %(asked)s::pg_catalog.jsonb operator(pg_catalog.||) pg_catalog.jsonb_build_object(
        'table_id', %(table)s::pg_catalog.regclass::pg_catalog.oid
    ),
    '{{}}'::{extension}vector[]
) as plan
cross join lateral mrl._read_vectors(
    plan.row_vectors,
    null,
    {first}::pg_catalog.tid,
    {last}::pg_catalog.tid,
    %(most)s::pg_catalog.int4
) as read

-- name: calibration_truth
-- The exact distance of each query to its k-th nearest row, and how many rows it has to find.
-- Slots: extension (pgvector's schema and a dot)
-- Called by: mrl_pg.calibration.truth
with given as materialized (
    select %(queries)s::{extension}vector[] as queries
)
select truth.distances, truth.totals
from given
cross join lateral mrl._plan_calibration(
    %(asked)s::pg_catalog.jsonb operator(pg_catalog.||) pg_catalog.jsonb_build_object(
        'table_id', %(table)s::pg_catalog.regclass::pg_catalog.oid
    ),
    -- a row of the table leaves itself out, any other query does not
    case when not %(rows_as_queries)s then given.queries end
) as plan
cross join lateral mrl._truth(
    plan.near_edge,
    plan.edge,
    plan.edges,
    %(k)s,
    plan.near_settings,
    null,
    given.queries,
    %(parts)s::pg_catalog.oid[],
    %(places)s::pg_catalog.tid[]
) as truth

-- name: calibration_rows_to_measure
-- The rows among those drawn that are measured, as numbers from 1, and what they stand for.
-- Slots: extension (pgvector's schema and a dot)
-- Called by: mrl_pg.calibration.in_batches
select measured.numbers, measured.basis
from mrl._plan_calibration(
    %(asked)s::pg_catalog.jsonb operator(pg_catalog.||) pg_catalog.jsonb_build_object(
        'table_id', %(table)s::pg_catalog.regclass::pg_catalog.oid
    ),
    null::{extension}vector[]
) as plan
cross join lateral mrl._rows_to_measure(
    %(k)s,
    %(edges)s::pg_catalog.float8[],
    %(totals)s::pg_catalog.int4[],
    mrl._distances_to_match(
        %(table)s::pg_catalog.regclass,
        %(column)s,
        %(k)s,
        %(filter)s,
        null::{extension}vector[],
        %(as_rows)s
    ),
    plan.most
) as measured

-- name: calibration_walk
-- What a search with some number of candidates finds for some queries, and its times.
-- Slots: extension (pgvector's schema and a dot)
-- Called by: mrl_pg.calibration.in_batches
with given as materialized (
    select %(queries)s::{extension}vector[] as queries
)
select
    walked.near::pg_catalog.text[] as near,
    walked.spots_found::pg_catalog.text[] as spots,
    walked.shortest,
    walked.longest,
    walked.again,
    walked.orders::pg_catalog.text[] as orders,
    walked.best_shortest,
    walked.best_longest
from given
cross join lateral mrl._plan_calibration(
    %(asked)s::pg_catalog.jsonb operator(pg_catalog.||) pg_catalog.jsonb_build_object(
        'table_id', %(table)s::pg_catalog.regclass::pg_catalog.oid
    ),
    -- a row of the table leaves itself out, any other query does not
    case when not %(rows_as_queries)s then given.queries end
) as plan
cross join lateral mrl._walk(
    plan.pass,
    plan.known_pass,
    plan.still_there,
    plan.ordered_pass,
    plan.best_pass,
    plan.spare,
    plan.limited,
    %(k)s,
    %(level)s,
    %(timed)s,
    null,
    given.queries,
    %(parts)s::pg_catalog.oid[],
    %(places)s::pg_catalog.tid[],
    %(edges)s::pg_catalog.float8[],
    %(unsettled)s::pg_catalog.bool[],
    %(known)s::pg_catalog.text[]::pg_catalog.jsonb[],
    %(complete)s::pg_catalog.bool[],
    %(since)s::pg_catalog.text::pg_catalog.xid8
) as walked

-- name: calibration_points
-- Recall and time for each number of candidates up to some.
-- Parameters: k, level, near and orders (JSON), edges, totals, weights, outside, times
-- Called by: mrl_pg.calibration.in_batches
select
    coalesce(
        mrl._points(
            %(k)s,
            %(level)s,
            least(%(level)s, 1000),
            %(near)s::pg_catalog.text[]::pg_catalog.jsonb[],
            %(edges)s::pg_catalog.float8[],
            %(totals)s::pg_catalog.int4[],
            %(weights)s::pg_catalog.float8[],
            %(outside)s::pg_catalog.bool[],
            %(shortest)s::pg_catalog.float8[],
            %(longest)s::pg_catalog.float8[],
            %(orders)s::pg_catalog.text[]::pg_catalog.jsonb[],
            %(best_shortest)s::pg_catalog.float8[],
            %(best_longest)s::pg_catalog.float8[]
        ),
        '[]'
    )::pg_catalog.text as points

-- name: wider_may_help
-- Whether a wider search can still find more, and the slowest median so far.
-- Parameters: points (JSON)
-- Called by: mrl_pg.calibration.in_batches
select
    mrl._wider_may_help(%(points)s::pg_catalog.jsonb) as go_on,
    mrl._slowest(%(points)s::pg_catalog.jsonb) as slowest

-- name: calibration_exact
-- Milliseconds of exact searches.
-- Slots: extension (pgvector's schema and a dot)
-- Called by: mrl_pg.calibration.in_batches
with given as materialized (
    select %(queries)s::{extension}vector[] as queries
)
select
    mrl._exact_times(
        plan.edge,
        null,
        given.queries,
        %(parts)s::pg_catalog.oid[],
        %(places)s::pg_catalog.tid[],
        %(slowest)s
    ) as times
from given
cross join lateral mrl._plan_calibration(
    %(asked)s::pg_catalog.jsonb operator(pg_catalog.||) pg_catalog.jsonb_build_object(
        'table_id', %(table)s::pg_catalog.regclass::pg_catalog.oid
    ),
    -- a row of the table leaves itself out, any other query does not
    case when not %(rows_as_queries)s then given.queries end
) as plan

-- name: calibration_noise
-- Part by which times of the same search differ, and whether that is too much.
-- Parameters: shortest, again
-- Called by: mrl_pg.calibration.in_batches
select found.noise, found.noise operator(pg_catalog.>) mrl._most_noise() as is_busy
from mrl._noise(
    %(shortest)s::pg_catalog.float8[], %(again)s::pg_catalog.float8[]
) as found (noise)

-- name: keep_calibration
-- Stores a calibration that was measured in batches, and returns it.
-- Parameters: table (its name, quoted), index_name, k, stored_filter, points (JSON), share, …
-- Called by: mrl_pg.calibration.in_batches
select
    made.candidates,
    made.ef_search,
    made.rerank,
    made.recall,
    made.low,
    made.p05,
    made.shares,
    made.weights,
    made.misses,
    made.reach,
    made.median_ms,
    made.p95_ms,
    made.share,
    made.queries,
    made.rows,
    made.basis
from mrl._keep_calibration(
    %(table)s::pg_catalog.regclass,
    %(index_name)s,
    %(k)s,
    %(stored_filter)s,
    %(points)s::pg_catalog.jsonb
        operator(pg_catalog.||) mrl._exact_point(
            %(points)s::pg_catalog.jsonb,
            %(exact_times)s::pg_catalog.float8[],
            %(weights)s::pg_catalog.float8[]
        ),
    %(share)s,
    %(query_count)s,
    %(row_count)s,
    %(basis)s,
    mrl._reach(
        %(k)s,
        %(edges)s::pg_catalog.float8[],
        %(totals)s::pg_catalog.int4[],
        %(weights)s::pg_catalog.float8[]
    ),
    %(outsiders)s
) as made
order by made.candidates, made.ef_search, made.rerank

-- name: measure
-- Measures the recall of one short column's searches, and stores the result if keep is true.
-- Slots: extension (pgvector's schema and a dot)
-- Called by: mrl_pg.calibration.recall_report
select *, pg_catalog.clock_timestamp() as measured_at
from mrl._measure(
    %(asked)s::pg_catalog.jsonb operator(pg_catalog.||) pg_catalog.jsonb_build_object(
        'table_id', %(table)s::pg_catalog.regclass::pg_catalog.oid
    ),
    %(sample)s,
    case
        when %(real_queries)s
        then mrl.kept_queries(
            %(table)s::pg_catalog.regclass, %(column)s, sample => %(sample)s
        )
        else %(queries)s::{extension}vector[]
    end,
    %(keep)s
)

-- name: check_measured_filter
-- Refuses a filter that contains further statements.
-- Parameters: table (its name, quoted), filter
-- Called by: mrl_pg.calibration.batches
select mrl._share(%(table)s::pg_catalog.regclass, %(filter)s, null)

-- name: check_may_keep
-- Refuses a role that may not store measurements of a table, and a read-only transaction.
-- Parameters: table (its name, quoted)
-- Called by: mrl_pg.calibration.recall_report
select
    mrl.check_owner(%(table)s::pg_catalog.regclass),
    mrl._check_writable()

-- name: draw_queries
-- The queries of a measurement of recall, one a row; rows of the table with table and ctid.
-- Slots: extension (pgvector's schema and a dot)
-- Called by: mrl_pg.calibration.recall_report
with given as materialized (
    select mrl._all_rotated(
        case
            when %(real_queries)s
            then mrl.kept_queries(
                %(table)s::pg_catalog.regclass, %(column)s, sample => %(sample)s
            )
            else %(queries)s::{extension}vector[]
        end,
        %(table)s::pg_catalog.regclass::pg_catalog.oid,
        %(column)s
    ) as queries
)
select
    {extension}vector_send(query.full_value) as query,
    pg_catalog.pg_typeof(query.full_value)::pg_catalog.oid as type_id,
    query.part::pg_catalog.int8 as part,
    query.place::pg_catalog.text as place
from given
cross join lateral mrl._plan_recall(
    %(asked)s::pg_catalog.jsonb operator(pg_catalog.||) pg_catalog.jsonb_build_object(
        'table_id', %(table)s::pg_catalog.regclass::pg_catalog.oid
    ),
    %(sample)s,
    given.queries
) as plan
cross join lateral mrl._draw_queries(plan.sampling, null, given.queries) as drawn
cross join lateral rows from (
    pg_catalog.unnest(drawn.fulls),
    pg_catalog.unnest(drawn.parts),
    pg_catalog.unnest(drawn.spots)
) with ordinality as query (full_value, part, place, number)
order by query.number

-- name: measure_query
-- Shares of the true k nearest rows that each pass finds for one query.
-- Slots: extension (pgvector's schema and a dot)
-- Called by: mrl_pg.calibration.recall_report
with given as materialized (
    select
        %(queries)s::{extension}vector[] as queries,
        (%(parts)s::pg_catalog.oid[])[1] as part,
        (%(places)s::pg_catalog.tid[])[1] as place
)
select measured.graph, measured.shortlist, measured.prefix
from given
cross join lateral mrl._plan_recall(
    %(asked)s::pg_catalog.jsonb operator(pg_catalog.||) pg_catalog.jsonb_build_object(
        'table_id', %(table)s::pg_catalog.regclass::pg_catalog.oid
    ),
    1,
    -- a row of the table leaves itself out, any other query does not
    case when given.place is null then given.queries end
) as plan
cross join lateral mrl._query_shares(
    plan.statement,
    plan.settings,
    null,
    given.queries[1],
    given.part,
    given.place,
    plan.probed
) as measured

-- name: recall_and_losses
-- Recall with its interval and its losses, from the shares of each query.
-- Parameters: recalls, shortlists, prefixes
-- Called by: mrl_pg.calibration.recall_report
select found.*, pg_catalog.clock_timestamp() as measured_at
from mrl._recall_and_losses(
    %(recalls)s::pg_catalog.float8[],
    %(shortlists)s::pg_catalog.float8[],
    %(prefixes)s::pg_catalog.float8[]
) as found

-- name: keep_measurement
-- Stores a recall that was measured.
-- Parameters: table (its name, quoted), index_name, k, filter, candidates, ef_search, rerank, …
-- Called by: mrl_pg.calibration.recall_report
select mrl._keep_measurement(
    row(
        %(table)s::pg_catalog.regclass,
        %(index_name)s::pg_catalog.name,
        %(measured_at)s::pg_catalog.timestamptz,
        %(k)s::pg_catalog.int4,
        coalesce(%(filter)s, '')::pg_catalog.text,
        %(candidates)s::pg_catalog.int4,
        %(ef_search)s::pg_catalog.int4,
        %(rerank)s::pg_catalog.int4,
        %(recall)s::pg_catalog.float8,
        %(low)s::pg_catalog.float8,
        %(high)s::pg_catalog.float8,
        %(loss_graph)s::pg_catalog.float8,
        %(loss_shortlist)s::pg_catalog.float8,
        %(loss_prefix)s::pg_catalog.float8,
        %(measured)s::pg_catalog.int4
    )::mrl.measurements
)

-- name: keep_tenant_recall
-- Stores a recall that was measured of searches of one tenant.
-- Parameters: table (its name, quoted), full_column, tenant, k, recall, low, measured
-- Called by: mrl_pg.calibration.recall_report
select mrl._keep_tenant_recall(
    %(table)s::pg_catalog.regclass::pg_catalog.oid,
    %(full_column)s::pg_catalog.name,
    %(tenant)s,
    %(k)s::pg_catalog.int4,
    %(recall)s::pg_catalog.float8,
    %(low)s::pg_catalog.float8,
    %(measured)s::pg_catalog.int4
)

-- name: measurements
-- Stored measurements of recall of one short column, oldest first.
-- Parameters: table_id, index_name
-- Called by: mrl_pg.calibration.recall_report
select
    k,
    candidates,
    ef_search,
    rerank,
    filter,
    recall,
    low,
    high,
    loss_graph,
    loss_shortlist,
    loss_prefix,
    queries as measured,
    measured_at
from mrl.measurements
where table_id operator(pg_catalog.=) %(table_id)s::pg_catalog.oid::pg_catalog.regclass
    and index_name operator(pg_catalog.=) %(index_name)s
order by measured_at

-- name: keep_query
-- Offers a query, which the server stores at random.
-- Slots: extension (pgvector's schema and a dot), kind (vector or halfvec)
-- Called by: mrl_pg.calibration.real_queries
select mrl.keep_query(
    %(table)s::pg_catalog.regclass,
    %(column)s,
    %(query)s::{extension}{kind}::{extension}vector
)

-- name: sample_queries
-- Sets the share of a column's queries that is stored.
-- Parameters: table (its name, quoted), column, share, most
-- Called by: mrl_pg.calibration.real_queries
select mrl.sample_queries(
    %(table)s::pg_catalog.regclass, %(column)s, share => %(share)s, most => %(most)s
)

-- name: sampling
-- The settings for a column's queries and how many are stored, for the owner of the table.
-- Parameters: table (its name, quoted), column
-- Called by: mrl_pg.calibration.real_queries
select
    sampling.share,
    sampling.most,
    kept.kept,
    kept.oldest,
    sampling.distance_share,
    sampling.most_distances,
    kept.distances
from mrl.query_sampling as sampling
cross join lateral mrl._kept(sampling.table_id, sampling.full_column) as kept
where sampling.table_id operator(pg_catalog.=) %(table)s::pg_catalog.regclass
    and sampling.full_column operator(pg_catalog.=) %(column)s

-- name: keep_distance
-- Offers the distance of a k-th answer, which the server stores at random.
-- Parameters: table (its name, quoted), column, k, distance
-- Called by: mrl_pg.calibration.real_queries
select mrl.keep_distance(
    %(table)s::pg_catalog.regclass, %(column)s, %(k)s, %(distance)s::pg_catalog.float8
)

-- name: sample_distances
-- Sets the share of a column's distances that is stored.
-- Parameters: table (its name, quoted), column, share, most
-- Called by: mrl_pg.calibration.real_queries
select mrl.sample_distances(
    %(table)s::pg_catalog.regclass, %(column)s, share => %(share)s, most => %(most)s
)

-- name: query_shares
-- The shares of a column's queries and distances that are stored; no row if never set.
-- Parameters: table (its name, quoted), column
-- Called by: mrl_pg.calibration.real_queries
select sampling.share, sampling.distance_share
from mrl.query_sampling as sampling
where sampling.table_id operator(pg_catalog.=) pg_catalog.to_regclass(%(table)s)
    and sampling.full_column operator(pg_catalog.=) %(column)s

-- name: forget_queries
-- Deletes real queries and distances of a column.
-- Parameters: table (its name, quoted), column, before (a day, or NULL for all)
-- Called by: mrl_pg.calibration.real_queries
select mrl.forget_queries(%(table)s::pg_catalog.regclass, %(column)s, before => %(before)s)
