-- Writes, deletes and reads rows by key.

-- name: row_facts
-- Columns of a table in order, each with the primary key, and what pgvector and mrl_pg are here.
-- Slots: columns_of, unique_keys, pgvector, vector_types, stamp; parameters: schema, table
-- Called by: mrl_pg.rows.facts
with mrl_columns as materialized (
    select columns.*, pg_catalog.row_number() over () as place
    from (
{columns_of}
    ) as columns
), mrl_key as materialized (
    select unique_key.names, unique_key.operators
    from (
{unique_keys}
    ) as unique_key
    where unique_key.is_primary
), mrl_extension as materialized (
{pgvector}
), mrl_types as materialized (
{vector_types}
)
select
    mrl_columns.*,
    mrl_key.names as key_names,
    mrl_key.operators as key_operators,
    -- then equal keys may be written in several ways
    exists (
        select
        from pg_catalog.pg_attribute as attribute
        join pg_catalog.pg_collation as rules
            on rules.oid operator(pg_catalog.=) attribute.attcollation
        where attribute.attrelid operator(pg_catalog.=) mrl_columns.table_id::pg_catalog.oid
            and attribute.attname::pg_catalog.text
                operator(pg_catalog.=) any (mrl_key.names)
            and not rules.collisdeterministic
    ) as loose_key,
    mrl_extension.pgvector_version,
    mrl_extension.extension_schema,
    mrl_extension.mrl_installed,
    mrl_extension.has_rotations,
    (
{stamp}
    ) as stamp,
    (
        select mrl_types.id
        from mrl_types
        where mrl_types.name operator(pg_catalog.=) 'vector'
    ) as vector_id,
    (
        select mrl_types.id
        from mrl_types
        where mrl_types.name operator(pg_catalog.=) 'halfvec'
    ) as halfvec_id
from mrl_columns
cross join mrl_extension
left join mrl_key on true
order by mrl_columns.place

-- name: row_stamp
-- A number that changes with the facts of a table; no row if there is no such table.
-- Slots: table (an oid)
-- Called by: mrl_pg.rows.facts
select
    pg_catalog.hash_record_extended(
        row(
            class.oid,
            class.relkind,
            class.relnamespace,
            pg_catalog.to_regnamespace('mrl')::pg_catalog.oid,
            (
                select pg_catalog.string_agg(
                    pg_catalog.concat_ws(
                        ' ',
                        attribute.attname,
                        (
                            pg_catalog.pg_identify_object(
                                'pg_catalog.pg_type'::pg_catalog.regclass,
                                attribute.atttypid,
                                0
                            )
                        ).identity,
                        attribute.atttypmod,
                        attribute.attgenerated,
                        attribute.attcollation
                    ),
                    ', '
                    order by attribute.attnum
                )
                from pg_catalog.pg_attribute as attribute
                where attribute.attrelid operator(pg_catalog.=) class.oid
                    and attribute.attnum operator(pg_catalog.>) 0
                    and not attribute.attisdropped
            ),
            (
                select pg_catalog.concat_ws(' ', key.indexrelid, key.indkey::pg_catalog.text)
                from pg_catalog.pg_index as key
                where key.indrelid operator(pg_catalog.=) class.oid
                    and key.indisprimary
                    and key.indisvalid
            )
        ),
        0
    ) as stamp
from pg_catalog.pg_class as class
where class.oid operator(pg_catalog.=) {table}

-- name: row_stamp_and_rotations
-- The stamp of a table, which also changes with the rotations of its columns.
-- Slots: stamp, rotation_stamp
-- Called by: mrl_pg.rows.facts
select
    base.stamp operator(pg_catalog.#) (
{rotation_stamp}
    ) as stamp
from (
{stamp}
) as base

-- name: table_of_name
-- The table of a name, as the search path finds it.
-- Parameters: name
-- Called by: mrl_pg.rows.facts, within row_stamp
pg_catalog.to_regclass(%(name)s)::pg_catalog.oid

-- name: table_of_facts
-- The number of the table whose columns were found.
-- No parameters.
-- Called by: mrl_pg.rows.facts, within row_facts
(
    select mrl_columns.table_id::pg_catalog.oid
    from mrl_columns
    where mrl_columns.place operator(pg_catalog.=) 1
)

-- name: short_columns
-- The registered short columns of a table, by the names under which they were registered.
-- Parameters: table_id
-- Called by: mrl_pg.rows.get
select registry.short_column::pg_catalog.text as name
from mrl._tables as known
join mrl._registry as registry on registry.entry operator(pg_catalog.=) known.entry
where known.table_id operator(pg_catalog.=) %(table_id)s::pg_catalog.oid::pg_catalog.regclass

-- name: upsert_rows
-- Inserts rows, and says how many were written and which keys were in the table before.
-- Slots: table, columns, arrays, names, casts, same_key, wanted, order (keys), on_conflict
-- Called by: mrl_pg.rows.upsert_job
with mrl_file as materialized (
    select {casts}, mrl_given.mrl_place
    from rows from ({arrays}) with ordinality as mrl_given ({names}, mrl_place)
), mrl_there as materialized (
    select mrl_file.mrl_place
    from mrl_file
    join {table} as mrl_row on {same_key}
), mrl_written as (
    insert into {table} as mrl_row ({columns})
    overriding system value
    select {names}
    from mrl_file
    where {wanted}
    -- two calls that write the same rows lock them in one order
    order by {order}
    {on_conflict}
    returning 1
)
select
    (select pg_catalog.count(*) from mrl_written) as written,
    array(
        select mrl_there.mrl_place
        from mrl_there
        order by mrl_there.mrl_place
    ) as there

-- name: if_none_exists
-- Whether no given key is in the table, so that either all rows are inserted or none.
-- No parameters.
-- Called by: mrl_pg.rows.upsert_job, within upsert_rows
not exists (select from mrl_there)

-- name: on_conflict_skip
-- Leaves rows alone whose key is in the table.
-- Slots: keys (names)
-- Called by: mrl_pg.rows.upsert_job, within upsert_rows
on conflict ({keys}) do nothing

-- name: on_conflict_update
-- Updates rows whose key is in the table.
-- Slots: keys (names), changes
-- Called by: mrl_pg.rows.upsert_job, within upsert_rows
on conflict ({keys}) do update set {changes}

-- name: key_hashes
-- A number for each given key, the same for keys that the server holds for equal.
-- Slots: arrays, names, casts, keys (names)
-- Called by: mrl_pg.rows.upsert_job
with mrl_file as materialized (
    select {casts}, mrl_given.mrl_place
    from rows from ({arrays}) with ordinality as mrl_given ({names}, mrl_place)
)
select pg_catalog.hash_record_extended(row({keys}), 0) as hash
from mrl_file
order by mrl_file.mrl_place

-- name: delete_by_key
-- Deletes the rows that have a given key.
-- Slots: table, arrays, names, casts, same_key
-- Called by: mrl_pg.rows.delete
with mrl_file as materialized (
    select {casts}
    from rows from ({arrays}) as mrl_given ({names})
), mrl_gone as (
    delete from {table} as mrl_row
    using mrl_file
    where {same_key}
    returning 1
)
select pg_catalog.count(*) as rows
from mrl_gone

-- name: delete_by_filter
-- Deletes the rows that a filter lets through.
-- Slots: table, filter
-- Called by: mrl_pg.rows.delete
with mrl_gone as (
    delete from {table}
    where true{filter}
    returning 1
)
select pg_catalog.count(*) as rows
from mrl_gone

-- name: rows_by_key
-- The rows that have a given key, each with the place of the key.
-- Slots: table, columns, arrays, names, casts, same_key
-- Called by: mrl_pg.rows.get
with mrl_file as materialized (
    select {casts}, mrl_given.mrl_place
    from rows from ({arrays}) with ordinality as mrl_given ({names}, mrl_place)
)
select {columns}, mrl_file.mrl_place
from mrl_file
join {table} as mrl_row on {same_key}
