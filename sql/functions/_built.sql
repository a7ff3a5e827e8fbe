-- What an index was built with.
-- mrl._built(table_id oid, index_name name) -> m, ef_construction
-- Called by: mrl._keep_calibration, mrl._promised
create or replace function mrl._built(
    table_id oid, index_name name, out m int, out ef_construction int
)
language sql
stable
parallel safe
begin atomic
    select
        -- pgvector's own when none was named
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

comment on function mrl._built(oid, name) is
'Internal. What an index was built with.';
