-- Drops the room for queries, and its views, when none is sampled and none is kept.
-- mrl._drop_query_slots() -> void
-- Called by: mrl.sample_queries, mrl.forget_queries, mrl._sweep_queries, refresh.sql
create or replace function mrl._drop_query_slots()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    waits text := current_setting('lock_timeout');
begin
    -- what others turn on meanwhile waits for this, and what they read does not
    lock table mrl.query_sampling in share update exclusive mode;
    if to_regclass('mrl.query_slots') is null
        or exists (select from mrl.query_sampling where share > 0)
        -- above it what others turned on, or kept, may be out of sight
        or current_setting('transaction_isolation') <> 'read committed'
    then
        return;
    elsif exists (select from mrl.query_slots where kept_on is not null) then
        return;
    end if;
    begin
        perform set_config('lock_timeout', '100ms', true);
        lock table mrl.query_slots in access exclusive mode;
        -- a query that was under way a moment ago
        if not exists (select from mrl.query_slots where kept_on is not null) then
            drop view if exists mrl.query_inbox;
            drop view if exists mrl.kept_queries;
            drop table mrl.query_slots;
        end if;
        perform set_config('lock_timeout', waits, true);
    exception
        -- a dump reads it, say, or a view of yours does: another call will drop it
        when lock_not_available
            or deadlock_detected
            or object_in_use
            or dependent_objects_still_exist
            or insufficient_privilege
        then
            raise notice 'mrl.query_slots is empty and stays for now: %', sqlerrm
                using hint = 'call mrl.forget_queries once more: while it is there, not '
                    'every role can dump the whole database';
    end;
end
$body$;

comment on function mrl._drop_query_slots() is
'Internal. Drops mrl.query_slots and its views, unless they are of use or in use.';
