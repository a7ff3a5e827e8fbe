-- Facts of a table, its key and its full column; raises if they can't be used.

-- How passes identify a row: by its ctid, which is stable in one statement, not by its key.
-- Called by: mrl._table, mrl.search_sql, mrl.create_search_function
create or replace function mrl._places(parts boolean)
returns jsonb
language sql
immutable
parallel safe
-- a ctid is unique in one table only, so with partitions or children the table is named, too
return case when parts
    then '{
        "names": "mrl_part, mrl_place",
        "columns": "tableoid, ctid",
        "within": "",
        "pass_names": "mrl_pass.mrl_part, mrl_pass.mrl_place",
        "same_row": "mrl_row.ctid operator(pg_catalog.=) mrl_pass.mrl_place\n    and mrl_row.tableoid operator(pg_catalog.=) mrl_pass.mrl_part"
    }'::pg_catalog.jsonb
    else '{
        "names": "mrl_place",
        "columns": "ctid",
        "within": "",
        "pass_names": "mrl_pass.mrl_place",
        "same_row": "mrl_row.ctid operator(pg_catalog.=) mrl_pass.mrl_place"
    }'::pg_catalog.jsonb
end;

-- The columns of a table's primary key, in the order of the key.
-- Called by: mrl._key, mrl._word_slots, mrl.search_sql
create or replace function mrl._keys_of(table_id oid)
returns name[]
language sql
stable
parallel safe
return array(
    select attribute.attname
    from pg_catalog.pg_index as state
    cross join pg_catalog.unnest(state.indkey) with ordinality as part (number, place)
    join pg_catalog.pg_attribute as attribute
        on attribute.attrelid operator(pg_catalog.=) state.indrelid
        and attribute.attnum operator(pg_catalog.=) part.number
    where state.indrelid operator(pg_catalog.=) table_id
        and state.indisprimary
        and part.place operator(pg_catalog.<=) state.indnkeyatts
    order by part.place
);

-- The primary key of a row as one expression of a given type.
-- Called by: mrl._plan
create or replace function mrl._key(table_id oid, type regtype)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    keys name[] := mrl._keys_of(table_id);
begin
    if cardinality(keys) = 0 then
        raise exception 'table % has no primary key', table_id::regclass
            using errcode = 'undefined_object',
                hint = 'add a primary key, or get whole rows from mrl.search';
    elsif cardinality(keys) = 1 then
        -- with its schema, because the statement runs under the caller's search path
        return format(
            'mrl_row.%I::%s',
            keys[1],
            (
                select format('%s.%I', kind.typnamespace::regnamespace, kind.typname)
                from pg_type as kind
                where kind.oid = type
            )
        );
    elsif type <> 'jsonb'::regtype then
        raise exception 'the key of table % has % columns',
            table_id::regclass, cardinality(keys)
            using errcode = 'datatype_mismatch',
                hint = 'get the key as JSON: mrl.search_keys(null::jsonb, …)';
    end if;
    return format(
        'pg_catalog.jsonb_build_object(%s)',
        (select string_agg(format('%L, mrl_row.%I', key, key), ', ') from unnest(keys) as key)
    );
end
$body$;

-- Slots of a table and its full column; raises if mrl_pg can't use them.
-- Called by: mrl._check_short, mrl._full, mrl._found, mrl._create_steps, mrl.create_index
create or replace function mrl._table(table_id oid, full_column name)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    facts record;
    present text;
begin
    select
        class.oid,
        class.relkind,
        class.relname,
        class.relhassubclass or class.relkind = 'p' as parts,
        space.nspname,
        format('%I.%I', space.nspname, class.relname) as name,
        attribute.attnum,
        attribute.atttypmod,
        type.typname,
        format_type(attribute.atttypid, attribute.atttypmod) as declared,
        home.nspname as extension
    into facts
    from pg_class as class
    join pg_namespace as space on space.oid = class.relnamespace
    left join pg_attribute as attribute
        on attribute.attrelid = class.oid
        and attribute.attname = _table.full_column
        and attribute.attnum > 0
        and not attribute.attisdropped
    left join pg_type as type on type.oid = attribute.atttypid
    left join pg_extension as extension
        on extension.extname = 'vector'
        and extension.extnamespace = type.typnamespace
    left join pg_namespace as home on home.oid = extension.extnamespace
    where class.oid = _table.table_id;
    if facts is null or facts.oid is null then
        raise exception 'there is no table with OID %', coalesce(table_id::text, 'NULL')
            using errcode = 'undefined_table',
                hint = 'name the table, as in mrl.search(null::docs, …)';
    elsif facts.relkind not in ('r', 'p') then
        raise exception '% is a %', facts.name, case facts.relkind
                when 'v' then 'view'
                when 'm' then 'materialized view'
                when 'f' then 'foreign table'
                when 'c' then 'composite type'
                else format('relation of kind %s', facts.relkind)
            end
            using errcode = 'wrong_object_type',
                hint = 'name the table that holds the vectors';
    elsif facts.attnum is null then
        select string_agg(quote_ident(attribute.attname), ', ' order by attribute.attnum)
        into present
        from pg_attribute as attribute
        where attribute.attrelid = _table.table_id
            and attribute.attnum > 0
            and not attribute.attisdropped;
        raise exception 'column %.% does not exist', facts.name, quote_ident(full_column)
            using errcode = 'undefined_column', hint = 'there are: ' || present;
    elsif facts.extension is null or facts.typname not in ('vector', 'halfvec') then
        raise exception 'column %.% is of type %',
            facts.name, quote_ident(full_column), facts.declared
            using errcode = 'datatype_mismatch',
                hint = 'the full column must be vector(n) or halfvec(n)';
    elsif facts.atttypmod < 1 then
        raise exception 'column %.% declares no dimensions, so its rows may differ',
            facts.name, quote_ident(full_column)
            using errcode = 'datatype_mismatch',
                hint = format(
                    'alter table %s alter column %I type %s(n)',
                    facts.name, full_column, facts.declared
                );
    end if;
    return jsonb_build_object(
        'table_name', facts.relname,
        'schema_name', facts.nspname,
        'table', facts.name,
        'full', quote_ident(full_column),
        'full_dims', facts.atttypmod,
        'type', format('%I.%I(%s)', facts.extension, facts.typname, facts.atttypmod),
        'norm', case facts.typname when 'vector' then 'vector_norm' else 'l2_norm' end,
        'extension', format('%I.', facts.extension),
        'parts', facts.parts
    ) || mrl._places(facts.parts);
end
$body$;

-- The table whose rows are of a type.
-- Called by: mrl.search, mrl.search_many, mrl.hybrid
create or replace function mrl._table_of(type regtype)
returns oid
language plpgsql
stable
as $body$
declare
    -- not by the type's name, which may mean another table, because tables of pg_temp come first
    table_id pg_catalog.oid := (
        select kind.typrelid
        from pg_catalog.pg_type as kind
        where kind.oid operator(pg_catalog.=) type::pg_catalog.oid
    );
begin
    -- a row type has a relation; mrl._table checks that the relation is a table
    if table_id operator(pg_catalog.=) 0::pg_catalog.oid then
        raise exception 'type % is not the row type of a table', type
            using errcode = 'datatype_mismatch',
                hint = 'pass a NULL of the table''s type, as in mrl.search(null::docs, …)';
    end if;
    return table_id;
end
$body$;

-- Slots of an exact search: the table, and the distance of the short column that is named.
-- Called by: mrl._plan, mrl._take_query
create or replace function mrl._full(
    table_id oid,
    full_column name,
    dims int default null,
    kind text default null,
    index_name name default null
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    distance text := (
        select registry.distance
        from mrl.registry as registry
        where registry.table_id = _full.table_id::regclass
            and registry.full_column = _full.full_column
            and (_full.dims is null or registry.dims = _full.dims)
            and (_full.kind is null or registry.kind = _full.kind)
            and (_full.index_name is null or registry.index_name = _full.index_name)
        -- the same choice as in mrl._found
        order by registry.chosen_at desc nulls last, registry.created_at, registry.index_name
        limit 1
    );
begin
    if distance is null and num_nonnulls(dims, kind, index_name) > 0 then
        -- there is no such short column, so take the distance of another, or raise
        distance := mrl._found(table_id, full_column, dims, kind, index_name, true)
            ->> 'distance';
    end if;
    return mrl._table(table_id, full_column) || jsonb_build_object(
        -- cosine is the default for a table without a short column
        'operator', coalesce(mrl._operator(distance), '<=>')
    );
end
$body$;

-- A table, and all its partitions and children.
-- Called by: mrl._rows, mrl._vector_indexes, mrl._choose_keep
create or replace function mrl._tree(table_id oid)
returns table (relid oid)
language sql
stable
parallel safe
begin atomic
    with recursive tree (relid) as (
        select _tree.table_id
        union
        select child.inhrelid
        from tree
        join pg_catalog.pg_inherits as child
            on child.inhparent operator(pg_catalog.=) tree.relid
    )
    select tree.relid
    from tree;
end;

-- The estimated rows of a table with its partitions and children; NULL before the first analyze.
-- Called by: mrl._share, mrl._count_passing
create or replace function mrl._rows(table_id oid)
returns bigint
language sql
stable
parallel safe
begin atomic
    select pg_catalog.sum(part.reltuples) filter (
        where part.reltuples operator(pg_catalog.<>) -1
    )::bigint
    from mrl._tree(_rows.table_id) as tree
    join pg_catalog.pg_class as part on part.oid operator(pg_catalog.=) tree.relid
    where part.relkind operator(pg_catalog.=) 'r';
end;
