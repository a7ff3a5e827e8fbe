-- Full columns by whose likeness their table is partitioned. Every role may read them.
-- mrl.column_parts
-- Called by: people, mrl._parts_of, client/parts.sql
create or replace view mrl.column_parts as
select
    live.table_id,
    settings.full_column,
    settings.part_column,
    settings.distance,
    (
        select pg_catalog.count(*)::int
        from mrl._part_centres as centre
        where centre.entry operator(pg_catalog.=) settings.entry
            and centre.full_column operator(pg_catalog.=) settings.full_column
    ) as parts,
    settings.set_at,
    settings.entry
from mrl._parts as settings
join mrl._live_tables as live on live.entry operator(pg_catalog.=) settings.entry;

comment on view mrl.column_parts is
'Full columns by whose likeness their table is partitioned: the column with the number of the '
'part (the partition key), the distance, and how many parts there are. mrl.set_parts writes it, '
'and docs/parts.md explains it.';
