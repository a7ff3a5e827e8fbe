-- Rotations of full columns.

-- name: rotation_stamp
-- A number that changes with the rotations of a table's columns.
-- Slots: table (an oid); read from the tables, because the view looks at each table's identity
-- Called by: mrl_pg.catalog.rotations, mrl_pg.rows.facts, mrl_pg.search.render
select
    coalesce(
        pg_catalog.bit_xor(
            pg_catalog.hash_record_extended(
                row(turned.full_number, turned.version, turned.set_at), 0
            )
        ),
        0
    )
from mrl._tables as known
join mrl._rotations as turned on turned.entry operator(pg_catalog.=) known.entry
where known.table_id operator(pg_catalog.=) {table}

-- name: has_rotation
-- Whether any column of a table is rotated, because to plan the next statement takes long.
-- Parameters: table_id
-- Called by: mrl_pg.catalog.rotations
select
    exists (
        select
        from mrl._tables as known
        join mrl._rotations as turned on turned.entry operator(pg_catalog.=) known.entry
        where known.table_id operator(pg_catalog.=)
            %(table_id)s::pg_catalog.oid::pg_catalog.regclass
    ) as found

-- name: column_rotations
-- The rotated columns of a table; one row of NULLs if there are none.
-- Slots: rotation_stamp; parameters: table_id
-- Called by: mrl_pg.catalog.rotations
select
    turned.full_column::pg_catalog.text as name,
    turned.version,
    turned.dims,
    turned.provenance,
    turned.entry,
    turned.known_as::pg_catalog.text as known_as,
    lost.known_as::pg_catalog.text as lost,
    (
{rotation_stamp}
    ) as stamp
from (values (1)) as always (one)
left join mrl.column_rotations as turned
    on turned.table_id operator(pg_catalog.=)
        %(table_id)s::pg_catalog.oid::pg_catalog.regclass
left join lateral mrl._lost_rotations(%(table_id)s::pg_catalog.oid) as lost on true

-- name: rotation_rows
-- The rows of the matrix of a rotation, in pgvector's binary format.
-- Slots: extension (pgvector's schema and a dot); parameters: entry, known_as
-- Called by: mrl_pg.catalog.rotations
select {extension}vector_send(part.weights) as weights
from mrl._rotation_rows as part
where part.entry operator(pg_catalog.=) %(entry)s
    and part.full_column operator(pg_catalog.=) %(known_as)s
    and not part.back
order by part.place

-- name: set_rotation
-- Says by which matrix a column is rotated; NULL: by none.
-- Slots: extension; parameters: table, column, matrix, version, provenance, already
-- Called by: mrl_pg.catalog.rotations
select mrl.set_rotation(
    %(table)s::pg_catalog.regclass,
    %(column)s::pg_catalog.name,
    %(matrix)s::{extension}vector[],
    %(version)s,
    %(provenance)s::pg_catalog.jsonb,
    %(already)s
)

-- name: estimated_rows
-- The estimated rows of a table; NULL before the first analyze.
-- Parameters: table_id
-- Called by: mrl_pg.load.rotate, mrl_pg.build.parts
select mrl._rows(%(table_id)s::pg_catalog.oid) as rows

-- name: sample_vectors
-- Random full vectors of a table, in pgvector's binary format.
-- Slots: table, full, extension, sample (a tablesample, or nothing); parameters: rows
-- Called by: mrl_pg.load.rotate, mrl_pg.build.parts
select {extension}vector_send(drawn.full_value::{extension}vector) as vector
from (
    select {full} as full_value
    from {table} {sample}
    where {full} is not null
    order by pg_catalog.random()
    limit %(rows)s
) as drawn

-- name: rows_to_rotate
-- Keys and full vectors of rows without a vector in another column, in a range of pages.
-- Slots: table, keys, from_column, to_column, extension, first, last (places of rows)
-- Called by: mrl_pg.load.rotate
select
    {keys},
    {extension}vector_send(({from_column})::{extension}vector) as mrl_vector
from {table}
where ctid operator(pg_catalog.>=) {first}::pg_catalog.tid
    and ctid operator(pg_catalog.<) {last}::pg_catalog.tid
    and {to_column} is null
    and {from_column} is not null

-- name: copy_model
-- Says of a column that the model of another column filled it, if that is known.
-- Parameters: table_id, from_column, to_column
-- Called by: mrl_pg.load.rotate
select
    mrl.set_model(filled.table_id, %(to_column)s::pg_catalog.name, filled.model)
from mrl.column_models as filled
where filled.table_id operator(pg_catalog.=)
        %(table_id)s::pg_catalog.oid::pg_catalog.regclass
    and filled.full_column operator(pg_catalog.=) %(from_column)s::pg_catalog.name
    and not exists (
        select
        from mrl.column_models as known
        where known.table_id operator(pg_catalog.=) filled.table_id
            and known.full_column operator(pg_catalog.=) %(to_column)s::pg_catalog.name
    )

-- name: link_rotated
-- Has the server rotate what is written to a column into another; whether it does.
-- Parameters: table_id, from_column, to_column
-- Called by: mrl_pg.build.rotated_rows
select
    mrl._link_rotated(
        %(table_id)s::pg_catalog.oid::pg_catalog.regclass,
        %(from_column)s::pg_catalog.name,
        %(to_column)s::pg_catalog.name
    ) as linked

-- name: linked_columns
-- Whether the server rotates one column into another, and the condition of rows that it missed.
-- Parameters: table_id, from_column, to_column
-- Called by: mrl_pg.build.rotated_rows
select
    mrl._linked(known.id, known.from_column, known.to_column) as linked,
    mrl._apart(known.id, known.from_column, known.to_column) as apart
from (
    select
        %(table_id)s::pg_catalog.oid::pg_catalog.regclass as id,
        %(from_column)s::pg_catalog.name as from_column,
        %(to_column)s::pg_catalog.name as to_column
) as known

-- name: count_apart
-- How many rows have another vector in a column than the column that it is rotated from.
-- Slots: table, apart (a condition)
-- Called by: mrl_pg.build.rotated_rows
select pg_catalog.count(*) as apart
from {table}
where {apart}

-- name: empty_apart
-- Takes such vectors away, in a range of pages; how many.
-- Slots: table, to_column, apart, first, last (places of rows)
-- Called by: mrl_pg.load.rotate
with emptied as (
    update {table}
    set {to_column} = null
    where ctid operator(pg_catalog.>=) {first}::pg_catalog.tid
        and ctid operator(pg_catalog.<) {last}::pg_catalog.tid
        and {apart}
    returning 1 as one
)
select pg_catalog.count(*) as emptied
from emptied

-- name: stop_rotating
-- Ends what link_rotated began.
-- Parameters: table_id, to_column
-- Called by: mrl_pg.build.rotated_rows
select
    mrl.stop_rotating(
        %(table_id)s::pg_catalog.oid::pg_catalog.regclass, %(to_column)s::pg_catalog.name
    )
