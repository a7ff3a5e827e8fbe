-- Writes one short column into the registry, and deletes rows of tables that were dropped.
-- mrl.register(table_id, full_column, short_column, index_name, dims, kind, distance, …)
-- Called by: client/build.sql, mrl._create_steps in its last statement
create or replace function mrl.register(
    table_id regclass,
    full_column name,
    short_column name,
    index_name name,
    dims int,
    kind text,
    distance text,
    -- NULL means the value that belongs to the kind
    computed_as text default null,
    -- NULL means as the index shows
    kept_as text default null
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_column
declare
    claimed int;
    reports text;
begin
    perform mrl.check_owner(register.table_id);
    -- so that the next calibration, in any session, knows the changes that this one has counted
    reports := pg_stat_force_next_flush()::text;
    kept_as := coalesce(
        register.kept_as,
        mrl._kept_as(
            register.table_id,
            register.full_column,
            register.short_column,
            register.index_name,
            register.dims,
            register.kind
        )
    );
    perform mrl._check_short(
        register.table_id,
        register.full_column,
        register.short_column,
        register.index_name,
        register.dims,
        register.kind,
        register.distance,
        register.kept_as
    );
    perform mrl._sweep();
    insert into mrl._claims (table_id)
    values (register.table_id)
    returning _claims.entry into claimed;
    insert into mrl._own_registry (
        entry, full_column, short_column, index_name, dims, kind, distance,
        computed_as, kept_as, in_place_of, default_name
    )
    values (
        claimed,
        register.full_column,
        register.short_column,
        register.index_name,
        register.dims,
        register.kind,
        register.distance,
        coalesce(register.computed_as, mrl._kind(register.kind, 'computed_as')),
        register.kept_as,
        -- as the other indexes of the column
        (
            select min(known.in_place_of::text)
            from mrl.registry as known
            where known.table_id = register.table_id
                and known.full_column = register.full_column
        ),
        register.index_name = (
            select
                (
                    mrl._names(
                        class.relname,
                        register.full_column,
                        register.dims,
                        register.kind,
                        register.distance
                    )
                ).index_name
            from pg_class as class
            where class.oid = register.table_id
        )
    )
    on conflict (entry, index_name) do update
    set
        full_column = excluded.full_column,
        short_column = excluded.short_column,
        dims = excluded.dims,
        kind = excluded.kind,
        distance = excluded.distance,
        computed_as = excluded.computed_as,
        kept_as = excluded.kept_as;
    if not exists (select from mrl._rotations) then
        -- most databases have no rotation, and then the view is not planned
        return;
    end if;
    if exists (
        select
        from mrl.column_rotations as known
        where known.table_id = register.table_id
            and known.full_column = register.full_column
    ) then
        -- statements that may not know mrl_pg's tables read this: mrl_pg.sqlalchemy.parts
        execute format(
            'comment on index %s is %L',
            (
                select format('%I.%I', space.nspname, register.index_name)
                from pg_class as class
                join pg_namespace as space on space.oid = class.relnamespace
                where class.oid = register.table_id
            ),
            format('mrl_pg: column %s is rotated', register.full_column)
        );
    end if;
end
$body$;

comment on function mrl.register(
    regclass, name, name, name, int, text, text, text, text
) is
'Writes one short column of a table you own into mrl.registry, after its index is built. '
'mrl.create_index_sql returns this call as its last statement. computed_as: prefix or '
'bits; kept_as: generated, trigger or expression.';
