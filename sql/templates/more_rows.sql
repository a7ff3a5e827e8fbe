-- Whether the table holds more rows than a first pass handed over, and its oid.
-- Slots: table, table_id, full, extension, operator, where, seen
-- Called by: mrl_pg.render.searches, mrl._plan, mrl.create_search_function
create or replace function mrl._more_rows()
returns text
language sql
immutable
parallel safe
return $template$
select
    -- counts first, without a look at a vector
    exists (
        select
        from {table}
        where true{where}
            and {full} is not null
        offset {seen}
    )
    and exists (
        select
        from {table}
        where true{where}
            -- a vector that is not even comparable with itself is never answered
            and ({full} operator({extension}{operator}) {full})
                operator(pg_catalog.<>) 'NaN'::pg_catalog.float8
        offset {seen}
    ) as left_over{extra}
$template$::pg_catalog.text;

comment on function mrl._more_rows() is
'Internal. Template: whether rows are left over after a search.';
