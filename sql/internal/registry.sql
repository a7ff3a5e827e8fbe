-- The triggers by which owners of tables write and delete rows about their tables.

-- Finds or writes the row of mrl._tables for a table that the caller owns.
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
    -- deletes rows about a dropped table whose OID this table has. Each of these statements is
    -- planned only if there is something for it, because to plan them takes longer than the rest
    if exists (select from mrl._tables as dead where dead.table_id = new.table_id) then
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
    end if;
    insert into mrl._tables (table_id, table_oid, born, named)
    select new.table_id, identity.table_oid, identity.born, identity.named
    where not exists (
        select from mrl._live_tables as live where live.table_id = new.table_id
    )
    -- another session of the owner was first
    on conflict on constraint _tables_table_id_table_oid_born_key do nothing
    returning _tables.entry into new.entry;
    if found then
        -- nothing is known yet under a new number
        return new;
    end if;
    select min(live.entry)
    into strict new.entry
    from mrl._live_tables as live
    where live.table_id = new.table_id;
    -- the table may have been restored, upgraded or renamed
    update mrl._tables as known
    set table_oid = identity.table_oid,
        born = identity.born,
        named = identity.named
    where known.entry = new.entry
        and (known.table_oid, known.born, known.named)
            <> (identity.table_oid, identity.born, identity.named);
    -- deletes the settings, and so the real queries, of dropped columns
    delete from mrl._query_sampling as gone
    where gone.entry = new.entry
        and not exists (
            select
            from pg_attribute as attribute
            where attribute.attrelid = new.table_id
                and attribute.attname = gone.full_column
                and not attribute.attisdropped
        );
    delete from mrl._column_models as gone
    where gone.entry = new.entry
        and not exists (
            select
            from pg_attribute as attribute
            where attribute.attrelid = new.table_id
                and attribute.attname = gone.full_column
                and not attribute.attisdropped
        );
    if not exists (select from mrl._rotations as turned where turned.entry = new.entry) then
        return new;
    end if;
    -- by its number as long as the table is the same, because the column may be renamed
    delete from mrl._rotations as gone
    where gone.entry = new.entry
        and not exists (
            select
            from mrl.column_rotations as live
            where live.entry = gone.entry
                and live.known_as = gone.full_column
        )
        -- nor renamed before a dump; mrl.rename_rotation then says to what
        and not exists (
            select
            from mrl._lost_rotations(new.table_id) as lost
            where lost.known_as = gone.full_column
        );
    update mrl._rotations as turned
    set full_column = attribute.attname,
        full_number = attribute.attnum,
        born = identity.born
    from mrl.column_rotations as live
    join pg_attribute as attribute
        on attribute.attrelid = live.table_id
        and attribute.attname = live.full_column
        and attribute.attnum > 0
    where live.entry = turned.entry
        and live.known_as = turned.full_column
        and turned.entry = new.entry
        and (turned.full_column, turned.full_number, turned.born)
            is distinct from (attribute.attname, attribute.attnum, identity.born);
    return new;
end
$body$;

-- Deletes a row of the registry, calibrations for a k and a filter, a rotation, tenants or parts.
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
    elsif new.rotated is not null then
        delete from mrl._rotations as turned
        where turned.entry = new.entry
            and turned.full_column = new.rotated;
    elsif new.parts_of is not null then
        delete from mrl._parts as settings
        where settings.entry = new.entry
            and settings.full_column = new.parts_of;
    elsif new.tenant is not null then
        delete from mrl._tenant_indexes as made
        where made.entry = new.entry
            and made.full_column = new.tenants_of
            and made.tenant = new.tenant;
    elsif new.tenants_of is not null then
        delete from mrl._tenants as settings
        where settings.entry = new.entry
            and settings.full_column = new.tenants_of;
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
        delete from mrl._tenant_calibrations as point
        where point.entry = new.entry
            and point.index_name = new.index_name
            and point.k = new.k
            and point.filter = new.filter;
    end if;
    return new;
end
$body$;

-- Deletes all rows about tables that were dropped. It does the same for every caller.
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
    -- query tables that an earlier sweep could not drop, because another session read them
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
        -- above read committed, a row that another session just deleted would be an error
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
            -- leaves out rows that another session is deleting
            for update skip locked
        );
        perform set_config('lock_timeout', waits, true);
    exception when lock_not_available or deadlock_detected then
        -- a later call will delete the rows
        null;
    end;
end
$body$;
