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
        coalesce(max(option.option_value) filter (where option.option_name = 'm'), '16')::int,
        coalesce(
            max(option.option_value) filter (where option.option_name = 'ef_construction'), '64'
        )::int
    from pg_index as state
    join pg_class as class on class.oid = state.indexrelid
    left join lateral pg_options_to_table(class.reloptions) as option on true
    where state.indrelid = _built.table_id
        and class.relname = _built.index_name;
end;

comment on function mrl._built(oid, name) is
'Internal. What an index was built with.';
