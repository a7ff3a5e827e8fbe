-- How passes name a row: by where it is, the same within one statement, whatever its key.
-- mrl._places(parts boolean) -> jsonb
-- Called by: mrl._table, mrl.search_sql, mrl.create_search_function
create or replace function mrl._places(parts boolean)
returns jsonb
language sql
immutable
parallel safe
-- a place is unique in one table only, so with parts or children it takes both
return case when parts
    then '{
        "names": "mrl_part, mrl_place",
        "columns": "tableoid, ctid",
        "pass_names": "mrl_pass.mrl_part, mrl_pass.mrl_place",
        "same_row": "mrl_row.ctid operator(pg_catalog.=) mrl_pass.mrl_place\n    and mrl_row.tableoid operator(pg_catalog.=) mrl_pass.mrl_part"
    }'::pg_catalog.jsonb
    else '{
        "names": "mrl_place",
        "columns": "ctid",
        "pass_names": "mrl_pass.mrl_place",
        "same_row": "mrl_row.ctid operator(pg_catalog.=) mrl_pass.mrl_place"
    }'::pg_catalog.jsonb
end;

comment on function mrl._places(boolean) is
'Internal. How passes name a row.';
