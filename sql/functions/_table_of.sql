-- The table whose rows are of a type.
-- mrl._table_of(type regtype) -> oid
-- Called by: mrl.search, mrl.search_many
create or replace function mrl._table_of(type regtype)
returns oid
language plpgsql
stable
as $body$
declare
    -- a row type has the name of its table; what it is, mrl._table looks at
    table_id pg_catalog.oid := pg_catalog.to_regclass(type::pg_catalog.text);
begin
    if table_id is null then
        raise exception 'type % is not the row type of a table', type
            using errcode = 'datatype_mismatch',
                hint = 'pass a NULL of the table''s type, as in mrl.search(null::docs, …)';
    end if;
    return table_id;
end
$body$;

comment on function mrl._table_of(regtype) is
'Internal. The table whose rows are of a type.';
