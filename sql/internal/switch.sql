-- Which index, and which full column, is in use.

-- The moment of a new choice: later than every other, also if the clock was set back meanwhile.
-- Called by: mrl.switch_index, mrl.switch_column
create or replace function mrl._choice_now(table_id regclass)
returns timestamptz
language sql
volatile
parallel safe
return greatest(
    pg_catalog.clock_timestamp(),
    (
        select
            pg_catalog.max(registry.chosen_at)
                operator(pg_catalog.+) interval '1 microsecond'
        from mrl.registry as registry
        where registry.table_id operator(pg_catalog.=) _choice_now.table_id
    )
);

-- How many rows have a vector in one full column and none in the other.
-- Called by: mrl.switch_column, mrl._findings_of
create or replace function mrl._missing_vectors(
    table_id regclass, from_column name, to_column name
)
returns bigint
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    missing bigint;
begin
    if row_security_active(table_id) then
        raise exception 'row-level security hides rows of table % from role %',
            table_id::regclass, current_user
            using errcode = 'insufficient_privilege',
                hint = 'do this as a role that sees every row';
    end if;
    execute format(
        'select count(*) from %s where %I is not null and %I is null',
        table_id, from_column, to_column
    )
    into missing;
    return missing;
end
$body$;

-- The full column that searches left for that of an index, if it is still there; else NULL.
-- Called by: mrl._findings_of
create or replace function mrl._replaced_column(table_id oid, index_name name)
returns name
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    own record;
    replaced name;
begin
    select
        coalesce(marked.full_now, marked.full_column) as full_column,
        registry.in_place_of,
        -- all indexes of a column are marked
        min(marked.index_name::text) over (
            partition by coalesce(marked.full_now, marked.full_column)
        ) as first_index
    into own
    from mrl._registered(_replaced_column.table_id) as marked
    join mrl.registry as registry
        on registry.table_id = marked.table_id
        and registry.index_name = marked.index_name
    where registry.in_place_of is not null
    order by marked.index_name = _replaced_column.index_name desc
    limit 1;
    if own.first_index is distinct from _replaced_column.index_name::text
        or mrl.in_use_column(_replaced_column.table_id, own.full_column) <> own.full_column
    then
        return null;
    end if;
    select coalesce(renamed.full_now, renamed.full_column)
    into replaced
    from mrl._registered(_replaced_column.table_id) as renamed
    where renamed.full_column = own.in_place_of
    limit 1;
    return (
        select attribute.attname
        from pg_attribute as attribute
        where attribute.attrelid = _replaced_column.table_id
            and attribute.attname = coalesce(replaced, own.in_place_of)
            and attribute.attname <> own.full_column
            and attribute.attnum > 0
            and not attribute.attisdropped
    );
end
$body$;
