-- Share of a table's rows that a filter, or a policy, lets through, as the planner thinks.
-- mrl._share(table_id oid, filter text, args text[]) -> float8, NULL where nobody knows
-- Called by: mrl.search and its kin, mrl.calibrate, mrl.recall, queries/promised.sql
create or replace function mrl._share(table_id oid, filter text, args text[])
returns double precision
language plpgsql
volatile
parallel unsafe
as $body$
-- no search_path of its own: names in the filter mean what they mean to the caller
#variable_conflict use_variable
declare
    planned pg_catalog.record;
    share double precision;
    all_rows double precision;
begin
    if filter is null and not pg_catalog.row_security_active(table_id) then
        return null;
    end if;
    perform mrl._check_filter(filter, pg_catalog.cardinality(args));
    all_rows := mrl._rows(table_id);
    if all_rows operator(pg_catalog.>) 0
        and not pg_catalog.row_security_active(table_id)
    then
        -- what the planner takes the table for: it may have grown since it was analysed
        for planned in execute pg_catalog.format(
            'explain (format json) select from %s', table_id::pg_catalog.regclass
        ) loop
            all_rows := planned."QUERY PLAN" operator(pg_catalog.#>>) '{0,Plan,Plan Rows}';
        end loop;
    end if;
    -- a loop, though one row comes: unlike a plain execute it takes a single statement, and
    -- refuses a filter that brings more
    for planned in execute pg_catalog.format(
        'explain (format json) select from %s where true%s',
        table_id::pg_catalog.regclass, mrl._condition(filter)
    )
        using args[1], args[2], args[3], args[4], args[5], args[6], args[7], args[8],
            args[9], args[10], args[11], args[12], args[13], args[14], args[15], args[16]
    loop
        share := case when all_rows operator(pg_catalog.>) 0 then least(
            (planned."QUERY PLAN" operator(pg_catalog.#>>) '{0,Plan,Plan Rows}')::double precision
                operator(pg_catalog./) all_rows,
            1
        ) end;
    end loop;
    return share;
end
$body$;

comment on function mrl._share(oid, text, text[]) is
'Internal. Share of a table''s rows that a filter lets through, as the planner thinks.';
