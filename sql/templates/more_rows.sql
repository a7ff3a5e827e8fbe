-- Whether the table holds more rows that a first pass could have handed over.
-- Slots: table, value, extension, operator, where, seen
-- Called by: mrl_pg.plan, only after a search that saw fewer candidates than asked
select exists (
    select
    from {table}
    -- a vector that is not even comparable with itself is never answered
    where ({value} operator({extension}.{operator}) {value}) operator(pg_catalog.<>) 'NaN'::pg_catalog.float8{where}
    offset {seen}
)
