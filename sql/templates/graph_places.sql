-- The rows of one run of pages, with their short values.
-- Slots: short, table, full, first_page, end_page
-- Called by: mrl._graph_recall
create or replace function mrl._graph_places()
returns text
language sql
immutable
parallel safe
return $template$
    select
        mrl_row.ctid as place,
        {short} as short
    from only {table} as mrl_row
    where mrl_row.{full} is not null
        and mrl_row.ctid operator(pg_catalog.>=) '({first_page},0)'::pg_catalog.tid
        and mrl_row.ctid operator(pg_catalog.<) '({end_page},0)'::pg_catalog.tid
$template$::pg_catalog.text;
