-- Queries that were kept of your own tables: the vector and the day, no more.
-- mrl.kept_queries
-- Called by: people, mrl.kept_queries
create or replace view mrl.kept_queries
with (security_barrier)
as
select
    slot.table_id as table_name,
    slot.full_column,
    slot.kept_on,
    slot.query
from mrl.query_slots as slot
join pg_class as class on class.oid = slot.table_id
where slot.query is not null
    -- who asks, in a function that runs with another's rights too
    and pg_has_role(current_user, class.relowner, 'usage');

comment on view mrl.kept_queries is
'Queries that mrl.keep_query kept, of the tables that you own.';

revoke all on mrl.kept_queries from public;
grant select on mrl.kept_queries to public;
