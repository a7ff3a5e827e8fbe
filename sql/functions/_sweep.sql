-- Deletes what is known of tables that are gone; whoever calls, it does nothing else.
-- mrl._sweep() -> void
-- Called by: mrl.register
create or replace function mrl._sweep()
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $body$
declare
    waits text := current_setting('lock_timeout');
    room int;
begin
    -- of tables that were swept when something read it
    for room in
        select substring(class.relname from 10)::int
        from pg_class as class
        where class.relnamespace = 'mrl'::regnamespace
            and class.relname >= '_queries_'
            and class.relname < '_queries_:'
            and class.relkind = 'r'
            and not exists (
                select
                from mrl._query_sampling as sampling
                where '_queries_' || sampling.room = class.relname
            )
    loop
        perform mrl._drop_room(room, false);
    end loop;
    if not exists (
        select
        from mrl._tables as dead
        where not exists (
            select from mrl._live_tables as live where live.entry = dead.entry
        )
    )
        -- above it a row that somebody else just deleted would be an error
        or current_setting('transaction_isolation') <> 'read committed'
    then
        return;
    end if;
    begin
        perform set_config('lock_timeout', '100ms', true);
        delete from mrl._tables as gone
        where gone.entry in (
            select dead.entry
            from mrl._tables as dead
            where not exists (
                select from mrl._live_tables as live where live.entry = dead.entry
            )
            -- what somebody else sweeps is none of ours
            for update skip locked
        );
        perform set_config('lock_timeout', waits, true);
    exception when lock_not_available or deadlock_detected then
        -- another call will
        null;
    end;
end
$body$;

comment on function mrl._sweep() is
'Internal. Deletes what is known of tables that are gone.';
