-- Whether a generated column is the short one of a full column.
-- mrl._is_prefix(expression text, type text, full_column name, dims int, kind text) -> boolean
-- Called by: mrl._facts, mrl._standing; mrl_pg.catalog.facts is its twin in Python
create or replace function mrl._is_prefix(
    expression text, type text, full_column name, dims int, kind text
)
returns boolean
language sql
stable
parallel safe
return coalesce(
    pg_catalog.concat('.', type) operator(pg_catalog.~~) pg_catalog.format(
        '%%.%s(%s)', kind, dims
    )
        -- named once: it takes the place of a call that writes the expression out
        and expression operator(pg_catalog.~~) pg_catalog.format(
            '%%%s(%%(%s, 1, %s)%%',
            case when kind operator(pg_catalog.=) 'bit'
                then 'binary\_quantize'
                else 'l2\_normalize'
            end,
            pg_catalog.replace(
                pg_catalog.replace(
                    pg_catalog.replace(pg_catalog.quote_ident(full_column), '\', '\\'),
                    '%',
                    '\%'
                ),
                '_',
                '\_'
            ),
            dims
        ),
    false
);

comment on function mrl._is_prefix(text, text, name, int, text) is
'Internal. Whether a generated column is the short one of a full column.';
