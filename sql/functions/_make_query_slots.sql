-- Makes the room for queries that are kept, and its views, or what of it is missing.
-- mrl._make_query_slots() -> void
-- Called by: mrl.sample_queries, refresh.sql
create or replace function mrl._make_query_slots()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    home text := (
        select quote_ident(space.nspname)
        from pg_extension as extension
        join pg_namespace as space on space.oid = extension.extnamespace
        where extension.extname = 'vector'
    );
begin
    -- not at installation: nobody but its owner may read it, so it keeps others from
    -- dumping the whole database
    if to_regclass('mrl.query_slots') is null then
        create table mrl.query_slots (
            table_id regclass not null,
            full_column name not null,
            slot int not null check (slot > 0),
            -- a day, not a moment: that would lead to a request, and so to a person
            kept_on date,
            -- no reference to mrl.query_sampling: to drop this would wait for its readers
            primary key (table_id, full_column, slot)
        )
        -- half of each page stays free, so that a new query takes the old one's place
        with (fillfactor = 50);
    end if;
    -- "drop extension vector cascade" takes it along
    if not exists (
        select
        from pg_attribute
        where attrelid = 'mrl.query_slots'::regclass
            and attname = 'query'
            and not attisdropped
    ) then
        execute format('alter table mrl.query_slots add column query %s.vector', home);
        update mrl.query_slots set kept_on = null;
    end if;
    comment on table mrl.query_slots is
    'Queries that were kept, read through mrl.kept_queries: the vector and the day, no more.';

    -- where a role that may read a column leaves a query of it, and can read none
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
            and has_column_privilege(
                current_user, slot.table_id, attribute.attnum, 'select'
            )
    );
    comment on view mrl.query_inbox is
    'Internal. Takes queries of the columns that you may read, and shows none.';

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
    'Queries that mrl.keep_query kept, of the tables that you own; there while any are '
    'sampled or kept.';

    perform mrl._grant();
end
$body$;

comment on function mrl._make_query_slots() is
'Internal. Makes mrl.query_slots, which nobody but its owner may read, and the views of it.';
