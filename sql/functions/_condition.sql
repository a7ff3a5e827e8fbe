-- A filter as it goes into a where, on lines of its own, so that a comment in it ends.
-- mrl._condition(filter text) -> text
-- Called by: mrl._plan, mrl._share, mrl.search_sql, and most that make statements
create or replace function mrl._condition(filter text)
returns text
language sql
stable
parallel safe
return case when filter is null
    then ''
    else pg_catalog.format(e'\n    and (\n%s\n    )', filter)
end;

comment on function mrl._condition(text) is
'Internal. A filter as it goes into a where.';
