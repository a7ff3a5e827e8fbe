-- Fills a trigger's short column for some rows that nobody holds; writes no more after `until`.
-- Slots: part, short, value, todo, first_page, end_page, most, until
-- Called by: mrl._fill_statement
create or replace function mrl._fill_pages()
returns text
language sql
immutable
parallel safe
return $template$
with mrl_free as materialized (
    select mrl_row.ctid
    from only {part} as mrl_row
    where mrl_row.ctid operator(pg_catalog.>=) '({first_page},0)'::pg_catalog.tid
        and mrl_row.ctid operator(pg_catalog.<) '({end_page},0)'::pg_catalog.tid
        and {todo}
    limit {most}
    for no key update skip locked
), mrl_written as (
    update only {part}
    -- the value itself, because a trigger may skip updates that change nothing
    set {short} = {value}
    where ctid operator(pg_catalog.=) any (array(select mrl_free.ctid from mrl_free))
        -- read again before each row is written
        and pg_catalog.clock_timestamp() operator(pg_catalog.<) {until}::pg_catalog.timestamptz
    returning 1
)
select
    (select pg_catalog.count(*) from mrl_free) as locked,
    (select pg_catalog.count(*) from mrl_written) as written
$template$::pg_catalog.text;
