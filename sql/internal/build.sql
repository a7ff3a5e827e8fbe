-- The statements that build a short column and its index. Python, SQL and Alembic run them.

-- Whether a short column and its index exist; raises if another object has one of the names.
-- Called by: mrl._create_steps
create or replace function mrl._index_state(
    table_id oid,
    full_column name,
    short_column name,
    index_name name,
    slots jsonb,
    out has_column boolean,
    -- NULL if there is no index of that name
    out usable boolean
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    existing record;
begin
    select * into existing from mrl._column(table_id, short_column);
    has_column := found and slots ->> 'kept_as' <> 'expression';
    if has_column and not mrl._is_short_column(
        existing.expression,
        existing.type,
        full_column,
        (slots ->> 'dims')::int,
        slots ->> 'kind'
    ) then
        raise exception 'column %.% is not the %(%) prefix of %',
            slots ->> 'table',
            slots ->> 'short',
            slots ->> 'kind',
            slots ->> 'dims',
            slots ->> 'full'
            using errcode = 'duplicate_column',
                detail = format(
                    'the column is %s %s',
                    existing.type,
                    coalesce(existing.expression, 'not generated')
                ),
                hint = 'drop the column, or choose another name with short_column';
    end if;
    select
        state.indisvalid and state.indisready as usable,
        pg_get_indexdef(state.indexrelid) as definition,
        state.indrelid = _index_state.table_id
            and state.indpred is null
            and operator_class.opcname = slots ->> 'operator_class'
            and case slots ->> 'kept_as'
                when 'expression' then mrl._is_short_index(
                    pg_get_indexdef(state.indexrelid, 1, false),
                    full_column,
                    (slots ->> 'dims')::int,
                    slots ->> 'kind'
                )
                else pg_get_indexdef(state.indexrelid, 1, false) = slots ->> 'short'
            end
            and class.reloptions @> array[
                'm=' || (slots ->> 'm'), 'ef_construction=' || (slots ->> 'ef_construction')
            ] as same
    into existing
    from pg_class as class
    left join pg_index as state on state.indexrelid = class.oid
    left join pg_opclass as operator_class on operator_class.oid = state.indclass[0]
    where class.relname = _index_state.index_name
        and class.relnamespace = (
            select home.relnamespace from pg_class as home where home.oid = _index_state.table_id
        );
    if found and existing.same is not true then
        raise exception '% exists and is something else: %',
            quote_ident(index_name), coalesce(existing.definition, 'not an index')
            using errcode = 'duplicate_object',
                hint = 'drop the existing object, or choose another name with index_name';
    end if;
    usable := existing.usable;
end
$body$;

-- The vector indexes of a table with their sizes, as text; NULL if the table has none.
-- Called by: mrl._choose_keep
create or replace function mrl._vector_indexes(table_id oid)
returns text
language sql
stable
parallel safe
begin atomic
    select pg_catalog.string_agg(
        pg_catalog.format(
            '%s (%s)',
            class.oid::pg_catalog.regclass,
            pg_catalog.pg_size_pretty(
                pg_catalog.pg_relation_size(class.oid::pg_catalog.regclass)
            )
        ),
        ', '
        order by class.relname
    )
    from mrl._tree(_vector_indexes.table_id) as tree
    join pg_catalog.pg_index as state on state.indrelid operator(pg_catalog.=) tree.relid
    join pg_catalog.pg_class as class on class.oid operator(pg_catalog.=) state.indexrelid
    join pg_catalog.pg_am as method on method.oid operator(pg_catalog.=) class.relam
    where method.amname operator(pg_catalog.=) any ('{hnsw,ivfflat}'::pg_catalog.name[])
        and class.relkind operator(pg_catalog.=) 'i';
end;

-- Whether all vector indexes of a table are on its short columns, as the registry has them.
-- Called by: client/build.sql
create or replace function mrl._only_short(table_id oid)
returns boolean
language sql
stable
parallel safe
return not exists (
    select
    from mrl._tree(_only_short.table_id) as tree
    join pg_catalog.pg_index as state on state.indrelid operator(pg_catalog.=) tree.relid
    join pg_catalog.pg_class as class on class.oid operator(pg_catalog.=) state.indexrelid
    join pg_catalog.pg_am as method on method.oid operator(pg_catalog.=) class.relam
    where method.amname operator(pg_catalog.=) any ('{hnsw,ivfflat}'::pg_catalog.name[])
        and class.relkind operator(pg_catalog.=) 'i'
        and not exists (
            select
            from mrl.registry as known
            join pg_catalog.pg_index as own
                on own.indrelid operator(pg_catalog.=) known.table_id::pg_catalog.oid
            join pg_catalog.pg_class as named
                on named.oid operator(pg_catalog.=) own.indexrelid
                and named.relname operator(pg_catalog.=) known.index_name
            where known.table_id::pg_catalog.oid operator(pg_catalog.=) _only_short.table_id
                -- itself, or the index of the partitioned table that it is a part of
                and own.indexrelid operator(pg_catalog.=) coalesce(
                    pg_catalog.pg_partition_root(state.indexrelid::pg_catalog.regclass),
                    state.indexrelid::pg_catalog.regclass
                )::pg_catalog.oid
        )
);

-- How the short values of a table are to be kept, and why, in words.
-- Called by: mrl._create_steps
create or replace function mrl._choose_keep(
    table_id oid,
    full_column name,
    short_column name,
    index_name name,
    keep text,
    rebuild boolean,
    concurrent boolean,
    slots jsonb,
    out kept_as text,
    out why text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    vector_indexes text := mrl._vector_indexes(table_id);
    -- by its files: a query would hold a lock, and two builds would wait for each other
    filled boolean;
    bytes bigint;
    existing record;
begin
    select
        coalesce(max(pg_relation_size(tree.relid::regclass)) > 0, false),
        coalesce(sum(pg_table_size(tree.relid::regclass)), 0)
    into filled, bytes
    from mrl._tree(table_id) as tree;
    if keep not in ('generated', 'expression', 'trigger') then
        raise exception 'keep % is unknown: choose generated, expression or trigger',
            quote_literal(keep)
            using errcode = 'invalid_parameter_value';
    end if;
    select * into existing from mrl._column(table_id, short_column);
    if found and keep is distinct from 'expression' then
        kept_as := coalesce(existing.kept_as, keep, 'generated');
        why := 'the column is there';
        if kept_as <> keep then
            raise exception 'column %.% exists, and is kept as %, not as %',
                slots ->> 'table', quote_ident(short_column), kept_as, keep
                using errcode = 'duplicate_column',
                    hint = 'drop its index first, or choose another name with short_column';
        end if;
        return;
    end if;
    if mrl._is_spread(table_id) then
        if keep <> 'expression' then
            perform mrl._refuse_spread(
                table_id,
                format(
                    'keep => %L would change every shard under a lock, or need a trigger there, '
                    'which Citus does not allow: take keep => ''expression'', or add the column '
                    'before you distribute the table',
                    keep
                )
            );
        end if;
        kept_as := 'expression';
        why := 'Citus builds the index on each shard, and needs no function of mrl there';
        return;
    end if;
    if keep = 'trigger' then
        kept_as := 'trigger';
        why := 'as you asked';
        return;
    end if;
    if keep = 'expression' or keep is null and (
        exists (
            select
            from pg_index as state
            join pg_class as class on class.oid = state.indexrelid
            where state.indrelid = table_id
                and class.relname = _choose_keep.index_name
                and mrl._is_short_index(
                    pg_get_indexdef(state.indexrelid, 1, false),
                    full_column,
                    (slots ->> 'dims')::int,
                    slots ->> 'kind'
                )
        )
        or filled and vector_indexes is not null
    ) then
        kept_as := 'expression';
        why := case
            when keep is null and vector_indexes is not null
            then 'a column would rebuild the vector indexes ' || vector_indexes
            else 'as you asked'
        end;
        return;
    end if;
    -- in one transaction, which locks the table anyway, a rewrite is faster
    if keep is null and concurrent and bytes > 16 * 1024 * 1024 and mrl._may_keep(table_id) then
        kept_as := 'trigger';
        why := format(
            'a generated column would rewrite the %s of the table, and nobody could read or '
            'write it meanwhile',
            pg_size_pretty(bytes)
        );
        return;
    end if;
    kept_as := 'generated';
    why := case when keep is not null then 'as you asked'
        when filled then 'the table has no vector index'
        else 'the table is empty'
    end;
    if filled and vector_indexes is not null and rebuild is not true then
        raise exception 'a generated column rewrites table % and rebuilds its vector indexes %',
            slots ->> 'table', vector_indexes
            using errcode = 'object_not_in_prerequisite_state',
                detail = 'Nobody can read or write the table meanwhile.',
                hint = 'use keep => ''expression'', or allow it with rebuild => true';
    end if;
end
$body$;

-- The statements that are still needed for a short column and its index, one per row.
-- Called by: mrl.create_index, mrl.create_index_sql, client/build.sql
create or replace function mrl._create_steps(
    table_name regclass,
    full_column name,
    dims int,
    kind text,
    distance text,
    m int,
    ef_construction int,
    short_column name,
    index_name name,
    concurrent boolean,
    keep text,
    rebuild boolean
)
returns table (
    -- the name of the step in reports; NULL if reports leave the step out
    step text,
    statement text,
    -- how short values are kept, and why, in words
    kept_as text,
    why text,
    -- ddl: needs a lock for a moment; concurrently: runs in no transaction; fill: writes the
    -- values in batches; check: reads every row; verify: searches; register
    how text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    slots jsonb := mrl._table(table_name, full_column);
    names record;
    partitioned boolean := (
        select class.relkind = 'p' from pg_class as class where class.oid = table_name
    );
    existing record;
    chosen record;
    registered boolean;
    by_parts boolean;
begin
    perform mrl._check_layout(dims, kind, distance, m, ef_construction);
    perform mrl._refuse_rotated_bits(table_name, full_column, kind);
    names := mrl._names(slots ->> 'table_name', full_column, dims, kind, distance);
    if dims > (slots ->> 'full_dims')::int then
        raise exception 'dims % is above the % dimensions of %.%',
            dims, slots ->> 'full_dims', slots ->> 'table', slots ->> 'full'
            using errcode = 'invalid_parameter_value',
                hint = 'a prefix can be at most as long as its vector';
    elsif not exists (
        select
        from pg_index as state
        where state.indrelid = table_name
            and state.indisprimary
    ) then
        raise exception 'table % has no primary key, by which answers name rows',
            slots ->> 'table'
            using errcode = 'undefined_object',
                hint = format(
                    'alter table %s add column id bigint generated always as identity '
                    'primary key',
                    slots ->> 'table'
                );
    end if;
    -- an empty name means the default name, as in mrl_pg.layout
    short_column := coalesce(nullif(short_column, ''), names.short_column);
    index_name := coalesce(nullif(index_name, ''), names.index_name);
    if short_column = full_column then
        raise exception 'short_column % is the full column itself', quote_ident(short_column)
            using errcode = 'invalid_parameter_value',
                hint = 'choose another name with short_column';
    end if;
    chosen := mrl._choose_keep(
        table_name,
        full_column,
        short_column,
        index_name,
        keep,
        rebuild,
        concurrent,
        slots || jsonb_build_object('dims', dims, 'kind', kind)
    );
    kept_as := chosen.kept_as;
    why := chosen.why;
    slots := slots || jsonb_build_object(
        'dims', dims,
        'kind', kind,
        'kept_as', kept_as,
        'short', mrl._short_name(
            short_column, full_column, dims, kind, kept_as, slots ->> 'extension'
        ),
        'operator_class', mrl._operator_class(kind, distance),
        'm', m,
        'ef_construction', ef_construction,
        'concurrently', case when concurrent then ' concurrently' else '' end
    );
    slots := slots || jsonb_build_object(
        'value', mrl._short_of(slots ->> 'full', slots),
        'type', mrl._short_type(kind, dims, slots ->> 'extension')
    );
    existing := mrl._index_state(table_name, full_column, short_column, index_name, slots);
    if not existing.has_column and kept_as = 'trigger' then
        -- refuses what cannot be done before anything is done
        perform mrl._check_keeper(table_name, short_column);
        how := 'ddl';
        step := 'added column ' || short_column || ' and its trigger';
        statement := format(
            'select mrl._add_kept_column(%L, %L, %L, %s, %L)',
            table_name, full_column, short_column, dims, kind
        );
        return next;
    elsif not existing.has_column and kept_as <> 'expression' then
        how := 'rewrite';
        step := 'added column ' || short_column;
        statement := mrl._render(
            mrl._add_short_column(), slots || '{"if_not_exists": ""}'
        );
        return next;
    end if;
    -- apart, because without an index the query need not even be planned
    if existing.usable then
        registered := exists (
            select
            from mrl.registry as registry
            where registry.table_id = table_name
                and registry.index_name = _create_steps.index_name
                and registry.kept_as = chosen.kept_as
        );
    end if;
    if kept_as = 'trigger' and registered is not true then
        how := 'fill';
        step := 'filled column ' || short_column;
        statement := case
            when concurrent then format(
                'call mrl.fill_short_column(%L, %L, %L)', table_name, full_column, short_column
            )
            else mrl._render(mrl._fill_at_once(), slots)
        end;
        return next;
    end if;
    how := case when concurrent then 'concurrently' else 'ddl' end;
    -- an index of a partitioned table is not dropped, because its parts would go with it
    by_parts := partitioned and (concurrent or existing.usable is false);
    if by_parts and existing.usable is not true then
        for step, statement, how in
            select planned.step, planned.statement, planned.how
            from mrl._partition_steps(table_name, index_name, slots) as planned
        loop
            return next;
        end loop;
    elsif existing.usable is false then
        step := 'dropped the invalid index of that name';
        statement := mrl._render(
            mrl._drop_index(),
            slots || jsonb_build_object(
                'index', format('%I.%I', slots ->> 'schema_name', index_name)
            )
        );
        return next;
    end if;
    if existing.usable is not true and not by_parts then
        step := 'built index ' || index_name;
        statement := mrl._render(
            mrl._create_index(),
            slots || jsonb_build_object('index', quote_ident(index_name))
        );
        return next;
    end if;
    if kept_as = 'trigger' and registered is not true then
        how := 'check';
        step := 'checked every short value';
        statement := format(
            'select mrl._check_values(%L, %L, %L)', table_name, full_column, short_column
        );
        return next;
    end if;
    step := null;
    -- the check of the graph looks at places of rows, which say nothing about shards
    if concurrent and registered is not true and not mrl._is_spread(table_name) then
        how := 'verify';
        statement := mrl._graph_step(
            table_name, full_column, short_column, index_name, dims, kind, distance, kept_as
        );
        return next;
    end if;
    how := 'register';
    statement := format(
        'select mrl.register(%L, %L, %L, %L, %s, %L, %L, kept_as => %L)',
        table_name, full_column, short_column, index_name, dims, kind, distance, kept_as
    );
    return next;
end
$body$;

-- Warns of a short column that the first rows speak against; returns the name of the index.
-- Called by: mrl.create_index
create or replace function mrl._created(
    table_name regclass,
    full_column name,
    dims int,
    kind text,
    distance text,
    index_name name
)
returns name
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    slots jsonb := mrl._table(table_name, full_column)
        || jsonb_build_object('dims', dims, 'kind', kind);
    sample record;
    -- seven signs are the fewest that can tell a hundred rows apart
    signs boolean := mrl._kind(kind, 'stored') = 'bits' and dims >= 7;
begin
    execute mrl._render(
        mrl._row_sample(),
        slots || jsonb_build_object('short', mrl._short_of('sample."full"', slots))
    ) into sample;
    if distance <> 'cosine' and sample.off > 0 then
        raise warning '% of the first % vectors are not of length 1: under distance %',
            sample.off, sample.rows, distance
            using detail = 'Short vectors have length 1, so the first pass ranks rows by '
                    'direction only.',
                hint = 'use distance => ''cosine'', unless length matters in your data';
    end if;
    -- fewer than ten distinct vectors say nothing
    if sample.full_values >= 10 and 2 * sample.short_values < sample.full_values then
        raise warning 'the first % vectors have % short values of kind %(%): a first pass '
            'cannot tell their rows apart',
            sample.rows, sample.short_values, kind, dims
            using detail = case when signs
                    then 'Bits keep only signs. Nearly all signs are the same here, as in image '
                        'features and unsigned integers.'
                    else 'The prefix has too few dimensions.'
                end,
                hint = case when signs then 'use kind => ''halfvec''' else 'use more dims' end;
    end if;
    return coalesce(
        nullif(index_name, ''),
        (
            mrl._names(slots ->> 'table_name', full_column, dims, kind, distance)
        ).index_name
    );
end
$body$;
