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
            where registry.table_id
                    operator(pg_catalog.=) _index_of.table_id::pg_catalog.regclass
                and registry.distance operator(pg_catalog.=) _index_of.distance
                and (
                    registry.short_column operator(pg_catalog.=) _index_of.short_column
                    -- or that is what it is called by now
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
                registry.created_at,
                registry.index_name
            limit 1
        ),
        _index_of.index_name
    );
end;

comment on function mrl._index_of(oid, name, name, text) is
'Internal. The name that the registry has for the index of a short column.';
