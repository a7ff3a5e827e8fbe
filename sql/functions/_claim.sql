-- Finds or writes the row of mrl._tables for a table of who asks.
-- mrl._claim() -> trigger
-- Called by: mrl._claims
create or replace function mrl._claim()
returns trigger
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $body$
declare
    identity record;
begin
    select known.*
    into identity
    from mrl._identities as known
    where known.table_oid = new.table_id;
    if not found or not pg_has_role(new.asked_by, identity.owner, 'usage') then
        raise exception 'role % does not own table %', new.asked_by, new.table_id
            using errcode = 'insufficient_privilege';
    end if;
    -- of a table that is gone, whose number this one has
    delete from mrl._tables as gone
    where gone.entry in (
        select dead.entry
        from mrl._tables as dead
        where dead.table_id = new.table_id
            and not exists (
                select
                from mrl._live_tables as live
                where live.entry = dead.entry
            )
        for update skip locked
    );
    insert into mrl._tables (table_id, table_oid, born, named)
    select new.table_id, identity.table_oid, identity.born, identity.named
    where not exists (
        select from mrl._live_tables as live where live.table_id = new.table_id
    )
    -- another member of its owner came first
    on conflict on constraint _tables_table_id_table_oid_born_key do nothing;
    select min(live.entry)
    into strict new.entry
    from mrl._live_tables as live
    where live.table_id = new.table_id;
    -- restored, upgraded or renamed since
    update mrl._tables as known
    set table_oid = identity.table_oid,
        born = identity.born,
        named = identity.named
    where known.entry = new.entry
        and (known.table_oid, known.born, known.named)
            <> (identity.table_oid, identity.born, identity.named);
    -- queries of a column that is gone
    delete from mrl._query_sampling as gone
    where gone.entry = new.entry
        and not exists (
            select
            from pg_attribute as attribute
            where attribute.attrelid = new.table_id
                and attribute.attname = gone.full_column
                and not attribute.attisdropped
        );
    return new;
end
$body$;

comment on function mrl._claim() is
'Internal. Finds or writes the row of mrl._tables for a table of who asks.';
