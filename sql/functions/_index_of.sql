-- The name that the registry has for the index of a short column, else the one given.
-- mrl._index_of(table_id oid, index_name name, short_column name, distance text) -> name
-- Called by: statements/promise.sql
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
            where registry.table_id = _index_of.table_id::regclass
                and registry.distance = _index_of.distance
                and (
                    registry.short_column = _index_of.short_column
                    -- or that is what it is called by now
                    or exists (
                        select
                        from pg_index as state
                        join pg_class as class on class.oid = state.indexrelid
                        join pg_attribute as attribute
                            on attribute.attrelid = state.indrelid
                            and attribute.attnum = state.indkey[0]
                        where state.indrelid = _index_of.table_id
                            and class.relname = registry.index_name
                            and attribute.attname = _index_of.short_column
                    )
                )
            order by
                registry.index_name = _index_of.index_name desc,
                registry.created_at,
                registry.index_name
            limit 1
        ),
        _index_of.index_name
    );
end;

comment on function mrl._index_of(oid, name, name, text) is
'Internal. The name that the registry has for the index of a short column.';
