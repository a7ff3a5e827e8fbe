-- What the catalog says of a table, a short column and its index, when a search relies on them.
-- mrl._facts(table_id, full_column, short_column, index_name, dims, kind, distance) -> record
-- Called by: mrl._ordinary, mrl._found, mrl._check_short, templates/check_in_function.sql
create or replace function mrl._facts(
    table_id oid,
    full_column name,
    short_column name,
    index_name name,
    dims int,
    kind text,
    distance text
)
returns table (
    -- with its schema: a regclass leaves out that of a temporary table
    table_name text,
    row_type oid,
    -- partitions or children
    parts boolean,
    full_type text,
    full_dims int,
    -- pgvector's schema, with a dot
    extension text,
    -- any relation has the name of the index
    present boolean,
    index_id oid,
    -- with its schema, too
    index_text text,
    -- NULL where the table has no index of that name
    usable boolean,
    -- of the short column, for the distance
    fitting boolean,
    -- the short column is the prefix of the full one
    prefix boolean
)
language sql
stable
parallel safe
-- no row: the table has no such full column, and mrl._table says why
begin atomic
    -- the planner puts this into the caller's statement, and leaves out what that does not
    -- ask; functions that read caches of the server, where they do: a join costs more
    select
        pg_catalog.format(
            '%s.%I', class.relnamespace::pg_catalog.regnamespace, class.relname
        ),
        class.reltype,
        class.relhassubclass or class.relkind operator(pg_catalog.=) 'p',
        pg_catalog.format_type(whole.atttypid, whole.atttypmod),
        whole.atttypmod,
        home.extension,
        pg_catalog.to_regclass(
            pg_catalog.format(
                '%s.%I', class.relnamespace::pg_catalog.regnamespace, _facts.index_name
            )
        ) is not null,
        state.indexrelid,
        pg_catalog.format(
            '%s.%I', class.relnamespace::pg_catalog.regnamespace, _facts.index_name
        ),
        state.indisvalid and state.indisready,
        coalesce(
            state.indkey[0] operator(pg_catalog.=) short.attnum
            and state.indpred is null
            and (
                pg_catalog.pg_identify_object(
                    'pg_catalog.pg_opclass'::pg_catalog.regclass, state.indclass[0], 0
                )
            ).identity
                operator(pg_catalog.=) pg_catalog.concat(
                    home.extension,
                    mrl._operator_class(_facts.kind, _facts.distance),
                    ' USING hnsw'
                ),
            false
        ),
        mrl._is_prefix(
            pg_catalog.pg_get_expr(value.adbin, value.adrelid),
            pg_catalog.format_type(short.atttypid, short.atttypmod),
            _facts.full_column,
            _facts.dims,
            _facts.kind
        )
    from pg_catalog.pg_class as class
    join pg_catalog.pg_attribute as whole
        on whole.attrelid operator(pg_catalog.=) class.oid
        and whole.attname operator(pg_catalog.=) _facts.full_column
    cross join lateral (
        select coalesce(
            substring(
                pg_catalog.format_type(pg_catalog.pg_typeof(null::vector), null) from '^.*[.]'
            ),
            -- where types need no schema
            'pg_catalog.'
        )
    ) as home (extension)
    left join pg_catalog.pg_attribute as short
        on short.attrelid operator(pg_catalog.=) class.oid
        and short.attname operator(pg_catalog.=) _facts.short_column
    left join pg_catalog.pg_attrdef as value
        on value.adrelid operator(pg_catalog.=) class.oid
        and value.adnum operator(pg_catalog.=) short.attnum
        and short.attgenerated operator(pg_catalog.=) 's'
    left join pg_catalog.pg_index as state
        on state.indrelid operator(pg_catalog.=) class.oid
        and state.indexrelid operator(pg_catalog.=) pg_catalog.to_regclass(
            pg_catalog.format(
                '%s.%I', class.relnamespace::pg_catalog.regnamespace, _facts.index_name
            )
        )
    where class.oid operator(pg_catalog.=) _facts.table_id
        and class.relkind operator(pg_catalog.=) any ('{r,p}'::pg_catalog."char"[])
        and whole.atttypid operator(pg_catalog.=) any (
            array[
                pg_catalog.pg_typeof(null::vector)::pg_catalog.oid,
                pg_catalog.pg_typeof(null::halfvec)::pg_catalog.oid
            ]
        )
        and whole.atttypmod operator(pg_catalog.>) 0;
end;

comment on function mrl._facts(oid, name, name, name, int, text, text) is
'Internal. What the catalog says of a table, a short column and its index.';
