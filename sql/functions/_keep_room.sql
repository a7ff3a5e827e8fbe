-- Makes, fills or drops the table for queries of a column, as what is said of it changes.
-- mrl._keep_room() -> trigger
-- Called by: mrl._query_sampling
create or replace function mrl._keep_room()
returns trigger
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $body$
declare
    room text;
    own text;
begin
    if tg_op = 'DELETE' then
        perform mrl._drop_room(old.room, false);
        return null;
    end if;
    room := format('mrl.%I', '_queries_' || new.room);
    own := format('mrl.%I', '_own_queries_' || new.room);
    if to_regclass(own) is null and new.share > 0 then
        perform mrl._make_room(new.room);
    elsif to_regclass(own) is null then
        -- without its vectors
        perform mrl._drop_room(new.room, false);
        return null;
    end if;
    -- queries came to slots by chance: those that go are random ones
    execute format('delete from %s where slot > $1', room) using new.most;
    if new.share > 0 then
        execute format(
            'insert into %s (slot) select generate_series(1, $1) on conflict do nothing',
            room
        )
        using new.most;
    else
        perform mrl._drop_room(new.room, true);
    end if;
    return null;
end
$body$;

comment on function mrl._keep_room() is
'Internal. Makes, fills or drops the table for queries of a column.';
