-- What Python reads about tables, indexes and the server.

-- name: pgvector
-- pgvector and mrl_pg in this database: versions, and the schema of the vector types.
-- No parameters; always one row.
-- Called by: mrl_pg.installation, mrl_pg.catalog.read, mrl_pg.load.exchange, mrl_pg.load.update
select
    extension.extversion as pgvector_version,
    space.nspname::pg_catalog.text as extension_schema,
    exists (
        -- from pg_proc, because a lookup by name needs the right to use the schema
        select
        from pg_catalog.pg_proc as proc
        join pg_catalog.pg_namespace as home on home.oid operator(pg_catalog.=) proc.pronamespace
        where home.nspname operator(pg_catalog.=) 'mrl'
            and proc.proname operator(pg_catalog.=) 'version'
            and proc.pronargs operator(pg_catalog.=) 0
    ) as mrl_installed,
    exists (
        select
        from pg_catalog.pg_class as class
        join pg_catalog.pg_namespace as home on home.oid operator(pg_catalog.=) class.relnamespace
        where home.nspname operator(pg_catalog.=) 'mrl'
            and class.relname operator(pg_catalog.=) 'column_rotations'
    ) as has_rotations,
    pg_catalog.to_regclass('pg_catalog.pg_dist_partition') is not null as has_citus
from (values (1)) as always (one)
left join pg_catalog.pg_extension as extension on extension.extname operator(pg_catalog.=) 'vector'
left join pg_catalog.pg_namespace as space on space.oid operator(pg_catalog.=) extension.extnamespace

-- name: is_short_column
-- Whether a column is generated as a short column, for databases without mrl._is_short_column.
-- Slots: expression, function (makes short values), full, dims
-- Called by: mrl_pg.catalog.slots
pg_catalog.strpos({expression}, {function}) operator(pg_catalog.>) 0
and pg_catalog.strpos(
    {expression},
    pg_catalog.concat('(', pg_catalog.quote_ident({full}), ', 1, ', {dims}, ')')
) operator(pg_catalog.>) 0

-- name: table_facts
-- All facts of one table that a search or a build needs, in one row; no row without the table.
-- Slots: stamp, ours, expression_ours; parameters: schema ('': any), table, column, short, …
-- Called by: mrl_pg.catalog.read
select
    class.oid::pg_catalog.int8 as table_id,
    class.nspname::pg_catalog.text as schema,
    class.relname::pg_catalog.text as "table",
    class.relkind::pg_catalog.text as relation_kind,
    pg_catalog.row_security_active(class.oid) as row_security,
    {stamp} as stamp,
    full_column.number::pg_catalog.int4 as full_number,
    short_column.value as short_value,
    short_column.trigger as short_trigger,
    short_column.kept as kept_number,
    primary_key.oid as key_id,
    full_column.type as full_type,
    full_column.dims as full_dims,
    short_column.type as short_type,
    short_column.dims as short_dims,
    short_column.expression as short_expression,
    coalesce({ours}, false) as short_ours,
    coalesce(index.of_expression and {expression_ours}, false) as expression_ours,
    array(
        select attribute.attname::pg_catalog.text
        from pg_catalog.pg_index as key
        cross join pg_catalog.unnest(key.indkey) with ordinality as part (number, place)
        join pg_catalog.pg_attribute as attribute
            on attribute.attrelid operator(pg_catalog.=) class.oid
            and attribute.attnum operator(pg_catalog.=) part.number
        where key.indrelid operator(pg_catalog.=) class.oid
            and key.indisprimary
            and part.place operator(pg_catalog.<=) key.indnkeyatts
        order by part.place
    ) as keys,
    array(
        select attribute.attname::pg_catalog.text
        from pg_catalog.pg_attribute as attribute
        where attribute.attrelid operator(pg_catalog.=) class.oid
            and attribute.attnum operator(pg_catalog.>) 0
            and not attribute.attisdropped
        order by attribute.attnum
    ) as columns,
    array(
        select pg_catalog.format_type(attribute.atttypid, attribute.atttypmod)
        from pg_catalog.pg_attribute as attribute
        where attribute.attrelid operator(pg_catalog.=) class.oid
            and attribute.attnum operator(pg_catalog.>) 0
            and not attribute.attisdropped
        order by attribute.attnum
    ) as column_types,
    index.definition as index_definition,
    -- of another expression than ours it says nothing
    case
        when not index.of_expression or {expression_ours}
        then index.operator_class
    end as index_operator_class,
    index.options as index_options,
    coalesce(index.usable, false) as index_usable
from (
    select class.oid, class.relname, class.relkind, class.relnamespace, space.nspname
    from pg_catalog.pg_class as class
    join pg_catalog.pg_namespace as space
        on space.oid operator(pg_catalog.=) class.relnamespace
    where class.relname operator(pg_catalog.=) %(table)s
        and class.relkind operator(pg_catalog.=) any (
            array['r', 'p', 'v', 'm', 'f']::pg_catalog."char"[]
        )
        and case
            when %(schema)s operator(pg_catalog.=) ''
            then pg_catalog.pg_table_is_visible(class.oid)
            else space.nspname operator(pg_catalog.=) %(schema)s
        end
    -- planned apart, as what is joined to it, because to plan one large join takes longer
    -- than to run this
    offset 0
) as class
left join lateral (
    select
        attribute.attnum as number,
        (
            select type.typname::pg_catalog.text
            from pg_catalog.pg_type as type
            where type.oid operator(pg_catalog.=) attribute.atttypid
        ) as type,
        case
            when attribute.atttypmod operator(pg_catalog.<>) -1
            then attribute.atttypmod
        end as dims
    from pg_catalog.pg_attribute as attribute
    where attribute.attrelid operator(pg_catalog.=) class.oid
        and attribute.attname operator(pg_catalog.=) %(column)s
        and attribute.attnum operator(pg_catalog.>) 0
        and not attribute.attisdropped
    offset 0
) as full_column on true
left join lateral (
    select
        attribute.attnum as number,
        value.oid as value,
        (
            select type.typname::pg_catalog.text
            from pg_catalog.pg_type as type
            where type.oid operator(pg_catalog.=) attribute.atttypid
        ) as type,
        case
            when attribute.atttypmod operator(pg_catalog.<>) -1
            then attribute.atttypmod
        end as dims,
        keeper.trigger,
        case when keeper.trigger is not null then attribute.attnum end as kept,
        case
            when attribute.attgenerated operator(pg_catalog.=) 's'
            then pg_catalog.pg_get_expr(value.adbin, value.adrelid)
            else keeper.expression
        end as expression
    from pg_catalog.pg_attribute as attribute
    left join pg_catalog.pg_attrdef as value
        on value.adrelid operator(pg_catalog.=) attribute.attrelid
        and value.adnum operator(pg_catalog.=) attribute.attnum
    -- as in mrl._trigger_expression
    left join lateral (
        select
            trigger.oid as trigger,
            case
                when pg_catalog.strpos(
                        proc.prosrc, pg_catalog.format('(new.%%I, 1, ', whole.attname)
                    ) operator(pg_catalog.>) 0
                    and pg_catalog.strpos(
                        proc.prosrc, pg_catalog.format('new.%%I := ', attribute.attname)
                    ) operator(pg_catalog.>) 0
                then pg_catalog.replace(proc.prosrc, '(new.', '(')
                -- an old name in the function must not be another column's name by now
                when not exists (
                    select
                    from pg_catalog.pg_attribute as other
                    where other.attrelid operator(pg_catalog.=) class.oid
                        and other.attnum operator(pg_catalog.>) 0
                        and (
                            other.attnum operator(pg_catalog.<>) whole.attnum
                            and pg_catalog.strpos(
                                proc.prosrc, pg_catalog.format('(new.%%I, 1, ', other.attname)
                            ) operator(pg_catalog.>) 0
                            or other.attnum operator(pg_catalog.<>) attribute.attnum
                            and pg_catalog.strpos(
                                proc.prosrc, pg_catalog.format('new.%%I := ', other.attname)
                            ) operator(pg_catalog.>) 0
                        )
                )
                then pg_catalog.replace(
                    proc.prosrc, '($1).%%1$I', pg_catalog.quote_ident(whole.attname)
                )
            end as expression
        from pg_catalog.pg_trigger as trigger
        join pg_catalog.pg_proc as proc on proc.oid operator(pg_catalog.=) trigger.tgfoid
        cross join lateral pg_catalog.regexp_match(
            trigger.tgqual::pg_catalog.text, ':varattno ([0-9]+) .*:varattno ([0-9]+) '
        ) as columns (numbers)
        join pg_catalog.pg_attribute as whole
            on whole.attrelid operator(pg_catalog.=) class.oid
            and whole.attnum
                operator(pg_catalog.=) (columns.numbers)[1]::pg_catalog.int2
        where trigger.tgrelid operator(pg_catalog.=) class.oid
            and trigger.tgname operator(pg_catalog.~~) 'zz\_mrl\_%%'
            and (columns.numbers)[2]::pg_catalog.int2
                operator(pg_catalog.=) attribute.attnum
            and trigger.tgtype operator(pg_catalog.=) 23::pg_catalog.int2
            and trigger.tgenabled operator(pg_catalog.=) any (
                array['O', 'A']::pg_catalog."char"[]
            )
        order by trigger.tgname
        limit 1
    ) as keeper on true
    where attribute.attrelid operator(pg_catalog.=) class.oid
        and attribute.attname operator(pg_catalog.=) %(short)s
        and attribute.attnum operator(pg_catalog.>) 0
        and not attribute.attisdropped
    offset 0
) as short_column on true
left join lateral (
    select
        pg_catalog.pg_get_indexdef(state.indexrelid) as definition,
        (
            select operator_class.opcname::pg_catalog.text
            from pg_catalog.pg_opclass as operator_class
            where operator_class.oid operator(pg_catalog.=) state.indclass[0]
                and (
                    state.indkey[0] operator(pg_catalog.=) short_column.number
                    or state.indkey[0] operator(pg_catalog.=) 0::pg_catalog.int2
                )
                and state.indrelid operator(pg_catalog.=) class.oid
                -- the index of one tenant has a condition, and no other index has
                and (state.indpred is not null) operator(pg_catalog.=) %(of_tenant)s
        ) as operator_class,
        coalesce(index_class.reloptions, '{{}}') as options,
        state.indkey[0] operator(pg_catalog.=) 0::pg_catalog.int2
            and state.indrelid operator(pg_catalog.=) class.oid as of_expression,
        pg_catalog.pg_get_indexdef(state.indexrelid, 1, false) as key,
        state.indisvalid and state.indisready as usable
    from pg_catalog.pg_class as index_class
    join pg_catalog.pg_index as state on state.indexrelid operator(pg_catalog.=) index_class.oid
    where index_class.relname operator(pg_catalog.=) %(index)s
        and index_class.relnamespace operator(pg_catalog.=) class.relnamespace
    offset 0
) as index on true
left join pg_catalog.pg_constraint as primary_key
    on primary_key.conrelid operator(pg_catalog.=) class.oid
    and primary_key.contype operator(pg_catalog.=) 'p'

-- name: stamp
-- A number that changes with the facts of a table; searches then read the facts again.
-- Slots: table, full, value, trigger, kept, key (oids; numbers of columns), index (a name)
-- Called by: mrl_pg.catalog.read, mrl_pg.search.render
pg_catalog.hash_record_extended(
    -- functions that read caches, because they take microseconds and a scan must be planned;
    -- no such function says whether an index is valid
    row(
        {table},
        (
            pg_catalog.pg_identify_object(
                'pg_catalog.pg_class'::pg_catalog.regclass,
                {table},
                {full}
            )
        ).identity,
        -- the short column, by how it is generated, or by its trigger and its name;
        -- pg_get_triggerdef would raise an error while another session drops the trigger
        (
            pg_catalog.pg_identify_object(
                'pg_catalog.pg_attrdef'::pg_catalog.regclass,
                {value}::pg_catalog.oid,
                0
            )
        ).identity,
        (
            pg_catalog.pg_identify_object(
                'pg_catalog.pg_trigger'::pg_catalog.regclass,
                {trigger}::pg_catalog.oid,
                0
            )
        ).identity,
        (
            pg_catalog.pg_identify_object(
                'pg_catalog.pg_class'::pg_catalog.regclass,
                {table},
                {kept}::pg_catalog.int4
            )
        ).identity,
        pg_catalog.pg_get_constraintdef({key}::pg_catalog.oid),
        (
            select state.indexrelid
            from pg_catalog.pg_index as state
            where state.indexrelid
                    operator(pg_catalog.=) pg_catalog.to_regclass({index})::pg_catalog.oid
                and state.indisvalid
                and state.indisready
        ),
        pg_catalog.row_security_active({table})
    ),
    0
)

-- name: stamp_in_use
-- The stamp of a table and of its rows in the registry, which say which index is in use.
-- Slots: stamp, registry_stamp
-- Called by: mrl_pg.search.render
({stamp}) operator(pg_catalog.#) (
{registry_stamp}
)

-- name: registry_stamp
-- A number that changes with the rows of the registry about a table.
-- Slots: table (an oid); read from the tables, because the views look at each table's identity
-- Called by: mrl_pg.catalog.in_use, mrl_pg.search.render
select
    coalesce(
        pg_catalog.bit_xor(
            pg_catalog.hash_record_extended(
                row(
                    registry.full_column,
                    registry.short_column,
                    registry.index_name,
                    registry.dims,
                    registry.kind,
                    registry.distance,
                    registry.created_at,
                    registry.chosen_at
                ),
                0
            )
        ),
        0
    )
from mrl._tables as known
join mrl._registry as registry on registry.entry operator(pg_catalog.=) known.entry
where known.table_id operator(pg_catalog.=) {table}

-- name: indexes_of
-- The registered short columns of a full column, the one in use first, by their names of now.
-- Slots: registry_stamp; parameters: table (a name), column. A row of NULLs if there is none.
-- Called by: mrl_pg.catalog.in_use
select
    registered.dims,
    registered.kind,
    registered.distance,
    coalesce(registered.index_now, registered.index_name)::pg_catalog.text as name,
    registered.short_now::pg_catalog.text as short,
    coalesce(registered.usable, false) as usable,
    built.m,
    built.ef_construction,
    (
{registry_stamp}
    ) as registry_stamp
from (values (1)) as always (one)
left join mrl._registered(
    coalesce(pg_catalog.to_regclass(%(table)s)::pg_catalog.oid, 0::pg_catalog.oid)
) as registered
    on coalesce(registered.full_now, registered.full_column) operator(pg_catalog.=) %(column)s
cross join lateral mrl._built(
    registered.table_id, coalesce(registered.index_now, registered.index_name)
) as built
order by
    registered.chosen_at desc nulls last, registered.created_at, registered.index_name

-- name: vector_tables
-- Tables with a column of vectors, as a command line names them; for completion in a shell.
-- No parameters
-- Called by: mrl_pg.cli.completion
select distinct
    case
        when pg_catalog.pg_table_is_visible(class.oid) then class.relname::pg_catalog.text
        else pg_catalog.concat_ws('.', home.nspname, class.relname)
    end as name
from pg_catalog.pg_attribute as attribute
join pg_catalog.pg_type as type
    on type.oid operator(pg_catalog.=) attribute.atttypid
    and type.typname operator(pg_catalog.=) any ('{vector,halfvec}')
join pg_catalog.pg_class as class
    on class.oid operator(pg_catalog.=) attribute.attrelid
    and class.relkind operator(pg_catalog.=) any ('{r,p}'::pg_catalog."char"[])
join pg_catalog.pg_namespace as home
    on home.oid operator(pg_catalog.=) class.relnamespace
where attribute.attnum operator(pg_catalog.>) 0
    and not attribute.attisdropped
    -- a name with a dot must be quoted, which each shell does in its own way
    and pg_catalog.strpos(class.relname, '.') operator(pg_catalog.=) 0
    and pg_catalog.strpos(home.nspname, '.') operator(pg_catalog.=) 0
    -- where matrices of rotations are
    and home.nspname operator(pg_catalog.<>) 'mrl'
order by name

-- name: vector_columns
-- The columns of vectors of a table, short ones excepted; for completion in a shell.
-- Parameters: table (a name)
-- Called by: mrl_pg.cli.completion
select attribute.attname::pg_catalog.text as name
from pg_catalog.pg_attribute as attribute
join pg_catalog.pg_type as type
    on type.oid operator(pg_catalog.=) attribute.atttypid
    and type.typname operator(pg_catalog.=) any ('{vector,halfvec}')
where attribute.attrelid operator(pg_catalog.=) pg_catalog.to_regclass(%(table)s)
    and attribute.attnum operator(pg_catalog.>) 0
    and not attribute.attisdropped
    and attribute.attgenerated operator(pg_catalog.=) ''
order by attribute.attnum

-- name: column_in_use
-- The full column that is in use in place of another; NULL if there is no such table.
-- Parameters: table (a name), column
-- Called by: mrl_pg.catalog.in_use
select
    mrl.in_use_column(
        pg_catalog.to_regclass(%(table)s), %(column)s::pg_catalog.name
    )::pg_catalog.text as name

-- name: check_stamp
-- The stamp of a table alone, for a search that found no row with a stamp.
-- Slots: stamp
-- Called by: mrl_pg.search.render
select ({stamp}) as stamp

-- name: promised
-- The cheapest search measured to reach a recall, else a safe search; and which of these it is.
-- Parameters: table_id, index_name, k, recall, filter, quantile, by_distance
-- Called by: mrl_pg.search.promised
select
    candidates, ef_search, rerank, standing, measured, low, p05, queries, basis, found_by,
    borrowed, step_distances, step_candidates, step_ef_searches, step_reranks, words
from mrl._promised(
    %(table_id)s::pg_catalog.oid,
    %(index_name)s::pg_catalog.name,
    %(k)s::pg_catalog.int4,
    %(recall)s::pg_catalog.float8,
    %(filter)s::pg_catalog.text is not null,
    mrl._share(%(table_id)s::pg_catalog.oid, %(filter)s::pg_catalog.text, null),
    %(filter)s::pg_catalog.text,
    %(quantile)s::pg_catalog.float8,
    %(by_distance)s::pg_catalog.bool
)

-- name: indexes
-- The short columns of this database, by table and size.
-- No parameters
-- Called by: mrl-pg indexes, mrl_pg.catalog.indexes
select
    table_name::pg_catalog.text,
    full_column::pg_catalog.text,
    full_dims,
    short_column::pg_catalog.text,
    dims,
    kind,
    distance,
    index_name::pg_catalog.text,
    usable,
    index_bytes,
    estimated_rows,
    kept_as,
    in_use,
    model,
    rotation
from mrl.indexes
order by table_name, full_column, dims, kind

-- name: find_table
-- The number of a table that the search path finds, or NULL.
-- Parameters: name, quoted
-- Called by: mrl_pg.build.status
select pg_catalog.to_regclass(%(name)s)::pg_catalog.oid::pg_catalog.int8 as table_id

-- name: find_names
-- The names of an index and its short column, found by what the index is; no row without it.
-- Parameters: table_id, column, dims, kind, operator_class, registered
-- Called by: mrl_pg.catalog.read
select
    index.index_name::pg_catalog.text as name,
    index.short_column::pg_catalog.text as short
from mrl._short_indexes(%(table_id)s::pg_catalog.oid) as index
where index.full_column operator(pg_catalog.=) %(column)s
    and index.dims operator(pg_catalog.=) %(dims)s
    and index.kind operator(pg_catalog.=) %(kind)s
    and index.operator_class operator(pg_catalog.=) %(operator_class)s
    and index.usable
    and (
        not %(registered)s
        or exists (
            select
            from mrl.registry as known
            where known.table_id operator(pg_catalog.=) index.table_id::pg_catalog.regclass
                and known.index_name operator(pg_catalog.=) index.index_name
        )
    )
order by index.index_id
limit 1

-- name: status
-- The short columns and what is wrong with each, as mrl.status says, with names as text.
-- Parameters: table_id (NULL for every table), check_rows
-- Called by: mrl_pg.build.status
select
    space.nspname::pg_catalog.text as schema,
    class.relname::pg_catalog.text as "table",
    class.oid::pg_catalog.int8 as table_id,
    state.full_column::pg_catalog.text as "column",
    state.short_column::pg_catalog.text as short,
    state.index_name::pg_catalog.text as name,
    state.dims,
    state.kind,
    state.distance,
    state.kept_as,
    state.usable,
    state.index_bytes,
    state.estimated_rows as rows,
    state.registered,
    state.rotation,
    state.finding,
    state.detail,
    state.remedy,
    state.mends
from mrl.status(%(table_id)s::pg_catalog.oid::pg_catalog.regclass, %(check_rows)s) as state
join pg_catalog.pg_class as class on class.oid operator(pg_catalog.=) state.table_name
join pg_catalog.pg_namespace as space on space.oid operator(pg_catalog.=) class.relnamespace

-- name: doctor
-- What harms searches, as mrl.doctor says, with names as text.
-- Parameters: table_id (NULL for every table), sample
-- Called by: mrl_pg.build.doctor
select
    said.finding as code,
    case
        when said.table_name is not null
        then pg_catalog.format('%%s.%%s', space.nspname, class.relname)
    end as "table",
    said.index_name::pg_catalog.text as index,
    said.detail,
    said.why,
    said.remedy
from mrl.doctor(%(table_id)s::pg_catalog.oid::pg_catalog.regclass, %(sample)s) as said
left join pg_catalog.pg_class as class on class.oid operator(pg_catalog.=) said.table_name
left join pg_catalog.pg_namespace as space
    on space.oid operator(pg_catalog.=) class.relnamespace

-- name: sizes_of_models
-- Short columns of full columns whose embedding model is known.
-- Parameters: table_id (NULL for every table)
-- Called by: mrl_pg.build.doctor
select
    pg_catalog.format('%%s.%%s', space.nspname, class.relname) as "table",
    known.index_name::pg_catalog.text as index,
    known.dims,
    known.kind,
    known.model
from mrl.indexes as known
join pg_catalog.pg_class as class on class.oid operator(pg_catalog.=) known.table_name
join pg_catalog.pg_namespace as space on space.oid operator(pg_catalog.=) class.relnamespace
where known.model is not null
    and (
        %(table_id)s::pg_catalog.oid is null
        or known.table_name operator(pg_catalog.=) %(table_id)s::pg_catalog.oid
    )

-- name: registered
-- The registered short columns by their current names, and how their indexes were built.
-- Slots: table, a literal to be found on the search path or in its schema; NULL for all
-- Called by: mrl_pg.sqlalchemy.reflect
select
    space.nspname::pg_catalog.text as schema,
    class.relname::pg_catalog.text as "table",
    coalesce(called.full_column, known.full_column)::pg_catalog.text as "column",
    coalesce(called.short_column, registry.short_column)::pg_catalog.text as short,
    known.index_name::pg_catalog.text as name,
    known.dims,
    known.kind,
    known.distance,
    -- pgvector's defaults, also for an index that was dropped by hand
    coalesce(known.m::int, 16) as m,
    coalesce(known.ef_construction::int, 64) as ef_construction,
    known.kept_as,
    known.usable,
    pg_catalog.pg_table_is_visible(class.oid) as visible,
    exists (
        select
        from mrl.column_rotations as turned
        where turned.table_id operator(pg_catalog.=) class.oid::pg_catalog.regclass
            and turned.full_column operator(pg_catalog.=)
                coalesce(called.full_column, known.full_column)
    ) as rotated,
    -- the registry holds the names of the time when the index was made
    coalesce(
        called.full_column operator(pg_catalog.=) known.full_column
        and called.short_column operator(pg_catalog.=) registry.short_column,
        true
    ) as up_to_date
from mrl.indexes as known
-- the name that the column of an expression would have, too
join mrl.registry as registry
    on registry.table_id operator(pg_catalog.=) known.table_name
    and registry.index_name operator(pg_catalog.=) known.index_name
join pg_catalog.pg_class as class on class.oid operator(pg_catalog.=) known.table_name
join pg_catalog.pg_namespace as space on space.oid operator(pg_catalog.=) class.relnamespace
left join lateral (
    -- the column of the index, and the column from which it is generated
    select
        short_column.attname as short_column,
        full_column.attname as full_column
    from pg_catalog.pg_index as state
    join pg_catalog.pg_class as index_class
        on index_class.oid operator(pg_catalog.=) state.indexrelid
    join pg_catalog.pg_attribute as short_column
        on short_column.attrelid operator(pg_catalog.=) state.indrelid
        and short_column.attnum operator(pg_catalog.=) state.indkey[0]
    join pg_catalog.pg_attrdef as value
        on value.adrelid operator(pg_catalog.=) state.indrelid
        and value.adnum operator(pg_catalog.=) short_column.attnum
    join pg_catalog.pg_depend as reads
        on reads.refclassid
            operator(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
        and reads.refobjid operator(pg_catalog.=) state.indrelid
        and reads.refobjsubid operator(pg_catalog.<>) short_column.attnum
        and reads.classid
            operator(pg_catalog.=) 'pg_catalog.pg_attrdef'::pg_catalog.regclass
        and reads.objid operator(pg_catalog.=) value.oid
    join pg_catalog.pg_attribute as full_column
        on full_column.attrelid operator(pg_catalog.=) state.indrelid
        and full_column.attnum operator(pg_catalog.=) reads.refobjsubid
    where state.indrelid operator(pg_catalog.=) class.oid
        and index_class.relname operator(pg_catalog.=) known.index_name
    limit 1
) as called on true
where {table}::pg_catalog.text is null
    or known.table_name operator(pg_catalog.=) pg_catalog.to_regclass({table})
-- the index in use first
order by space.nspname, class.relname, known.in_use desc, known.created_at, known.index_name

-- name: readable
-- Whether this role may read mrl.indexes; false if there is no such view.
-- No parameters; always one row.
-- Called by: mrl_pg.sqlalchemy.reflect
select exists (
    -- not by name, because a name without a view is an error
    select
    from pg_catalog.pg_class as class
    join pg_catalog.pg_namespace as space on space.oid operator(pg_catalog.=) class.relnamespace
    where space.nspname operator(pg_catalog.=) 'mrl'
        and class.relname operator(pg_catalog.=) 'indexes'
        and class.relkind operator(pg_catalog.=) 'v'
        and pg_catalog.has_schema_privilege(space.oid, 'usage')
        and pg_catalog.has_table_privilege(class.oid, 'select')
)

-- name: find_index
-- The index of a name on a table that the search path finds; no row without it.
-- Slots: table, index (literals)
-- Called by: mrl_pg.alembic.carry_out, mrl_pg.alembic.known
select
    space.nspname::pg_catalog.text,
    class.relname::pg_catalog.text,
    class.relkind::pg_catalog.text,
    state.indisvalid and state.indisready as usable
from pg_catalog.pg_index as state
join pg_catalog.pg_class as class on class.oid operator(pg_catalog.=) state.indexrelid
join pg_catalog.pg_namespace as space on space.oid operator(pg_catalog.=) class.relnamespace
where state.indrelid operator(pg_catalog.=) {table}::pg_catalog.regclass
    and class.relname operator(pg_catalog.=) {index}

-- name: index_size
-- The bytes of an index, and its rows as the build counted them.
-- Parameters: schema, table, index_name
-- Called by: mrl_pg.build.create
select
    mrl.index_bytes(index_class.oid::pg_catalog.regclass) as index_bytes,
    (
        select coalesce(pg_catalog.sum(greatest(part.reltuples, 0)), 0)::bigint
        from pg_catalog.pg_class as part
        where part.relkind operator(pg_catalog.=) 'i'
            and part.oid operator(pg_catalog.=) any (
                select index_class.oid
                union all
                select tree.relid
                from pg_catalog.pg_partition_tree(index_class.oid) as tree
            )
    ) as rows
from pg_catalog.pg_class as class
join pg_catalog.pg_namespace as space on space.oid operator(pg_catalog.=) class.relnamespace
join pg_catalog.pg_index as state on state.indrelid operator(pg_catalog.=) class.oid
join pg_catalog.pg_class as index_class
    on index_class.oid operator(pg_catalog.=) state.indexrelid
where space.nspname operator(pg_catalog.=) %(schema)s
    and class.relname operator(pg_catalog.=) %(table)s
    and index_class.relname operator(pg_catalog.=) %(index_name)s

-- name: bytes_of_index
-- The bytes of an index of a table that the search path finds, with its partitions.
-- Parameters: table, index_name
-- Called by: mrl_pg.resize.resize
select mrl.index_bytes(class.oid::pg_catalog.regclass) as index_bytes
from pg_catalog.pg_index as state
join pg_catalog.pg_class as class on class.oid operator(pg_catalog.=) state.indexrelid
where state.indrelid operator(pg_catalog.=) %(table)s::pg_catalog.regclass
    and class.relname operator(pg_catalog.=) %(index_name)s

-- name: index_bytes
-- Bytes of one index, named by schema and name.
-- Parameters: schema, index_name
-- Called by: mrl_pg.tune.trial.single_pass, mrl_pg.tune.trial.scratch
select pg_catalog.pg_relation_size(class.oid)
from pg_catalog.pg_class as class
join pg_catalog.pg_namespace as space on space.oid operator(pg_catalog.=) class.relnamespace
where space.nspname operator(pg_catalog.=) %(schema)s
    and class.relname operator(pg_catalog.=) %(index_name)s

-- name: lock_holders
-- Sessions that hold locks on tables of this database, the oldest transaction first.
-- Parameters: none
-- Called by: mrl_pg.cli.options
select
    activity.pid,
    activity.usename::pg_catalog.text as role,
    -- PostgreSQL hides the state of other roles' sessions from ordinary roles
    coalesce(activity.state, 'in a transaction') as state,
    pg_catalog.date_trunc('second', activity.xact_start)::pg_catalog.text as since
from pg_catalog.pg_stat_activity as activity
where activity.datname operator(pg_catalog.=) pg_catalog.current_database()
    and activity.pid operator(pg_catalog.<>) pg_catalog.pg_backend_pid()
    and exists (
        select
        from pg_catalog.pg_locks as held
        where held.pid operator(pg_catalog.=) activity.pid
            and held.granted
            and held.database operator(pg_catalog.=) activity.datid
            -- not tables of the system catalog
            and held.relation operator(pg_catalog.>=) 16384::pg_catalog.oid
    )
order by activity.xact_start
limit 3

-- name: table_pages
-- Pages of a table; of the partition that has most if it has partitions.
-- Parameters: table_id
-- Called by: mrl_pg.catalog.pages
with recursive part (id) as (
    select %(table_id)s::pg_catalog.oid
    union
    select child.inhrelid
    from part
    join pg_catalog.pg_inherits as child on child.inhparent operator(pg_catalog.=) part.id
)
select
    pg_catalog.max(
        pg_catalog.pg_relation_size(class.oid)
        operator(pg_catalog./) pg_catalog.current_setting('block_size')::pg_catalog.int8
    ) as pages
from part
join pg_catalog.pg_class as class on class.oid operator(pg_catalog.=) part.id
where class.relkind operator(pg_catalog.=) 'r'
