-- Deletes a row of the registry, or calibrations for a k and a filter, of who asks.
-- mrl._remove() -> trigger
-- Called by: mrl._removals
create or replace function mrl._remove()
returns trigger
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $body$
begin
    if not exists (
        select
        from mrl._live_tables as live
        where live.entry = new.entry
            and pg_has_role(new.asked_by, live.owner, 'usage')
    ) then
        return null;
    elsif new.k is null then
        delete from mrl._registry as registry
        where registry.entry = new.entry
            and registry.index_name = new.index_name;
    else
        delete from mrl._calibrations as point
        where point.entry = new.entry
            and point.index_name = new.index_name
            and point.k = new.k
            and point.filter = new.filter;
    end if;
    return new;
end
$body$;

comment on function mrl._remove() is
'Internal. Deletes what is known of an index of a table of who asks.';
