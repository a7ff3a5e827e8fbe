-- Updates one vector column of the rows whose keys a file names.

-- name: unique_keys
-- Unique indexes that find a row by its key: their columns, and the operators that compare them.
-- Slots: table_id
-- Called by: mrl_pg.load.update, mrl_pg.rows.facts
select
    index.indisprimary as is_primary,
    array(
        select attribute.attname::pg_catalog.text
        from pg_catalog.unnest(index.indkey) with ordinality as part (number, place)
        join pg_catalog.pg_attribute as attribute
            on attribute.attrelid operator(pg_catalog.=) index.indrelid
            and attribute.attnum operator(pg_catalog.=) part.number
        where part.place operator(pg_catalog.<=) index.indnkeyatts
        order by part.place
    ) as names,
    array(
        select array[space.nspname::pg_catalog.text, operator.oprname::pg_catalog.text]
        from pg_catalog.unnest(index.indclass) with ordinality as part (id, place)
        join pg_catalog.pg_opclass as class on class.oid operator(pg_catalog.=) part.id
        join pg_catalog.pg_amop as member
            on member.amopfamily operator(pg_catalog.=) class.opcfamily
            and member.amoplefttype operator(pg_catalog.=) class.opcintype
            and member.amoprighttype operator(pg_catalog.=) class.opcintype
            -- equality of a B-tree
            and member.amopstrategy operator(pg_catalog.=) 3
        join pg_catalog.pg_operator as operator
            on operator.oid operator(pg_catalog.=) member.amopopr
        join pg_catalog.pg_namespace as space
            on space.oid operator(pg_catalog.=) operator.oprnamespace
        order by part.place
    ) as operators
from pg_catalog.pg_index as index
join pg_catalog.pg_class as relation
    on relation.oid operator(pg_catalog.=) index.indexrelid
join pg_catalog.pg_am as method
    on method.oid operator(pg_catalog.=) relation.relam
where index.indrelid operator(pg_catalog.=) {table_id}
    and index.indisunique
    and index.indisvalid
    and index.indpred is null
    and index.indexprs is null
    and method.amname operator(pg_catalog.=) 'btree'
order by index.indisprimary desc, index.indexrelid

-- name: add_vector_column
-- Adds a column of vectors, NULL in every row; changes only the catalog.
-- Slots: table, column (a definition)
-- Called by: mrl_pg.load.update_job
alter table {table}
    add column if not exists {column}

-- name: begin_update
-- Settings of one batch, and how many bytes of the log the slowest standby has not replayed.
-- Parameters: lock_timeout; always one row.
-- Called by: mrl_pg.load.update
select
    pg_catalog.set_config('lock_timeout', %(lock_timeout)s, true),
    pg_catalog.set_config('statement_timeout', '0', true),
    case
        when not pg_catalog.pg_is_in_recovery() then (
            select coalesce(
                pg_catalog.max(
                    pg_catalog.pg_wal_lsn_diff(
                        pg_catalog.pg_current_wal_lsn(), standby.replay_lsn
                    )
                ),
                0
            )::pg_catalog.int8
            from pg_catalog.pg_stat_replication as standby
            where standby.state operator(pg_catalog.=) 'streaming'
        )
    end as lag_bytes

-- name: update_rows
-- Updates rows of a batch that nobody holds, until `seconds` are over; says what became of each.
-- Slots: table, column, arrays, names, casts, same_key, differs, seconds (NULL: without an end)
-- Called by: mrl_pg.load.update_job
with mrl_file as materialized (
    select {casts}, mrl_given.mrl_place
    from rows from ({arrays}) with ordinality as mrl_given ({names}, mrl_place)
    where mrl_given.mrl_vector is not null
), mrl_found as materialized (
    select mrl_file.mrl_place, {differs} as differs
    from mrl_file
    join {table} as mrl_row on {same_key}
), mrl_free as materialized (
    select mrl_file.mrl_place
    from mrl_file
    join {table} as mrl_row on {same_key}
    where {differs}
    for no key update skip locked
), mrl_limit as materialized (
    select coalesce(
        pg_catalog.statement_timestamp() operator(pg_catalog.+) pg_catalog.make_interval(
            secs => {seconds}
        ),
        'infinity'
    ) as until
), mrl_written as (
    update {table} as mrl_row
    set {column} = mrl_file.mrl_vector
    from mrl_file
    where mrl_file.mrl_place operator(pg_catalog.=) any (
            array(select mrl_free.mrl_place from mrl_free)
        )
        and {same_key}
        and {differs}
        -- without a column, so the time is read again before each row is written
        and pg_catalog.clock_timestamp() operator(pg_catalog.<) (
            select mrl_limit.until from mrl_limit
        )
    returning mrl_file.mrl_place
), mrl_end as materialized (
    select
        pg_catalog.count(*) as written,
        pg_catalog.clock_timestamp() operator(pg_catalog.>=) (
            select mrl_limit.until from mrl_limit
        ) as late
    from mrl_written
)
select
    -- what needs no lock comes first
    (
        select pg_catalog.count(*)
        from mrl_found
        where not mrl_found.differs
    ) as unchanged,
    array(
        select mrl_file.mrl_place
        from mrl_file
        where not exists (
            select
            from mrl_found
            where mrl_found.mrl_place operator(pg_catalog.=) mrl_file.mrl_place
        )
        order by mrl_file.mrl_place
    ) as missing,
    (select mrl_end.written from mrl_end) as written,
    (select mrl_end.late from mrl_end) as late,
    array(
        select mrl_found.mrl_place
        from mrl_found
        where mrl_found.differs
            and not exists (
                select
                from mrl_free
                where mrl_free.mrl_place operator(pg_catalog.=) mrl_found.mrl_place
            )
        order by mrl_found.mrl_place
    ) as held,
    array(
        select mrl_free.mrl_place
        from mrl_free
        where not exists (
            select
            from mrl_written
            where mrl_written.mrl_place operator(pg_catalog.=) mrl_free.mrl_place
        )
        order by mrl_free.mrl_place
    ) as kept

-- name: row_vector_differs
-- Whether a row of the table holds another vector than a row of the file.
-- Slots: column, extension (pgvector's schema and a dot)
-- Called by: mrl_pg.load.update_job, within update_rows
(
    mrl_row.{column} is null
    or mrl_row.{column} operator({extension}<>) mrl_file.mrl_vector
)

-- name: row_vector_missing
-- Whether a row of the table holds no vector.
-- Slots: column
-- Called by: mrl_pg.load.update_job, within update_rows
(mrl_row.{column} is null)
