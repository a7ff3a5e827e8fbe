-- Checks the graph of a new index before searches learn of the index.

-- The share of the nearest short values that an index finds, on a sample; NULL if unknown.
-- Called by: mrl._check_graph
create or replace function mrl._graph_recall(
    table_name regclass,
    full_column name,
    short_column name,
    index_name name,
    dims int,
    kind text,
    distance text,
    kept_as text
)
returns float8
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    slots jsonb := mrl._table(table_name, full_column)
        || jsonb_build_object('dims', dims, 'kind', kind);
    short text := mrl._short_name(
        short_column, full_column, dims, kind, kept_as, slots ->> 'extension'
    );
    part record;
    pages bigint;
    run_pages bigint;
    runs int;
    statement text;
    plan text;
    found bigint;
    missed bigint;
    all_found bigint := 0;
    all_missed bigint := 0;
begin
    if row_security_active(table_name) then
        return null;
    end if;
    -- until the transaction ends, which is this statement
    perform set_config('enable_seqscan', 'off', true);
    perform set_config('enable_sort', 'off', true);
    perform set_config('hnsw.ef_search', '400', true);
    perform set_config('hnsw.iterative_scan', 'off', true);
    for part in
        -- the largest parts
        select
            format('%s.%I', table_class.relnamespace::regnamespace, table_class.relname) as name,
            table_class.oid as table_id,
            index_class.relname as index_name,
            pg_relation_size(state.indrelid) as bytes
        from pg_class as root
        cross join lateral (
            select root.oid as relid
            where root.relkind = 'i'
            union all
            select tree.relid
            from pg_partition_tree(root.oid) as tree
            where root.relkind = 'I'
                and tree.isleaf
        ) as leaf
        join pg_index as state on state.indexrelid = leaf.relid
        join pg_class as index_class on index_class.oid = leaf.relid
        join pg_class as table_class on table_class.oid = state.indrelid
        where root.relname = _graph_recall.index_name
            and root.relnamespace = (
                select class.relnamespace from pg_class as class where class.oid = table_name
            )
        order by bytes desc
        limit 4
    loop
        pages := part.bytes / current_setting('block_size')::int;
        continue when pages = 0;
        -- about ten thousand rows, in sixteen places
        run_pages := 10000.0 * pages / greatest(mrl._count_vectors(part.table_id, full_column), 1) / 16;
        runs := case when run_pages * 16 < pages then 16 else 1 end;
        run_pages := case runs when 1 then pages else greatest(run_pages, 1) end;
        statement := mrl._render(
            mrl._graph_found(),
            jsonb_build_object(
                'places', (
                    select string_agg(
                        mrl._render(
                            mrl._graph_places(),
                            jsonb_build_object(
                                'short', short,
                                'table', part.name,
                                'full', slots -> 'full',
                                'first_page', first.page,
                                'end_page', first.page + run_pages
                            )
                        ),
                        '    union all'
                    )
                    from generate_series(0, runs - 1) as run (number)
                    cross join lateral (
                        select (pages - run_pages) * run.number / greatest(runs - 1, 1)
                    ) as first (page)
                ),
                'extension', slots -> 'extension',
                'operator', mrl._short_operator(kind, mrl._operator(distance)),
                'short', short,
                'table', part.name,
                -- what an answer of the index holds
                'answers', 40
            )
        );
        for plan in
            execute 'explain (costs off, format json) ' || statement
        loop
            if position(to_json(part.index_name)::text in plan) = 0 then
                return null;
            end if;
        end loop;
        execute statement into found, missed;
        all_found := all_found + found;
        all_missed := all_missed + missed;
    end loop;
    return all_found::float8 / nullif(all_found + all_missed, 0);
end
$body$;

-- Raises if the graph of an index is broken; else the share that mrl._graph_recall measured.
-- Called by: mrl._graph_step in a statement
create or replace function mrl._check_graph(
    table_name regclass,
    full_column name,
    short_column name,
    index_name name,
    dims int,
    kind text,
    distance text,
    kept_as text
)
returns float8
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    recall float8 := mrl._graph_recall(
        table_name, full_column, short_column, index_name, dims, kind, distance, kept_as
    );
    built record := mrl._built(table_name, index_name);
begin
    -- a graph that finds a smaller share than this is broken, not just weak
    if recall < 0.3 then
        raise exception 'index % finds only % %% of the nearest short values on a sample, so its '
            'graph is broken',
            quote_ident(index_name), round(100 * recall)
            using errcode = 'index_corrupted',
                hint = format(
                    'drop it with mrl.drop_index or `mrl-pg drop`, then create it with more links '
                    'than m = %s and a wider search than ef_construction = %s',
                    built.m, built.ef_construction
                );
    end if;
    return recall;
end
$body$;

-- The statement that checks the graph of an index.
-- Called by: mrl._create_steps, mrl._repair_steps
create or replace function mrl._graph_step(
    table_name regclass,
    full_column name,
    short_column name,
    index_name name,
    dims int,
    kind text,
    distance text,
    kept_as text
)
returns text
language sql
stable
parallel safe
return pg_catalog.format(
    'select mrl._check_graph(%L, %L, %L, %L, %s, %L, %L, %L) as recall',
    table_name, full_column, short_column, index_name, dims, kind, distance, kept_as
);
