-- What a search relies on of its table, as one number: when it changes, facts are read anew.
-- Slots: table, full, value, key (an oid; number of a column; oids), index (a name, as text)
-- Called by: mrl_pg.catalog.read, mrl_pg.search.render
pg_catalog.hash_record_extended(
    -- functions that read caches: some microseconds each, where a scan has to be planned
    row(
        {table},
        (
            pg_catalog.pg_identify_object(
                'pg_catalog.pg_class'::pg_catalog.regclass,
                {table},
                {full}
            )
        ).identity,
        -- the short column, by how it is generated
        (
            pg_catalog.pg_identify_object(
                'pg_catalog.pg_attrdef'::pg_catalog.regclass,
                {value}::pg_catalog.oid,
                0
            )
        ).identity,
        pg_catalog.pg_get_constraintdef({key}::pg_catalog.oid),
        pg_catalog.to_regclass({index})::pg_catalog.oid,
        pg_catalog.row_security_active({table})
    ),
    0
)
