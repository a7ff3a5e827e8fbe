-- Where a role that may read a column leaves a query of it, and can read none.
-- mrl.query_inbox
-- Called by: mrl.keep_query
create or replace view mrl.query_inbox
with (security_barrier)
as
select
    slot.table_id,
    slot.full_column,
    slot.slot,
    slot.kept_on,
    slot.query
from mrl.query_slots as slot
where exists (
    select
    from pg_attribute as attribute
    where attribute.attrelid = slot.table_id
        and attribute.attname = slot.full_column
        and not attribute.attisdropped
        and has_column_privilege(current_user, slot.table_id, attribute.attnum, 'select')
);

comment on view mrl.query_inbox is
'Internal. Takes queries of the columns that you may read, and shows none.';

revoke all on mrl.query_inbox from public;
grant select (table_id, full_column, slot), update (kept_on, query)
on mrl.query_inbox
to public;
