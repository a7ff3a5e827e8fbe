-- Operator class of a short column's index.
-- mrl._operator_class(kind text, distance text) -> name
-- Called by: mrl._slots, mrl.create_index_sql; mrl_pg.layout is its twin in Python
create or replace function mrl._operator_class(kind text, distance text)
returns name
language sql
stable
parallel safe
return format('%s_%s_ops', kind, case kind when 'bit' then 'hamming' else distance end)::name;

comment on function mrl._operator_class(text, text) is
'Internal. Operator class of a short column''s index.';
