-- Statements that give a table a short column and its index, to run one by one.
-- mrl.create_index_sql('docs', 'embedding', dims => 256, …) -> setof text
-- Called by: people with \gexec, mrl.create_index
create or replace function mrl.create_index_sql(
    table_name regclass,
    full_column name,
    dims int,
    kind text default 'halfvec',
    distance text default 'cosine',
    m int default 16,
    ef_construction int default 64,
    short_column name default null,
    index_name name default null,
    concurrent boolean default true
)
returns setof text
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
    found record;
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
        raise exception 'table % has no primary key, which answers are named by',
            slots ->> 'table'
            using errcode = 'undefined_object',
                hint = format(
                    'alter table %s add column id bigint generated always as identity '
                    'primary key',
                    slots ->> 'table'
                );
    end if;
    -- an empty name is none: mrl_pg.layout takes it so, too
    short_column := coalesce(nullif(short_column, ''), names.short_column);
    index_name := coalesce(nullif(index_name, ''), names.index_name);
    if short_column = full_column then
        raise exception 'short_column % is the full column itself', quote_ident(short_column)
            using errcode = 'invalid_parameter_value', hint = 'name another';
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
        'type', case kind
            when 'bit' then format('bit(%s)', dims)
            else format('%s%s(%s)', slots ->> 'extension', kind, dims)
        end
    );
    found := mrl._standing(table_name, full_column, short_column, index_name, slots);
    if not found.has_column then
        return next mrl._render(mrl._add_short_column(), slots);
    end if;
    if found.usable is false then
        return next mrl._render(
            mrl._drop_index(),
            slots || jsonb_build_object(
                'index', format('%I.%I', slots ->> 'schema_name', index_name)
            )
        );
    end if;
    if found.usable is not true then
        return next mrl._render(
            mrl._create_index(),
            slots || jsonb_build_object('index', quote_ident(index_name))
        );
    end if;
    return next format(
        'select mrl.register(%L, %L, %L, %L, %s, %L, %L)',
        table_name, full_column, short_column, index_name, dims, kind, distance
    );
end
$body$;

comment on function mrl.create_index_sql(
    regclass, name, int, text, text, int, int, name, name, boolean
) is
'Statements that give a table a short column and its HNSW index, and register them: run '
'each by itself, as \gexec does, for "create index concurrently" cannot run in a function. '
'Only what is missing; so it finishes what broke off. The first rewrites the table under '
'an ACCESS EXCLUSIVE lock.';
