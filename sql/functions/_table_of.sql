-- The table whose rows are of a type.
-- mrl._table_of(type regtype) -> oid
-- Called by: mrl.search, mrl.search_many
create or replace function mrl._table_of(type regtype)
returns oid
language plpgsql
stable
as $body$
declare
    -- not by the type's name, which may mean another table: pg_temp comes first for tables
    table_id pg_catalog.oid := (
        select kind.typrelid
        from pg_catalog.pg_type as kind
        where kind.oid operator(pg_catalog.=) type::pg_catalog.oid
    );
begin
    -- a row type knows its table; which kind of one it is, mrl._table looks at
    if table_id operator(pg_catalog.=) 0::pg_catalog.oid then
        raise exception 'type % is not the row type of a table', type
            using errcode = 'datatype_mismatch',
                hint = 'pass a NULL of the table''s type, as in mrl.search(null::docs, …)';
    end if;
    return table_id;
end
$body$;

comment on function mrl._table_of(regtype) is
'Internal. The table whose rows are of a type.';
