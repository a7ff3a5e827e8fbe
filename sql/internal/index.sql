-- Facts of a short column and its index; raises if they can't be used.

-- What the catalog says about a table, a short column and its index, for a search.
-- Called by: mrl._ordinary, mrl._found, mrl._check_short, templates/check_in_function.sql
create or replace function mrl._facts(
    table_id oid,
    full_column name,
    short_column name,
    index_name name,
    dims int,
    kind text,
    distance text,
    kept_as text
)
returns table (
    -- with its schema, because a regclass leaves out the schema of a temporary table
    table_name text,
    row_type oid,
    -- partitions or children
    parts boolean,
    full_type text,
    full_dims int,
    -- pgvector's schema, with a dot
    extension text,
    index_id oid,
    -- with its schema, too
    index_text text,
    -- NULL if the table has no index of that name
    usable boolean,
    -- whether the index is on the short column, or on an expression, and for the distance
    fitting boolean,
    -- whether the short column, or the index's expression, is the prefix of the full column
    prefix boolean
)
language sql
stable
parallel safe
-- no row if the table has no such full column; mrl._table then raises the reason
begin atomic
    -- The planner inlines this into the caller's statement, and leaves out columns that the
    -- caller does not use. Functions that read the server's caches replace joins, because
    -- joins take longer.
    select
        pg_catalog.format(
            '%s.%I', class.relnamespace::pg_catalog.regnamespace, class.relname
        ),
        class.reltype,
        class.relhassubclass or class.relkind operator(pg_catalog.=) 'p',
        pg_catalog.format_type(whole.atttypid, whole.atttypmod),
        whole.atttypmod,
        home.extension,
        state.indexrelid,
        pg_catalog.format(
            '%s.%I', class.relnamespace::pg_catalog.regnamespace, _facts.index_name
        ),
        state.indisvalid and state.indisready,
        coalesce(
            state.indkey[0] operator(pg_catalog.=) case
                when _facts.kept_as operator(pg_catalog.=) 'expression' then 0::pg_catalog.int2
                else short.attnum
            end
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
        case
            when _facts.kept_as operator(pg_catalog.=) any (
                '{expression,trigger}'::pg_catalog.text[]
            )
            then mrl._is_kept_prefix(
                class.oid,
                class.relnamespace::pg_catalog.regnamespace,
                _facts.full_column,
                _facts.short_column,
                pg_catalog.format_type(short.atttypid, short.atttypmod),
                _facts.index_name,
                _facts.dims,
                _facts.kind,
                _facts.kept_as
            )
            else mrl._is_short_column(
                pg_catalog.pg_get_expr(value.adbin, value.adrelid),
                pg_catalog.format_type(short.atttypid, short.atttypmod),
                _facts.full_column,
                _facts.dims,
                _facts.kind
            )
        end
    from pg_catalog.pg_class as class
    join pg_catalog.pg_attribute as whole
        on whole.attrelid operator(pg_catalog.=) class.oid
        and whole.attname operator(pg_catalog.=) _facts.full_column
    cross join lateral (
        select case
            -- types without a schema are in pg_catalog
            when pg_catalog.pg_type_is_visible(pg_catalog.pg_typeof(null::vector)::pg_catalog.oid)
            then 'pg_catalog.'
            -- a regular expression takes longer
            else pg_catalog.left(
                pg_catalog.format_type(pg_catalog.pg_typeof(null::vector), null), -6
            )
        end
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

-- Raises if the catalog shows that a short column or its index can't be used.
-- Called by: mrl.register, mrl._found
create or replace function mrl._check_short(
    table_id oid,
    full_column name,
    short_column name,
    index_name name,
    dims int,
    kind text,
    distance text,
    kept_as text
)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    facts record;
    slots jsonb;
begin
    select *
    into facts
    from mrl._facts(
        table_id, full_column, short_column, index_name, dims, kind, distance, kept_as
    );
    if facts.usable and facts.fitting and facts.prefix then
        return;
    end if;
    -- raises if something is wrong with the table or its full column
    slots := mrl._table(table_id, full_column);
    if facts.usable is not true then
        raise exception 'index % of % %',
            quote_ident(index_name),
            slots ->> 'table',
            case when facts.usable is null then 'does not exist' else 'is not valid' end
            using errcode = 'undefined_object',
                hint = 'run the statements of mrl.create_index_sql(…), or mrl.create_index(…)';
    elsif not facts.fitting then
        raise exception 'index % of % is not an index of % for distance %',
            quote_ident(index_name),
            slots ->> 'table',
            case kept_as
                when 'expression' then format('an expression of %I', full_column)
                else quote_ident(short_column)
            end,
            distance
            using errcode = 'object_not_in_prerequisite_state',
                detail = 'the index is ' || pg_get_indexdef(facts.index_id),
                hint = 'name the kind and distance that the index was made with';
    elsif not facts.prefix and kept_as = 'expression' then
        raise exception 'index % of % is not on the %(%) prefix of %',
            quote_ident(index_name), slots ->> 'table', kind, dims, quote_ident(full_column)
            using errcode = 'object_not_in_prerequisite_state',
                detail = 'the index is ' || pg_get_indexdef(facts.index_id),
                hint = 'was a column renamed? drop the index and create it again';
    elsif not facts.prefix then
        raise exception 'column %.% is not the %(%) prefix of %',
            slots ->> 'table',
            quote_ident(short_column),
            kind,
            dims,
            quote_ident(full_column)
            using errcode = 'object_not_in_prerequisite_state',
                detail = 'the column is ' || coalesce(
                    (select expression from mrl._column(table_id, short_column)),
                    case kept_as
                        when 'trigger' then format(
                            'not kept by an enabled trigger %I',
                            mrl._trigger_name(short_column)
                        )
                        else 'not generated'
                    end
                ),
                hint = 'if a column was renamed, drop the index and create a new index';
    end if;
end
$body$;

-- The index for a search that names a short column which is not there; NULL if there is none.
-- Called by: mrl._found
create or replace function mrl._fallback(
    table_id oid,
    full_column name,
    dims int,
    kind text
)
-- the name in the registry
returns name
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    if kind <> all (array['vector', 'halfvec', 'bit'])
        or dims not between 1 and (mrl._table(table_id, full_column) ->> 'full_dims')::int
    then
        -- there can be no such short column
        return null;
    end if;
    return (
        select first_usable.index_name
        from (
            select
                registered.*,
                first_value(registered.distance) over in_order as distance_in_use,
                row_number() over in_order as place
            from mrl._registered(table_id) as registered
            where coalesce(registered.full_now, registered.full_column) = _fallback.full_column
            -- the same order as in mrl._found
            window in_order as (
                order by
                    registered.chosen_at desc nulls last,
                    registered.created_at,
                    registered.index_name
            )
        ) as first_usable
        where first_usable.usable
            and first_usable.distance = first_usable.distance_in_use
        order by first_usable.place
        limit 1
    );
end
$body$;

-- Slots of a search by an index, from its facts and how the registry describes it.
-- Called by: mrl._found, mrl._of_tenant
create or replace function mrl._search_slots(
    full_column name,
    -- a row of mrl._facts with dims, kind, distance, kept_as, short_column and index_name
    known record
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    return mrl._places(known.parts) || jsonb_build_object(
        'table', known.table_name,
        'parts', known.parts,
        'full', quote_ident(full_column),
        'full_dims', known.full_dims,
        'type', known.full_type,
        'extension', known.extension,
        'dims', known.dims,
        'kind', known.kind,
        'operator', mrl._operator(known.distance),
        'distance', known.distance,
        'short', mrl._short_name(
            known.short_column,
            full_column,
            known.dims,
            known.kind,
            known.kept_as,
            known.extension
        ),
        'kept_as', known.kept_as,
        'short_column', known.short_column,
        'short_operator', mrl._short_operator(known.kind, mrl._operator(known.distance)),
        'bits', mrl._kind(known.kind, 'bits'),
        'index', quote_literal(known.index_text),
        'index_name', known.index_name
    );
end
$body$;

-- Slots of the short column that a search will use: found in the registry, checked on the catalog.
-- Called by: mrl._plan, mrl._full, mrl._plan_recall, mrl.search_sql, mrl.create_search_function
create or replace function mrl._found(
    table_id oid,
    full_column name,
    dims int,
    kind text,
    index_name name,
    -- whether another short column may stand in for one of these dims and kind
    falls_back boolean default false,
    -- whether to say so
    warns boolean default true
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    known record;
    renamed record;
    slots jsonb;
    present text;
    other name;
begin
    -- one cheap statement per search
    select
        registry.*,
        facts.*,
        facts.usable and facts.fitting and facts.prefix as sound
    into known
    from (
        select
            registry.full_column,
            registry.short_column,
            registry.index_name,
            registry.dims,
            registry.kind,
            registry.distance,
            registry.kept_as
        from mrl.registry as registry
        where registry.table_id = _found.table_id::regclass
            and registry.full_column = _found.full_column
            and (_found.dims is null or registry.dims = _found.dims)
            and (_found.kind is null or registry.kind = _found.kind)
            and (_found.index_name is null or registry.index_name = _found.index_name)
        -- the oldest, so that a short column added later changes no search that names none,
        -- until mrl.switch_index chooses it
        order by registry.chosen_at desc nulls last, registry.created_at, registry.index_name
        limit 1
    ) as registry
    left join lateral mrl._facts(
        _found.table_id,
        registry.full_column,
        registry.short_column,
        registry.index_name,
        registry.dims,
        registry.kind,
        registry.distance,
        registry.kept_as
    ) as facts on true;
    if known.sound is not true then
        -- perhaps the index or a column has another name by now
        select
            now.index_name,
            now.dims,
            now.kind,
            now.distance,
            now.kept_as,
            now.short_now as short_column,
            facts.*,
            true as sound
        into renamed
        from (
            select registered.*
            from mrl._registered(table_id) as registered
            where coalesce(registered.full_now, registered.full_column) = _found.full_column
                and (_found.dims is null or registered.dims = _found.dims)
                and (_found.kind is null or registered.kind = _found.kind)
                and (
                    _found.index_name is null
                    or _found.index_name in (registered.index_name, registered.index_now)
                )
            order by
                registered.chosen_at desc nulls last,
                registered.created_at,
                registered.index_name
            limit 1
        ) as now
        cross join lateral mrl._facts(
            _found.table_id,
            _found.full_column,
            now.short_now,
            coalesce(now.index_now, now.index_name),
            now.dims,
            now.kind,
            now.distance,
            now.kept_as
        ) as facts
        where facts.usable
            and facts.fitting
            and facts.prefix;
        if found then
            known := renamed;
        end if;
    end if;
    if known.sound is not true
        -- not there, or no longer, or not yet
        and known.usable is not true
        and falls_back
        and index_name is null
        and num_nonnulls(dims, kind) > 0
    then
        other := mrl._fallback(table_id, full_column, dims, kind);
    end if;
    if other is not null then
        if warns then
            slots := mrl._table(table_id, full_column);
            raise warning 'column %.% has no usable short column of %, so the search uses index %',
                slots ->> 'table',
                slots ->> 'full',
                concat_ws(', ', dims || ' dims', 'kind ' || kind),
                quote_ident(other)
                using hint = 'see mrl.indexes; to use this one without a warning, name neither '
                    'dims nor kind';
        end if;
        return mrl._found(table_id, full_column, null, null, other);
    end if;
    if known.dims is null then
        slots := mrl._table(table_id, full_column);
        select string_agg(
            format('%s(%s)', registry.kind, registry.dims), ', ' order by registry.dims
        )
        into present
        from mrl.registry as registry
        where registry.table_id = _found.table_id::regclass
            and registry.full_column = _found.full_column;
        raise exception 'column %.% has no short column%',
            slots ->> 'table',
            slots ->> 'full',
            case when coalesce(dims::text, kind, index_name) is not null
                then ' of ' || concat_ws(
                    ', ', dims || ' dims', 'kind ' || kind, 'index ' || index_name
                )
                else ''
            end
            using errcode = 'undefined_object',
                hint = case
                    when present is not null then 'there are: ' || present
                    else format(
                        'select mrl.create_index(%L, %L, dims => %s), or exact => true',
                        slots ->> 'table',
                        full_column,
                        least(256, (slots ->> 'full_dims')::int)
                    )
                end;
    end if;
    if known.sound is not true then
        perform mrl._check_short(
            table_id,
            full_column,
            known.short_column,
            known.index_name,
            known.dims,
            known.kind,
            known.distance,
            known.kept_as
        );
        -- another session repaired the index between the two checks
        return mrl._found(table_id, full_column, dims, kind, index_name);
    end if;
    return mrl._search_slots(full_column, known);
end
$body$;

-- The values of m and ef_construction that an index was built with.
-- Called by: mrl._keep_calibration, mrl._promised
create or replace function mrl._built(
    table_id oid, index_name name, out m int, out ef_construction int
)
language sql
stable
parallel safe
begin atomic
    select
        -- pgvector's defaults if the index names no value
        coalesce(
            pg_catalog.max(option.option_value) filter (
                where option.option_name operator(pg_catalog.=) 'm'
            ),
            '16'
        )::int,
        coalesce(
            pg_catalog.max(option.option_value) filter (
                where option.option_name operator(pg_catalog.=) 'ef_construction'
            ),
            '64'
        )::int
    from pg_catalog.pg_index as state
    join pg_catalog.pg_class as class on class.oid operator(pg_catalog.=) state.indexrelid
    left join lateral pg_catalog.pg_options_to_table(class.reloptions) as option on true
    where state.indrelid operator(pg_catalog.=) _built.table_id
        and class.relname operator(pg_catalog.=) _built.index_name;
end;

-- The name of the index of a short column in the registry; else the name that was given.
-- Called by: client/search.sql
create or replace function mrl._index_of(
    table_id oid, index_name name, short_column name, distance text
)
returns name
language sql
stable
parallel safe
begin atomic
    select coalesce(
        (
            select registry.index_name
            from mrl.registry as registry
            where registry.table_id
                    operator(pg_catalog.=) _index_of.table_id::pg_catalog.regclass
                and registry.distance operator(pg_catalog.=) _index_of.distance
                and (
                    registry.short_column operator(pg_catalog.=) _index_of.short_column
                    -- or the short column of the index has this name by now
                    or exists (
                        select
                        from pg_catalog.pg_index as state
                        join pg_catalog.pg_class as class
                            on class.oid operator(pg_catalog.=) state.indexrelid
                        join pg_catalog.pg_attribute as attribute
                            on attribute.attrelid operator(pg_catalog.=) state.indrelid
                            and attribute.attnum operator(pg_catalog.=) state.indkey[0]
                        where state.indrelid operator(pg_catalog.=) _index_of.table_id
                            and class.relname operator(pg_catalog.=) registry.index_name
                            and attribute.attname operator(pg_catalog.=) _index_of.short_column
                    )
                )
            order by
                registry.index_name operator(pg_catalog.=) _index_of.index_name desc,
                registry.chosen_at desc nulls last,
                registry.created_at,
                registry.index_name
            limit 1
        ),
        _index_of.index_name
    );
end;
