-- The bytes of an index, with its partitions.
-- mrl.index_bytes(index regclass) -> bigint
-- Called by: mrl.indexes, client/catalog.sql
create or replace function mrl.index_bytes(index regclass)
returns bigint
language sql
stable
strict
parallel safe
return coalesce(
    (
        select pg_catalog.sum(pg_catalog.pg_relation_size(part.relid))::bigint
        from pg_catalog.pg_partition_tree(index) as part
    ),
    pg_catalog.pg_relation_size(index)
);

comment on function mrl.index_bytes(regclass) is
'Size of an index in bytes, with all partitions of a partitioned index.';
