-- Share of a table's rows that a filter, or a policy, lets through, as the planner thinks.
-- mrl._share(table_id oid, filter text, args text[]) -> float8, NULL where nobody knows
-- Called by: mrl.search, mrl.search_keys, mrl.search_many, queries/promised.sql
create or replace function mrl._share(table_id oid, filter text, args text[])
returns double precision
language plpgsql
volatile
parallel unsafe
as $body$
-- no search_path of its own: names in the filter mean what they mean to the caller
#variable_conflict use_variable
declare
    plan pg_catalog.json;
    all_rows double precision;
begin
    if filter is null and not pg_catalog.row_security_active(table_id) then
        return null;
    end if;
    -- a filter that is no condition is refused before it is planned, as a search would
    perform mrl._check_filter(filter, pg_catalog.cardinality(args));
    execute pg_catalog.format(
        'explain (format json) select from %s where true%s',
        table_id::pg_catalog.regclass, mrl._condition(filter)
    ) into plan
        using args[1], args[2], args[3], args[4], args[5], args[6], args[7], args[8],
            args[9], args[10], args[11], args[12], args[13], args[14], args[15], args[16];
    all_rows := mrl._rows(table_id);
    return case when all_rows operator(pg_catalog.>) 0 then least(
        (plan operator(pg_catalog.#>>) '{0,Plan,Plan Rows}')::double precision
            operator(pg_catalog./) all_rows,
        1
    ) end;
end
$body$;

comment on function mrl._share(oid, text, text[]) is
'Internal. Share of a table''s rows that a filter lets through, as the planner thinks.';
