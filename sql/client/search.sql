-- Parts of a search that only Python adds.

-- name: check_short
-- A condition of a first pass that raises if its short column is not the full column's prefix.
-- Slots: table, short, before, after (texts), ours; evaluated once
-- Called by: mrl_pg.sqlalchemy.parts
(
    -- one scan, because each search may have to plan it; an aggregate returns one row
    select
        case
            when {ours}
            then true
            -- a failing cast raises our message, because mrl_pg's functions may be missing
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

-- name: check_unrotated
-- A condition that raises if an index says that the full column is rotated.
-- Slots: table, note, message (texts); evaluated once
-- Called by: mrl_pg.sqlalchemy.parts
(
    select
        case
            when pg_catalog.count(*) operator(pg_catalog.=) 0
            then true
            -- a failing cast raises our message, because mrl_pg's functions may be missing
            else pg_catalog.concat({message}, pg_catalog.max(noted.description))::pg_catalog.int4
                is null
        end
    from pg_catalog.pg_index as state
    join pg_catalog.pg_description as noted
        on noted.objoid operator(pg_catalog.=) state.indexrelid
        and noted.classoid operator(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
        and noted.objsubid operator(pg_catalog.=) 0
        and noted.description operator(pg_catalog.=) {note}
    where state.indrelid operator(pg_catalog.=) {table}::pg_catalog.regclass
)

-- name: rotated_query
-- A query, rotated once as the rows of a column are.
-- Slots: table, column (texts), query
-- Called by: mrl_pg.sqlalchemy.parts
(
    select mrl.rotate({table}::pg_catalog.regclass, {column}::pg_catalog.name, {query})
)

-- name: own_plan
-- A condition of a first pass, so that a prepared statement is planned for its values each time.
-- Slots: query, decides (whether values decide the plan; known at planning)
-- Called by: mrl_pg.sqlalchemy.parts
case
    when {query} is not null
    then true
    -- A plan for the given values leaves this branch out. A generic plan cannot, so the
    -- planner finds it too expensive to cache. The branch reads nothing when it runs.
    else (
        select pg_catalog.count(*) operator(pg_catalog.>) 0
        from pg_catalog.generate_series(
            1::pg_catalog.int8,
            case
                when {decides}
                    -- a session may force generic plans: a low cost then keeps JIT off
                    and pg_catalog.current_setting('plan_cache_mode')
                        operator(pg_catalog.<>) 'force_generic_plan'
                then 1000000000000000::pg_catalog.int8
                else 1::pg_catalog.int8
            end
        )
        where (select mrl_query."full" from mrl_query) is not null
    )
end

-- name: promise
-- Columns of mrl_before in a search for a recall: candidates and ef_search that reach it.
-- Slots: table, index, short, distance (literals), k, recall, filtered, quantile
-- Called by: mrl_pg.sqlalchemy.parts
,
    mrl_promise.candidates as mrl_candidates,
    -- pgvector takes no NULL
    coalesce(mrl_promise.ef_search, 1) as mrl_ef_search,
    -- how many rows exact search reads: all, or none
    case when mrl_promise.candidates is not null then 0 end as mrl_rows,
    mrl_promise.standing as mrl_standing
from mrl._promised(
    {table}::pg_catalog.regclass,
    mrl._index_of({table}::pg_catalog.regclass, {index}, {short}, {distance}),
    {k},
    {recall},
    {filtered},
    quantile => {quantile}
) as mrl_promise

-- name: promised_pass
-- A first pass with as many candidates as a calibration says, or every row for exact search.
-- Slots: passes (its own limit, a literal, makes the planner use the index), columns, names, …
-- Called by: mrl_pg.search.render
(
    select *
    from (
{passes}
    ) as mrl_pass
    limit (select coalesce(mrl_before.mrl_candidates, 0) from mrl_before)
)
union all
-- The planner takes a limit that it does not know for a tenth of the rows. Two of them keep the
-- cost of a scan that rarely runs below that from which PostgreSQL compiles statements (JIT).
(
    select *
    from (
        select *
        from (
            select
                {columns},
                {full} operator({extension}{operator}) {query}
            from {table}
            where true{filter}
            offset 0
        ) as mrl_pass ({names}, distance)
        limit (select mrl_before.mrl_rows from mrl_before)
    ) as mrl_pass
    limit (select mrl_before.mrl_rows from mrl_before)
)

-- name: word_column
-- The type of a column whose words are searched, and a text search configuration by its name.
-- Parameters: table_id, column, config; always one row
-- Called by: mrl_pg.search.word_column
select
    document.type,
    coalesce(document.is_text, false) as is_text,
    coalesce(document.is_vector, false) as is_vector,
    config.name as config_name
from (values (1)) as always (one)
left join lateral (
    select
        pg_catalog.format_type(attribute.atttypid, attribute.atttypmod) as type,
        -- strings, also by another name or of a length
        type.typcategory operator(pg_catalog.=) 'S' as is_text,
        'pg_catalog.tsvector'::pg_catalog.regtype::pg_catalog.oid operator(pg_catalog.=) any (
            array[type.oid, type.typbasetype]
        ) as is_vector
    from pg_catalog.pg_attribute as attribute
    join pg_catalog.pg_type as type on type.oid operator(pg_catalog.=) attribute.atttypid
    where attribute.attrelid operator(pg_catalog.=) %(table_id)s::pg_catalog.oid
        and attribute.attname operator(pg_catalog.=) %(column)s::pg_catalog.text
        and attribute.attnum operator(pg_catalog.>) 0
        and not attribute.attisdropped
) as document on true
left join lateral (
    -- As it was named, so that a search under another path takes the one on that path. But a
    -- name of PostgreSQL's own means that, whoever put another one before it.
    select
        case
            when config.cfgname operator(pg_catalog.=) %(config)s::pg_catalog.text
                and space.nspname operator(pg_catalog.<>) 'pg_catalog'
            then array[config.cfgname::pg_catalog.text]
            else array[space.nspname::pg_catalog.text, config.cfgname::pg_catalog.text]
        end as name
    from pg_catalog.pg_ts_config as config
    join pg_catalog.pg_namespace as space
        on space.oid operator(pg_catalog.=) config.cfgnamespace
    where config.cfgname operator(pg_catalog.=) %(config)s::pg_catalog.text
            and (
                space.nspname operator(pg_catalog.=) 'pg_catalog'
                or pg_catalog.pg_ts_config_is_visible(config.oid)
            )
        or pg_catalog.concat(space.nspname, '.', config.cfgname)
            operator(pg_catalog.=) %(config)s::pg_catalog.text
    order by
        case
            when config.cfgname operator(pg_catalog.<>) %(config)s::pg_catalog.text
            then 3
            when space.nspname operator(pg_catalog.=) 'pg_catalog'
            then 1
            else 2
        end
    limit 1
) as config on true

-- name: vector_indexes
-- HNSW and IVFFlat indexes of this database, those of partitions one by one.
-- No parameters.
-- Called by: mrl_pg.search.check_plan
select
    space.nspname::pg_catalog.text as schema,
    class.relname::pg_catalog.text as "table",
    index_class.relname::pg_catalog.text as name,
    root_index.relname::pg_catalog.text as root,
    root_class.oid::pg_catalog.int8 as root_table_id,
    root_class.oid::pg_catalog.regclass::pg_catalog.text as root_table,
    coalesce(
        (
            select pg_catalog.sum(greatest(part.reltuples, 0))
            from pg_catalog.pg_partition_tree(root_class.oid::pg_catalog.regclass) as tree
            join pg_catalog.pg_class as part on part.oid operator(pg_catalog.=) tree.relid
            where tree.isleaf
        ),
        -- no partitions
        greatest(class.reltuples, 0)
    )::pg_catalog.int8 as rows,
    pg_catalog.pg_get_indexdef(index_class.oid) as definition,
    pg_catalog.current_setting('enable_indexscan')::pg_catalog.bool as scannable
from pg_catalog.pg_am as method
join pg_catalog.pg_class as index_class
    on index_class.relam operator(pg_catalog.=) method.oid
    and index_class.relkind operator(pg_catalog.=) 'i'
join pg_catalog.pg_index as state on state.indexrelid operator(pg_catalog.=) index_class.oid
join pg_catalog.pg_class as class on class.oid operator(pg_catalog.=) state.indrelid
join pg_catalog.pg_namespace as space on space.oid operator(pg_catalog.=) class.relnamespace
join pg_catalog.pg_class as root_index
    on root_index.oid operator(pg_catalog.=) coalesce(
        pg_catalog.pg_partition_root(index_class.oid::pg_catalog.regclass), index_class.oid
    )
join pg_catalog.pg_class as root_class
    on root_class.oid operator(pg_catalog.=) coalesce(
        pg_catalog.pg_partition_root(class.oid::pg_catalog.regclass), class.oid
    )
where method.amname operator(pg_catalog.=) any (array['hnsw', 'ivfflat']::pg_catalog.name[])
