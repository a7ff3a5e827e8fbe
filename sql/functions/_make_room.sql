-- Makes the table for queries of a column, and the view by which its owner reads it.
-- mrl._make_room(room int) -> void
-- Called by: mrl._keep_room, refresh.sql
create or replace function mrl._make_room(room int)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    made name := '_queries_' || room;
    own name := '_own_queries_' || room;
    home name := (
        select space.nspname
        from pg_extension as extension
        join pg_namespace as space on space.oid = extension.extnamespace
        where extension.extname = 'vector'
    );
begin
    -- "drop extension vector cascade" takes the vectors along
    if not exists (
        select
        from pg_attribute as attribute
        where attribute.attrelid = to_regclass(format('mrl.%I', made))
            and attribute.attname = 'query'
            and not attribute.attisdropped
    ) then
        if to_regclass(format('mrl.%I', made)) is not null then
            execute format('drop table mrl.%I cascade', made);
        end if;
        -- not at installation, nor one for all: nobody but its owner may read it, so that
        -- it keeps others from dumping the whole database
        execute format(
            'create table mrl.%I ('
                'slot int primary key check (slot > 0),'
                -- a day, not a moment: that would lead to a request, and so to a person
                ' kept_on date,'
                ' query %I.vector)'
            -- half of each page stays free, so that a new query takes the old one's place
            ' with (fillfactor = 50)',
            made, home
        );
        execute format(
            'comment on table mrl.%I is %L',
            made,
            'Queries that were kept, read through mrl.kept_queries: the vector and the day.'
        );
    end if;
    execute format(
        'create or replace view mrl.%I with (security_barrier) as'
            ' select kept.slot, kept.kept_on, kept.query from mrl.%I as kept'
            ' where exists (select from mrl._query_sampling as sampling'
            ' join mrl._live_tables as live'
            ' on live.entry operator(pg_catalog.=) sampling.entry'
            ' where sampling.room operator(pg_catalog.=) %s'
            -- who calls, in a function that runs with its owner's rights too
            ' and pg_catalog.pg_has_role(current_user, live.owner, %L))',
        own, made, room, 'usage'
    );
    execute format(
        'comment on view mrl.%I is %L',
        own,
        'Internal. Queries that were kept of a column of a table that you own.'
    );
    perform mrl._grant(array[format('mrl.%I', made), format('mrl.%I', own)]);
end
$body$;

comment on function mrl._make_room(int) is
'Internal. Makes the table for queries of a column, which nobody but its owner may read.';
