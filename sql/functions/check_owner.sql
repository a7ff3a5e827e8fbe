-- Raises if the caller does not own a table. The views check the owner again on each write.
-- mrl.check_owner(table_id regclass) -> void
-- Called by: mrl.register, mrl.unregister, mrl.drop_index, mrl._plan_calibration, mrl._measure
create or replace function mrl.check_owner(table_id regclass)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    table_owner oid := (
        select class.relowner
        from pg_class as class
        where class.oid = table_id
            and class.relkind in ('r', 'p')
    );
begin
    if table_owner is null then
        raise exception '% is not a table', coalesce(table_id::text, 'null')
            using errcode = 'undefined_table';
    elsif not pg_has_role(current_user, table_owner, 'usage') then
        raise exception 'role % does not own table %', current_user, table_id
            using errcode = 'insufficient_privilege',
                hint = format(
                    'do this as role %s, or as a member of that role',
                    quote_ident(pg_get_userbyid(table_owner))
                );
    end if;
end
$body$;

comment on function mrl.check_owner(regclass) is
'Raises insufficient_privilege unless the caller owns the table.';
