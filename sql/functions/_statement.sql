-- The statement of a search by one query and one short column.
-- mrl._statement(kind, parts, answer, table_name, …) -> text; names come quoted
-- Called by: mrl._ordinary, mrl._plan
create or replace function mrl._statement(
    kind text,
    parts boolean,
    answer text,
    table_name text,
    condition text,
    candidates bigint,
    least_candidates bigint,
    extra text,
    k int,
    query text,
    full_type text,
    extension text,
    full_column text,
    operator text,
    short_column text,
    dims int
)
returns text
language sql
stable
parallel safe
-- the planner puts this into the caller's statement, with each pattern as a constant
return pg_catalog.format(
    case
        when kind operator(pg_catalog.=) 'bit' and parts then mrl._pattern('bit', true)
        when kind operator(pg_catalog.=) 'bit' then mrl._pattern('bit', false)
        when parts then mrl._pattern('vector', true)
        else mrl._pattern('vector', false)
    end,
    answer,
    table_name,
    condition,
    candidates,
    least_candidates,
    extra,
    k,
    query,
    full_type,
    extension,
    full_column,
    operator,
    short_column,
    case when kind operator(pg_catalog.=) 'bit' then '<~>' else operator end,
    dims,
    kind
);

comment on function mrl._statement(
    text, boolean, text, text, text, bigint, bigint, text, int, text, text, text, text,
    text, text, int
) is
'Internal. The statement of a search by one query and one short column.';
