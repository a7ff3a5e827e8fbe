-- Full columns of two models in one table.

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
