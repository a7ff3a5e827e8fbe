-- Whether the table holds more rows than a first pass found. For a small index it reads no row.
-- Slots: index (a literal), bits, ef_search, k, table, full, extension, operator, filter, seen, …
-- Called by: mrl_pg.search.render, mrl._plan, mrl.create_search_function
create or replace function mrl._more_rows()
returns text
language sql
immutable
parallel safe
return $template$
select
    -- The first step of a scan reads up to ef_search nodes. If the index holds no more nodes,
    -- that step reads every node that it can reach, and the conditions below are not run. If
    -- rows of the answer are missing, every node must be reachable for sure: among up to
    -- 2 m + 1 nodes, each node is linked with every other node.
    not exists (
        select
        from pg_catalog.pg_index as mrl_index
        join pg_catalog.pg_class as mrl_class
            on mrl_class.oid operator(pg_catalog.=) mrl_index.indrelid
        where mrl_index.indexrelid operator(pg_catalog.=) pg_catalog.to_regclass({index})
            -- the index holds no rows of child tables
            and (
                mrl_class.relkind operator(pg_catalog.=) 'p'
                or not mrl_class.relhassubclass
            )
            -- and no partition of the index may hold more nodes
            and not exists (
                select
                from (
                    select mrl_index.indexrelid
                    union all
                    select mrl_tree.relid
                    from pg_catalog.pg_partition_tree(mrl_index.indexrelid) as mrl_tree
                ) as mrl_all (part_id)
                join pg_catalog.pg_class as mrl_part
                    on mrl_part.oid operator(pg_catalog.=) mrl_all.part_id
                    and mrl_part.relkind operator(pg_catalog.=) 'i'
                join pg_catalog.pg_attribute as mrl_short
                    on mrl_short.attrelid operator(pg_catalog.=) mrl_part.oid
                    and mrl_short.attnum operator(pg_catalog.=) 1
                cross join lateral (
                    select
                        pg_catalog.current_setting('block_size')::pg_catalog.int8 as page,
                        coalesce(
                            (
                                select option.option_value::pg_catalog.int4
                                from pg_catalog.pg_options_to_table(mrl_part.reloptions)
                                    as option
                                where option.option_name operator(pg_catalog.=) 'm'
                            ),
                            16
                        ) as m
                ) as mrl_size
                -- the bytes of all pages but the first, without page headers, divided by the
                -- smallest node that pgvector writes: 92 bytes, the value, and 12 m bytes for
                -- neighbours
                where (
                    pg_catalog.pg_relation_size(mrl_part.oid)
                        operator(pg_catalog./) mrl_size.page
                        operator(pg_catalog.-) 1
                )
                    operator(pg_catalog.*) (mrl_size.page operator(pg_catalog.-) 32)
                    operator(pg_catalog./) (
                        {bits}
                            operator(pg_catalog.*) mrl_short.atttypmod
                            operator(pg_catalog./) 8
                            operator(pg_catalog.+) 92
                            operator(pg_catalog.+) (12 operator(pg_catalog.*) mrl_size.m)
                    )
                    operator(pg_catalog.>) case
                        when {seen} operator(pg_catalog.>=) {k} then {ef_search}
                        else least(
                            {ef_search},
                            2 operator(pg_catalog.*) mrl_size.m operator(pg_catalog.+) 1
                        )
                    end
            )
    )
    -- counts rows first, which reads no vector
    and exists (
        select
        from {table}
        where true{filter}
            and {full} is not null
        offset {seen}
    )
    and exists (
        select
        from {table}
        where true{filter}
            -- not vectors without a distance to themselves, because no search returns them
            and ({full} operator({extension}{operator}) {full})
                operator(pg_catalog.<>) 'NaN'::pg_catalog.float8
        offset {seen}
    ) as left_over{extra}
$template$::pg_catalog.text;
