-- What Python sends about tables that are partitioned by likeness.

-- name: nearest_parts
-- The parts to search for a query, with part 0, and the column with the number of the part.
-- Slots: table (a name), column, probes (literals), extension, query (a parameter of its type)
-- Called by: mrl_pg.search.probes
select
    known.part_column::pg_catalog.text as part_column,
    (
        0 operator(pg_catalog.||) mrl._near_parts(
            known.entry,
            {column}::pg_catalog.name,
            known.distance,
            mrl._rotated(
                {query}::{extension}vector,
                named.id::pg_catalog.oid,
                {column}::pg_catalog.name
            ),
            {probes}
        )
    )::pg_catalog.text as parts
from (
    select pg_catalog.to_regclass({table}) as id
) as named
cross join lateral mrl._parts_of(
    named.id::pg_catalog.oid, {column}::pg_catalog.name
) as known

-- name: parts_of
-- How a table is partitioned by the likeness of a column; raises if it is not.
-- Parameters: table_id, column
-- Called by: mrl_pg.search.probes
select known.entry, known.part_column::pg_catalog.text, known.distance
from mrl._parts_of(
    %(table_id)s::pg_catalog.oid, %(column)s::pg_catalog.name
) as known

-- name: set_parts
-- Says by which centres a table is partitioned; NULL: by none.
-- Slots: extension; parameters: table (a name), column, centres, part_column, distance
-- Called by: mrl_pg.build.parts
select mrl.set_parts(
    %(table)s::pg_catalog.regclass,
    %(column)s::pg_catalog.name,
    %(centres)s::{extension}vector[],
    %(part_column)s::pg_catalog.name,
    %(distance)s
)

-- name: parts_sql
-- The statements that make a partitioned copy of a table, in order.
-- Slots: extension; parameters: table (a name), column, new_name, centres, part_column, distance
-- Called by: mrl_pg.build.parts
select made.statement
from mrl.parts_sql(
    %(table)s::pg_catalog.regclass,
    %(column)s::pg_catalog.name,
    %(new_name)s::pg_catalog.name,
    %(centres)s::{extension}vector[],
    %(part_column)s::pg_catalog.name,
    %(distance)s
) with ordinality as made (statement, place)
order by made.place

-- name: part_states
-- The partitions of a table by likeness: part, name, estimated rows, bytes with indexes.
-- Parameters: table_id, column
-- Called by: mrl_pg.build.parts
select
    named.part,
    class.oid::pg_catalog.regclass::pg_catalog.text as partition,
    class.reltuples::pg_catalog.int8 as rows,
    pg_catalog.pg_total_relation_size(class.oid) as bytes
from mrl._part_partitions(
    %(table_id)s::pg_catalog.oid, %(column)s::pg_catalog.name
) as named
join pg_catalog.pg_class as class on class.oid operator(pg_catalog.=) named.partition
order by named.part

-- name: misplaced_rows
-- Of random rows, by part, how many were compared and how many belong to another part.
-- Parameters: table_id, column, sample
-- Called by: mrl_pg.build.parts
select found.part, found.rows, found.misplaced
from mrl.misplaced_rows(
    %(table_id)s::pg_catalog.oid::pg_catalog.regclass,
    %(column)s::pg_catalog.name,
    %(sample)s::pg_catalog.int4
) as found

-- name: route_rows
-- Moves rows to the part that their vector says; how many.
-- Slots: table, full, part_column, extension; parameters: column, entry, distance, part
-- Called by: mrl_pg.build.parts
with mrl_moved as (
    update {table} as mrl_row
    set {part_column} = mrl_place.part
    from (
        select
            mrl_near.tableoid as mrl_part,
            mrl_near.ctid as mrl_spot,
            coalesce(
                (
                    mrl._near_parts(
                        %(entry)s::pg_catalog.int4,
                        %(column)s::pg_catalog.name,
                        %(distance)s::pg_catalog.text,
                        mrl_near.{full}::{extension}vector,
                        1
                    )
                )[1],
                0
            ) as part
        from {table} as mrl_near
        where mrl_near.{part_column} operator(pg_catalog.=) %(part)s::pg_catalog.int4
        -- the part is computed once
        offset 0
    ) as mrl_place
    where mrl_row.{part_column} operator(pg_catalog.=) %(part)s::pg_catalog.int4
        and mrl_row.tableoid operator(pg_catalog.=) mrl_place.mrl_part
        and mrl_row.ctid operator(pg_catalog.=) mrl_place.mrl_spot
        and mrl_place.part operator(pg_catalog.<>) %(part)s::pg_catalog.int4
    returning 1
)
select pg_catalog.count(*) as moved
from mrl_moved

-- name: part_centres
-- The partition key of a table by likeness, and the centres in pgvector's binary format.
-- Slots: extension; parameters: table_id
-- Called by: mrl_pg.catalog.parts
select
    known.full_column::pg_catalog.text as full_column,
    known.part_column::pg_catalog.text as part_column,
    known.distance,
    {extension}vector_send(own.centre) as centre
from mrl.column_parts as known
join mrl._part_centres as own
    on own.entry operator(pg_catalog.=) known.entry
    and own.full_column operator(pg_catalog.=) known.full_column
where known.table_id operator(pg_catalog.=)
        %(table_id)s::pg_catalog.oid::pg_catalog.regclass
order by known.full_column, own.part

-- name: table_parts
-- How a table is partitioned by likeness; no row if it is not.
-- Parameters: table_id
-- Called by: mrl_pg.rows.parts
select
    known.entry,
    known.full_column::pg_catalog.text as full_column,
    known.part_column::pg_catalog.text as part_column,
    known.distance
from mrl.column_parts as known
where known.table_id operator(pg_catalog.=)
        %(table_id)s::pg_catalog.oid::pg_catalog.regclass

-- name: part_of_row
-- The part of a row that is sent, by its vector.
-- Slots: entry, column, distance (literals), vector (a name), extension
-- Called by: mrl_pg.rows.parts, within upsert_in_parts
coalesce(
    (
        mrl._near_parts(
            {entry}::pg_catalog.int4,
            {column}::pg_catalog.name,
            {distance}::pg_catalog.text,
            {vector}::{extension}vector,
            1
        )
    )[1],
    0
)

-- name: upsert_in_parts
-- Inserts and updates rows of a table that is partitioned by likeness; as upsert_rows otherwise.
-- Slots: as of upsert_rows, and: part (of a row), part_column, changed (the update, or no row)
-- Called by: mrl_pg.rows.upsert_job
with mrl_sent as materialized (
    select {casts}, mrl_given.mrl_place
    from rows from ({arrays}) with ordinality as mrl_given ({names}, mrl_place)
), mrl_file as materialized (
    select mrl_sent.*, {part} as mrl_part
    from mrl_sent
), mrl_there as materialized (
    select mrl_file.mrl_place
    from mrl_file
    join {table} as mrl_row on {same_key}
), mrl_changed as (
{changed}
), mrl_written as (
    insert into {table} as mrl_row ({columns}, {part_column})
    overriding system value
    select {names}, mrl_file.mrl_part
    from mrl_file
    where {wanted}
        and not mrl_file.mrl_place operator(pg_catalog.=) any (
            select mrl_there.mrl_place
            from mrl_there
        )
    -- two calls that write the same rows lock them in one order
    order by {order}
    returning 1
)
select
    (
        (select pg_catalog.count(*) from mrl_written)
            operator(pg_catalog.+) (select pg_catalog.count(*) from mrl_changed)
    ) as written,
    array(
        select mrl_there.mrl_place
        from mrl_there
        order by mrl_there.mrl_place
    ) as there

-- name: change_in_parts
-- Updates rows whose key is in the table, and moves those whose vector is of another part.
-- Slots: table, changes, same_key
-- Called by: mrl_pg.rows.upsert_job, within upsert_in_parts
update {table} as mrl_row
set {changes}
from mrl_file
where {same_key}
returning 1

-- name: change_none
-- Leaves rows alone whose key is in the table.
-- No parameters.
-- Called by: mrl_pg.rows.upsert_job, within upsert_in_parts
select 1 as one
where false
