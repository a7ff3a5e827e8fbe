-- The short columns of this database, and what is wrong with each.
-- mrl.status(only_table, check_rows) -> one row for each, and one for each thing that is wrong
-- Called by: people, client/catalog.sql
create or replace function mrl.status(
    -- NULL means every table
    only_table regclass default null,
    check_rows boolean default false
)
returns table (
    table_name regclass,
    full_column name,
    short_column name,
    dims int,
    kind text,
    distance text,
    index_name name,
    kept_as text,
    usable boolean,
    index_bytes bigint,
    estimated_rows bigint,
    finding text,
    detail text,
    remedy text,
    mends boolean,
    registered boolean,
    -- the version of the full column's rotation
    rotation text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_column
begin
    return query
    select
        known.table_id::regclass,
        known.full_column,
        known.short_column,
        known.dims,
        known.kind,
        known.distance,
        known.index_name,
        known.kept_as,
        known.usable,
        -- the machine that is asked holds no row of a table that Citus spreads
        case when not mrl._is_spread(known.table_id)
            then mrl.index_bytes(known.index_id::regclass)
        end,
        case when not mrl._is_spread(known.table_id) then mrl._rows(known.table_id) end,
        known.finding,
        known.detail,
        known.remedy,
        known.mends,
        known.registered,
        (
            select turned.version
            from mrl.column_rotations as turned
            where turned.table_id = known.table_id::regclass
                -- also while the registry has the older name
                and known.full_column in (turned.full_column, turned.known_as)
            order by turned.full_column = known.full_column desc
            limit 1
        )
    from mrl._findings(status.only_table, status.check_rows) as known;
end
$body$;

comment on function mrl.status(regclass, boolean) is
'Short columns made by mrl_pg: how values are kept, the size of the index, estimated rows, and '
'what is wrong, one row for each finding. finding is NULL if nothing is wrong; mends says '
'whether mrl.repair_sql mends it. rotation is the version by which the full column is rotated, if '
'it is. check_rows also reads every row whose short value a trigger '
'keeps, and counts rows without a vector in the column of another model that is in use.';
