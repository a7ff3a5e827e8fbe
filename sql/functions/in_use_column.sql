-- Which full column stands in for one whose model was changed, or the column itself.
-- mrl.in_use_column('docs', 'embedding') -> 'embedding_v2' after mrl.switch_column
-- Called by: people, mrl.switch_column, client/catalog.sql
create or replace function mrl.in_use_column(table_name regclass, full_column name)
returns name
language plpgsql
stable
strict
set search_path = pg_catalog, pg_temp
as $body$
declare
    current name := full_column;
    follower name;
    columns bigint := (
        select count(distinct registry.full_column)
        from mrl.registry as registry
        where registry.table_id = table_name
            and registry.in_place_of is not null
    );
begin
    -- a chain, because a model may be changed again
    for place in 1 .. columns loop
        select coalesce(marked.full_now, marked.full_column)
        into follower
        from mrl._registered(table_name) as marked
        join mrl.registry as registry
            on registry.table_id = table_name
            and registry.index_name = marked.index_name
        where coalesce(marked.full_now, marked.full_column) <> current
            and (
                registry.in_place_of = current
                -- its name before it was renamed
                or registry.in_place_of in (
                    select renamed.full_column
                    from mrl._registered(table_name) as renamed
                    where renamed.full_now = current
                )
            )
        limit 1;
        exit when not found;
        current := follower;
    end loop;
    return current;
end
$body$;

comment on function mrl.in_use_column(regclass, name) is
'The full column that searches use in place of this one since mrl.switch_column, or the column '
'itself.';
