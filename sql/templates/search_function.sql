-- Makes a function that searches one table with a cached plan.
-- Slots: function, parameters, table, query, k, candidates, most, checks, statement, left_over, …
-- Called by: mrl.create_search_function
create or replace function mrl._search_function()
returns text
language sql
immutable
parallel safe
return $template$
create function {function}({parameters})
returns setof {table}
language plpgsql
volatile
parallel unsafe
as $mrl_pg$
-- made by mrl.create_search_function; a name in a statement means a column before a variable
#variable_conflict use_column
declare
    mrl_before pg_catalog.text[];
    mrl_replaced pg_catalog.text[];
    -- a filter or a policy lets only some rows through
    mrl_limited pg_catalog.bool;
    mrl_wanted pg_catalog.int8;
    mrl_mode pg_catalog.text;
    mrl_found pg_catalog.record;
    mrl_came pg_catalog.int8 := 0;
    mrl_more pg_catalog.bool;
begin
    if pg_catalog.to_regclass('pg_catalog.pg_dist_partition') is not null then
        perform mrl._refuse_spread(
            {table_id}::pg_catalog.oid,
            'search it from Python or the shell, which hand settings on to the shards'
        );
    end if;
    if {query} is null
        or mrl._dims({query}) operator(pg_catalog.<>) {full_dims}
        or {cosine} and mrl._is_zero({query})
    then
        perform mrl._refuse_query({query}, {facts});
    elsif {k} is null
        or {k} operator(pg_catalog.<) 1
        or {k} operator(pg_catalog.>) {most}
    then
        perform mrl._refuse_k({k}, {most});
    end if;
{checks}
    {query} := mrl._rotated({query}, {table_id}::pg_catalog.oid, {full_name});
    mrl_limited := {filtered} or pg_catalog.row_security_active({table_id});
    mrl_wanted := case when mrl_limited then {k} else {candidates} end;
    if not mrl_limited then
        mrl_before := mrl._enter({settings});
        return query
{statement};
        get diagnostics mrl_came = row_count;
        if mrl_came operator(pg_catalog.>) 0 then
            mrl_replaced := mrl._enter(mrl_before);
            return;
        end if;
    end if;
    -- no row means too few candidates, so search again with an iterative scan
    mrl_replaced := mrl._enter({settings_again});
    mrl_before := coalesce(mrl_before, mrl_replaced);
    mrl_mode := pg_catalog.current_setting('plan_cache_mode');
    if mrl_limited then
        -- plan for these values, because a plan for other values might find too few rows
        mrl_replaced[1] := pg_catalog.set_config('plan_cache_mode', 'force_custom_plan', true);
    end if;
    for mrl_found in
{statement_again}
    loop
        return next mrl_found.mrl_hit;
        mrl_came := mrl_found.mrl_seen;
    end loop;
    mrl_replaced := mrl._enter(mrl_before);
    mrl_more := false;
    if mrl_came operator(pg_catalog.<) mrl_wanted then
        mrl_more := (
{left_over}
        );
    end if;
    mrl_replaced[1] := pg_catalog.set_config('plan_cache_mode', mrl_mode, true);
    if mrl_more then
        perform mrl._warn_cut_short(mrl_came, mrl_wanted, mrl_limited);
    end if;
end
$mrl_pg$
$template$::pg_catalog.text;
