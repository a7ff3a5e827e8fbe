-- Drops the table for queries of a column, unless it is in use, or of use still.
-- mrl._drop_room(room int, if_empty boolean) -> void
-- Called by: mrl._keep_room, mrl._sweep
create or replace function mrl._drop_room(
    room int,
    -- only when none is kept; otherwise its table or its column is gone
    if_empty boolean
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    made name := '_queries_' || room;
    own name := '_own_queries_' || room;
    waits text := current_setting('lock_timeout');
    filled boolean := false;
begin
    if to_regclass(format('mrl.%I', made)) is null
        -- above it what others kept may be out of sight
        or if_empty and current_setting('transaction_isolation') <> 'read committed'
    then
        return;
    elsif if_empty then
        execute format('select exists (select from mrl.%I where query is not null)', made)
        into filled;
    end if;
    if filled then
        return;
    end if;
    begin
        perform set_config('lock_timeout', '100ms', true);
        execute format('lock table mrl.%I in access exclusive mode', made);
        if if_empty then
            -- a query that was under way a moment ago
            execute format('select exists (select from mrl.%I where query is not null)', made)
            into filled;
        end if;
        if not filled then
            -- nobody can keep it by building something on it
            if to_regclass(format('mrl.%I', own)) is not null then
                execute format('drop view mrl.%I cascade', own);
            end if;
            execute format('drop table mrl.%I cascade', made);
        end if;
        perform set_config('lock_timeout', waits, true);
    exception
        -- a dump reads it, say: another call will drop it
        when lock_not_available
            or deadlock_detected
            or object_in_use
            or insufficient_privilege
        then
            if if_empty then
                raise notice 'mrl.% is empty and stays for now: %', made, sqlerrm
                    using hint = 'call mrl.forget_queries once more: while it is there, not '
                        'every role can dump the whole database';
            end if;
    end;
end
$body$;

comment on function mrl._drop_room(int, boolean) is
'Internal. Drops the table for queries of a column, unless it is in use, or of use still.';
