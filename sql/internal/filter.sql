-- Filters: which arguments they name, and which share of the rows they select.

-- The highest parameter number in a filter; 0 if it has none. Text in quotes does not count.
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

-- Raises if a filter names an argument that was not given.
-- Called by: mrl._plan, mrl._share, mrl.create_search_function, mrl._plan_recall
create or replace function mrl._check_filter(filter text, arguments int)
returns void
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
declare
    named int := mrl._parameters(filter);
begin
    if arguments > 16 then
        raise exception 'args has % values, more than 16', arguments
            using errcode = 'invalid_parameter_value',
                hint = 'pass several values as one array: id = any ($1::bigint[])';
    elsif arguments > 0 and filter is null then
        raise exception 'args was given without a filter'
            using errcode = 'invalid_parameter_value';
    end if;
    if named > coalesce(arguments, 0) then
        raise exception 'the filter names $%, but % values are given',
            named, coalesce(arguments, 0)
            using errcode = 'invalid_parameter_value',
                hint = 'filter => ''tenant = $1::int'', args => array[''7'']; for '
                    'mrl.create_search_function: parameters => array[''tenant int'']';
    end if;
end
$body$;

-- The share of a table's rows that a filter or a policy selects, as the planner estimates it.
-- Called by: mrl._begin, mrl.calibrate, mrl._measure, client/catalog.sql
create or replace function mrl._share(table_id oid, filter text, args text[])
returns double precision
language plpgsql
volatile
parallel unsafe
as $body$
-- no search_path of its own, so that PostgreSQL looks up the filter's names as the caller does
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
        -- the planner's estimate, because the table may have grown since the last analyze
        for planned in execute pg_catalog.format(
            'explain (format json) select from %s', table_id::pg_catalog.regclass
        ) loop
            all_rows := planned."QUERY PLAN" operator(pg_catalog.#>>) '{0,Plan,Plan Rows}';
        end loop;
    end if;
    -- a loop, although one row comes: unlike a plain execute, a loop raises if the filter
    -- contains further statements
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
