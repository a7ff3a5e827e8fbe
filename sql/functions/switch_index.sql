-- Makes an index the one in use: searches that name no index of the column take it from then on.
-- mrl.switch_index('docs', 'embedding', dims => 512, …) -> name of the index
-- Called by: people
create or replace function mrl.switch_index(
    table_name regclass,
    full_column name,
    dims int default null,
    kind text default null,
    index_name name default null
)
returns name
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
declare
    known record;
begin
    perform mrl.check_owner(table_name);
    select
        registered.index_name,
        coalesce(registered.index_now, registered.index_name) as index_now,
        count(*) over () as matches
    into known
    from mrl._registered(table_name) as registered
    where coalesce(registered.full_now, registered.full_column) = switch_index.full_column
        and (switch_index.dims is null or registered.dims = switch_index.dims)
        and (switch_index.kind is null or registered.kind = switch_index.kind)
        and (
            switch_index.index_name is null
            or switch_index.index_name in (registered.index_name, registered.index_now)
        );
    if known.matches > 1 then
        perform mrl._check_one(table_name, full_column, known.matches);
    end if;
    -- raises if there is none, or if it cannot be used
    perform mrl._found(table_name, full_column, dims, kind, index_name);
    update mrl._own_registry as own
    set chosen_at = mrl._choice_now(table_name)
    where own.entry in (
            select live.entry
            from mrl._live_tables as live
            where live.table_id = switch_index.table_name
        )
        and own.index_name = known.index_name;
    return known.index_now;
end
$body$;

comment on function mrl.switch_index(regclass, name, int, text, name) is
'Makes an index of a table you own the one in use: searches that name no dims, kind or '
'index_name take it from their next call on. Nothing is locked or rebuilt. Call it with the '
'old index to switch back. Returns the name of the index.';
