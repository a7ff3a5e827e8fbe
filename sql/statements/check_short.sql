-- Condition of a first pass: its short column is the prefix of the full one, or an error.
-- Slots: table, full, short, function, before, after (texts), dims; evaluated once
-- Called by: mrl_pg.search.render
(
    -- one scan, since it may have to be planned each time; an aggregate, so one row
    select
        case
            when pg_catalog.strpos(
                    pg_catalog.string_agg(
                        pg_catalog.pg_get_expr(value.adbin, value.adrelid), ''
                    ),
                    {function}
                ) operator(pg_catalog.>) 0
                and pg_catalog.strpos(
                    pg_catalog.string_agg(
                        pg_catalog.pg_get_expr(value.adbin, value.adrelid), ''
                    ),
                    pg_catalog.concat('(', pg_catalog.quote_ident({full}), ', 1, {dims})')
                ) operator(pg_catalog.>) 0
            then true
            -- words of ours in an error, where no function of ours may be installed
            else pg_catalog.concat(
                {before},
                coalesce(
                    pg_catalog.string_agg(
                        pg_catalog.pg_get_expr(value.adbin, value.adrelid), ''
                    ),
                    'not generated'
                ),
                {after}
            )::pg_catalog.int4 is null
        end
    from pg_catalog.pg_attrdef as value
    where value.adrelid operator(pg_catalog.=) {table}::pg_catalog.regclass
        and (
            pg_catalog.pg_identify_object_as_address(
                'pg_catalog.pg_attrdef'::pg_catalog.regclass, value.oid, 0
            )
        ).object_names[3] operator(pg_catalog.=) {short}
)
