-- Highest parameter that a filter names, 0 for none; what stands in quotes does not count.
-- mrl._parameters(filter text) -> int
-- Called by: mrl._check_filter, mrl.search_sql
create or replace function mrl._parameters(filter text)
returns int
language sql
immutable
parallel safe
return coalesce(
    (
        select pg_catalog.max(number[1]::int)
        from pg_catalog.regexp_matches(
            pg_catalog.regexp_replace(filter, '''[^'']*''|"[^"]*"', '', 'g'),
            '[$]([0-9]{1,6})',
            'g'
        ) as number
    ),
    0
);

comment on function mrl._parameters(text) is
'Internal. Highest parameter that a filter names.';
