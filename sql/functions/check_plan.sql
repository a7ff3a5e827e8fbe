-- Raises if a search would not use its index; for tests of applications.
-- mrl.check_plan('docs', 'embedding', k => 10, filter => …, small => 10000) -> one row
-- Called by: people
create or replace function mrl.check_plan(
    table_name regclass,
    full_column name,
    k int default 10,
    candidates int default null,
    filter text default null,
    args text[] default null,
    dims int default null,
    kind text default null,
    index_name name default null,
    ef_search int default null,
    max_scan_tuples int default null,
    rerank int default null,
    recall float8 default null,
    quantile float8 default null,
    tenant text default null,
    -- with fewer rows the index need only fit the search, because to read all rows is right
    small int default 10000,
    out used_index name,
    -- whether the planner had to be kept from other ways
    out forced boolean
)
language plpgsql
volatile
parallel unsafe
as $body$
-- no search_path of its own, so that PostgreSQL looks up the filter's names as the caller does
#variable_conflict use_variable
declare
    facts pg_catalog.jsonb := mrl._table(table_name::pg_catalog.oid, full_column);
    -- planning reads no row, and the vector makes no difference
    query_dims pg_catalog.int4 := facts operator(pg_catalog.->>) 'full_dims';
    others pg_catalog.text[] := array['enable_seqscan', 'enable_bitmapscan', 'enable_sort'];
    before pg_catalog.text[];
    search pg_catalog.record;
    planned pg_catalog.record;
    plan pg_catalog.jsonb;
    rows pg_catalog.int8 := coalesce(mrl._rows(table_name::pg_catalog.oid), 0);
    scans pg_catalog.text;
    fits pg_catalog.bool;
    done pg_catalog.text;
begin
    if small is null or small operator(pg_catalog.<) 0 then
        raise exception 'small is %', coalesce(small::pg_catalog.text, 'NULL')
            using errcode = 'invalid_parameter_value',
                hint = 'give a number of rows, such as 10000; 0 asks what the planner does with '
                    'the rows that are there, however few';
    end if;
    if tenant is null then
        -- nothing may stand in for the index that is named
        used_index := mrl._found(
            table_name::pg_catalog.oid, full_column, dims, kind, index_name
        ) operator(pg_catalog.->>) 'index_name';
    end if;
    search := mrl._begin(
        'rows',
        array[mrl._ones(query_dims)],
        pg_catalog.jsonb_build_object(
            'table_id', table_name::pg_catalog.oid, 'full_column', full_column,
            'k', k, 'candidates', candidates, 'filter', filter, 'args', args, 'dims', dims,
            'kind', kind, 'index_name', index_name, 'ef_search', ef_search,
            'max_scan_tuples', max_scan_tuples, 'rerank', rerank, 'exact', false,
            'recall', recall, 'quantile', quantile, 'tenant', tenant
        ),
        1
    );
    if search.settings is null then
        raise exception 'this search of % is exact, and uses no index', table_name
            using errcode = 'assert_failure',
                hint = case
                    when tenant is not null
                    then 'the tenant has no index of its own: select mrl.tenants_sql, or expect it'
                    else 'exact search was fastest when it was calibrated; give candidates, or '
                        'calibrate again'
                end;
    end if;
    forced := false;
    for attempt in 1 .. 2 loop
        if attempt operator(pg_catalog.=) 2 then
            for place in 1 .. 3 loop
                before[place] := pg_catalog.current_setting(others[place]);
                done := pg_catalog.set_config(others[place], 'off', true);
            end loop;
        end if;
        -- a loop, although one row comes: unlike a plain execute, a loop raises if the filter
        -- contains further statements
        for planned in
            execute pg_catalog.concat('explain (verbose, format json) ', search.statement)
            using args[1], args[2], args[3], args[4], args[5], args[6], args[7], args[8],
                args[9], args[10], args[11], args[12], args[13], args[14], args[15], args[16],
                mrl._ones(query_dims)
        loop
            plan := planned."QUERY PLAN";
        end loop;
        -- with all ways turned off, the planner takes any
        fits := mrl._is_by_index(table_name::pg_catalog.oid, plan)
            and (not forced or pg_catalog.current_setting('enable_indexscan')::pg_catalog.bool);
        scans := coalesce(scans, mrl._scans(plan));
        exit when fits;
        forced := true;
    end loop;
    if before is not null then
        for place in 1 .. 3 loop
            done := pg_catalog.set_config(others[place], before[place], true);
        end loop;
    end if;
    before := mrl._enter(search.before);
    if fits and (not forced or rows operator(pg_catalog.<) small) then
        used_index := coalesce(
            used_index,
            pg_catalog.jsonb_path_query_first(
                plan, '$.** ? (exists(@."Order By"))."Index Name"'
            ) operator(pg_catalog.#>>) '{}'
        );
        return;
    end if;
    raise exception 'a search of % does not use index %', table_name,
        coalesce(pg_catalog.quote_ident(used_index), 'of its tenant')
        using errcode = 'assert_failure',
            detail = pg_catalog.format('It reads %s rows by: %s', rows, scans),
            hint = case
                when fits
                then pg_catalog.format(
                    'the index fits, but the planner takes another way: analyze %s; if the '
                    'filter lets few rows through, that way is right', table_name
                )
                else pg_catalog.format(
                    'the index cannot serve it: is enable_indexscan on, and is every partition '
                    'indexed? select * from mrl.status(%L)', table_name::pg_catalog.text
                )
            end;
end
$body$;

comment on function mrl.check_plan(
    regclass, name, int, int, text, text[], int, text, name, int, int, int, float8, float8,
    text, int
) is
'Raises assert_failure (P0004) if a search with these arguments, which are those of mrl.search, '
'would not use its index; the search is planned and not run. Otherwise returns the index, and '
'whether the planner had to be kept from other ways. That is enough on a table of fewer rows '
'than small, where to read all rows is right. small => 0 asks what the planner does by itself.';
