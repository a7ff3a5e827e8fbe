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
-- Called by: mrl.switch_column
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
