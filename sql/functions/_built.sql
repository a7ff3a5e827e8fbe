-- What an index was built with, and how many rows its table is thought to hold.
-- mrl._built(table_id oid, index_name name) -> m, ef_construction, rows
-- Called by: mrl._keep_calibration, mrl._promised
create or replace function mrl._built(
    table_id oid, index_name name, out m int, out ef_construction int, out rows bigint
)
language sql
stable
parallel safe
begin atomic
    select
        -- pgvector's own when none was named
        coalesce(max(option.option_value) filter (where option.option_name = 'm'), '16')::int,
        coalesce(
            max(option.option_value) filter (where option.option_name = 'ef_construction'), '64'
        )::int,
        (
            -- NULL: none of them was ever counted
            select sum(nullif(part.reltuples, -1))::bigint
            from pg_class as part
            where part.relkind = 'r'
                and part.oid in (
                    select _built.table_id
                    union all
                    select tree.relid
                    from pg_partition_tree(_built.table_id::regclass) as tree
                )
        )
    from pg_index as state
    join pg_class as class on class.oid = state.indexrelid
    left join lateral pg_options_to_table(class.reloptions) as option on true
    where state.indrelid = _built.table_id
        and class.relname = _built.index_name;
end;

comment on function mrl._built(oid, name) is
'Internal. What an index was built with, and how many rows its table is thought to hold.';
