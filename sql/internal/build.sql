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
    has_column := found;
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
            and pg_get_indexdef(state.indexrelid, 1, false) = slots ->> 'short'
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
    concurrent boolean
)
returns table (
    -- the name of the step in reports; NULL if reports leave the step out
    step text,
    statement text
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
begin
    perform mrl._check_layout(dims, kind, distance, m, ef_construction);
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
    slots := slots || jsonb_build_object(
        'dims', dims,
        'kind', kind,
        'short', quote_ident(short_column),
        'operator_class', mrl._operator_class(kind, distance),
        'm', m,
        'ef_construction', ef_construction,
        'concurrently', case when concurrent and not partitioned
            then ' concurrently'
            else ''
        end
    );
    slots := slots || jsonb_build_object(
        'value', mrl._short_of(slots ->> 'full', slots),
        'type', mrl._short_type(kind, dims, slots ->> 'extension')
    );
    existing := mrl._index_state(table_name, full_column, short_column, index_name, slots);
    if not existing.has_column then
        step := 'added column ' || short_column;
        statement := mrl._render(mrl._add_short_column(), slots);
        return next;
    end if;
    if existing.usable is false then
        step := 'dropped the invalid index of that name';
        statement := mrl._render(
            mrl._drop_index(),
            slots || jsonb_build_object(
                'index', format('%I.%I', slots ->> 'schema_name', index_name)
            )
        );
        return next;
    end if;
    if existing.usable is not true then
        step := 'built index ' || index_name;
        statement := mrl._render(
            mrl._create_index(),
            slots || jsonb_build_object('index', quote_ident(index_name))
        );
        return next;
    end if;
    step := null;
    statement := format(
        'select mrl.register(%L, %L, %L, %L, %s, %L, %L)',
        table_name, full_column, short_column, index_name, dims, kind, distance
    );
    return next;
end
$body$;
