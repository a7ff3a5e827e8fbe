-- How many rows a table is thought to hold, its partitions with it; NULL: never counted.
-- mrl._rows(table_id oid) -> bigint
-- Called by: mrl._share, mrl._promised, mrl._keep_calibration
create or replace function mrl._rows(table_id oid)
returns bigint
language sql
stable
parallel safe
begin atomic
    select sum(nullif(part.reltuples, -1))::bigint
    from pg_class as part
    where part.relkind = 'r'
        and part.oid in (
            select _rows.table_id
            union all
            select tree.relid
            from pg_partition_tree(_rows.table_id::regclass) as tree
        );
end;

comment on function mrl._rows(oid) is
'Internal. How many rows a table is thought to hold.';
