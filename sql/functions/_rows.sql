-- How many rows a table is thought to hold, with partitions and children; NULL: never counted.
-- mrl._rows(table_id oid) -> bigint
-- Called by: mrl._share, mrl._promised, mrl.calibrate, mrl._keep_calibration
create or replace function mrl._rows(table_id oid)
returns bigint
language sql
stable
parallel safe
begin atomic
    with recursive tree (relid) as (
        select _rows.table_id
        union
        select child.inhrelid
        from tree
        join pg_catalog.pg_inherits as child
            on child.inhparent operator(pg_catalog.=) tree.relid
    )
    select pg_catalog.sum(part.reltuples) filter (
        where part.reltuples operator(pg_catalog.<>) -1
    )::bigint
    from tree
    join pg_catalog.pg_class as part on part.oid operator(pg_catalog.=) tree.relid
    where part.relkind operator(pg_catalog.=) 'r';
end;

comment on function mrl._rows(oid) is
'Internal. How many rows a table is thought to hold.';
