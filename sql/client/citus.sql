-- What Python reads and sends where Citus spreads a table over machines.

-- name: distribution
-- How Citus spreads a table: by which column, over how many shards; no row if it does not.
-- Slots: stamp; parameters: table_id
-- Called by: mrl_pg.catalog.read
select
    part.partmethod::pg_catalog.text as method,
    -- the column is stored as a tree of the parser, which holds its number
    (
        select attribute.attname::pg_catalog.text
        from pg_catalog.pg_attribute as attribute
        where attribute.attrelid operator(pg_catalog.=) %(table_id)s::pg_catalog.oid
            and attribute.attnum operator(pg_catalog.=) (
                pg_catalog.regexp_match(part.partkey, ':varattno ([0-9]+)')
            )[1]::pg_catalog.int2
    ) as "column",
    (
        select pg_catalog.count(*)
        from pg_catalog.pg_dist_shard as shard
        where shard.logicalrelid::pg_catalog.oid
            operator(pg_catalog.=) %(table_id)s::pg_catalog.oid
    ) as shards,
    (
{stamp}
    ) as stamp
from pg_catalog.pg_dist_partition as part
where part.logicalrelid::pg_catalog.oid operator(pg_catalog.=) %(table_id)s::pg_catalog.oid

-- name: distribution_stamp
-- A number that changes when Citus spreads a table in another way; 0 if it does not spread it.
-- Slots: table (an oid)
-- Called by: mrl_pg.catalog.read, mrl_pg.search.render
select
    coalesce(
        pg_catalog.bit_xor(
            pg_catalog.hash_record_extended(
                row(
                    part.partmethod::pg_catalog.text,
                    part.partkey::pg_catalog.text,
                    (
                        select pg_catalog.count(*)
                        from pg_catalog.pg_dist_shard as shard
                        where shard.logicalrelid::pg_catalog.oid operator(pg_catalog.=) {table}
                    )
                ),
                0
            )
        ),
        0
    )
from pg_catalog.pg_dist_partition as part
where part.logicalrelid::pg_catalog.oid operator(pg_catalog.=) {table}

-- name: spread_search
-- Two passes over the shards of a table: keys of candidates, then the k nearest of these.
-- Slots: columns, names, keys, key_names, table, full, short, extension, operators, queries, …
-- Called by: mrl_pg.search.spread
with mrl_candidates ({key_names}) as materialized (
    -- keys alone, because each shard sends its rows to one machine
    select {keys}
    from {table}
    where true{filter}
    order by {short} operator({extension}{short_operator}) {short_query}
    limit {candidates}
),
mrl_nearest ({names}, distance) as materialized (
    select
        {columns},
        -- the sum keeps the planner from an index on the full column
        ({full} operator({extension}{operator}) {query})
            operator(pg_catalog.+) 0::pg_catalog.float8
    from {table}
    where ({keys}) operator(pg_catalog.=) any (
            select {key_names}
            from mrl_candidates
        )
        -- again, so that a filter which names one shard does so for this pass, too
        {filter}
    order by {place}, {keys}
    limit {k}
)
select
    {names},
    distance,
    mrl_found.seen,
    null::pg_catalog.int8 as stamp
from mrl_nearest
cross join (
    select pg_catalog.count(*) as seen
    from mrl_candidates
) as mrl_found
-- a zero vector has no cosine distance, and a NULL has no distance at all
where distance operator(pg_catalog.<>) 'NaN'::pg_catalog.float8
order by distance, {key_names}

-- name: spread_exact
-- The exact search over the shards of a table: each shard sends its k nearest rows.
-- Slots: columns, names, keys, key_names, table, full, extension, operator, query, filter, k, …
-- Called by: mrl_pg.search.spread
with mrl_nearest ({names}, distance) as materialized (
    select
        {columns},
        -- the sum keeps the planner from an index on the full column
        ({full} operator({extension}{operator}) {query})
            operator(pg_catalog.+) 0::pg_catalog.float8
    from {table}
    where true{filter}
    order by {place}, {keys}
    limit {k}
)
select
    {names},
    distance,
    null::pg_catalog.int8 as seen,
    null::pg_catalog.int8 as stamp
from mrl_nearest
where distance operator(pg_catalog.<>) 'NaN'::pg_catalog.float8
order by distance, {key_names}

-- name: spread_more
-- As many rows as a search wants, without what is in them, to tell whether the shards hold more.
-- Slots: table, full, extension, operator, filter, wanted
-- Called by: mrl_pg.search.spread
select true as there
from {table}
where true{filter}
    -- not vectors without a distance to themselves, because no search returns them
    and ({full} operator({extension}{operator}) {full})
        operator(pg_catalog.<>) 'NaN'::pg_catalog.float8
-- a literal, because Citus hands on no other limit to the shards
limit {wanted}

-- name: has_citus
-- Whether the database has the catalog of Citus.
-- No parameters
-- Called by: mrl_pg.sqlalchemy.sharded
select pg_catalog.to_regclass('pg_catalog.pg_dist_partition') is not null as there

-- name: spread_tables
-- The names of the tables that Citus spreads.
-- No parameters
-- Called by: mrl_pg.sqlalchemy.sharded
select class.relname::pg_catalog.text as name
from pg_catalog.pg_dist_partition as part
join pg_catalog.pg_class as class
    on class.oid operator(pg_catalog.=) part.logicalrelid::pg_catalog.oid

-- name: set_on_shards
-- A setting of the transaction, on each machine that has a part in it.
-- Slots: name (an identifier), value (a literal)
-- Called by: mrl_pg.search.spread
set local {name} = {value}

-- name: spread_rows
-- Vectors of random rows of a table, as text.
-- Slots: full, table, filter, sample
-- Called by: mrl_pg.calibration.over_shards
select {full}::pg_catalog.text as vector
from {table}
where {full} is not null{filter}
order by pg_catalog.random()
limit {sample}
