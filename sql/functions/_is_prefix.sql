-- Whether a generated column is the short one of a full column.
-- mrl._is_prefix(expression text, type text, full_column name, dims int, kind text) -> boolean
-- Called by: mrl._slots, mrl._standing; mrl_pg.facts is its twin in Python
create or replace function mrl._is_prefix(
    expression text, type text, full_column name, dims int, kind text
)
returns boolean
language sql
stable
parallel safe
return coalesce(
    type operator(pg_catalog.~) pg_catalog.format('(^|[.])%s\(%s\)$', kind, dims)
        and position(pg_catalog.format('(%I, 1, %s)', full_column, dims) in expression)
            operator(pg_catalog.>) 0
        and position(
            case
                when kind operator(pg_catalog.=) 'bit' then 'binary_quantize('
                else 'l2_normalize('
            end
            in expression
        ) operator(pg_catalog.>) 0,
    false
);

comment on function mrl._is_prefix(text, text, name, int, text) is
'Internal. Whether a generated column is the short one of a full column.';
