-- Operator class of a short column's index.
-- mrl._operator_class(kind text, distance text) -> name
-- Called by: mrl._facts, mrl.create_index_sql; mrl_pg.layout is its twin in Python
create or replace function mrl._operator_class(kind text, distance text)
returns name
language sql
stable
parallel safe
return pg_catalog.format(
    '%s_%s_ops',
    kind,
    case when kind operator(pg_catalog.=) 'bit' then 'hamming' else distance end
)::pg_catalog.name;

comment on function mrl._operator_class(text, text) is
'Internal. Operator class of a short column''s index.';
