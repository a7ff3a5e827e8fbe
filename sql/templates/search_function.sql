-- Makes a function that searches one table, its plan kept from call to call.
-- Slots: function, parameters, table, query, k, candidates, settings, statement, left_over, …
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
-- made by mrl.create_search_function; names in the statements are columns first
#variable_conflict use_column
declare
    mrl_before pg_catalog.text[];
    mrl_settings pg_catalog.text[];
    mrl_came pg_catalog.int8;
    mrl_more pg_catalog.bool;
begin
    if {query} is null
        or mrl._dims({query}) operator(pg_catalog.<>) {full_dims}
        or {cosine} and mrl._is_zero({query})
    then
        perform mrl._refuse_query({query}, {facts});
    elsif {k} is null
        or {k} operator(pg_catalog.<) 1
        or {k} operator(pg_catalog.>) {candidates}
    then
        perform mrl._refuse_k({k}, {candidates});
    end if;
    mrl_before := mrl._enter({settings});
    return query
{statement};
    get diagnostics mrl_came = row_count;
    -- none: too few candidates, so once more with a scan that goes on for them
    if mrl_came operator(pg_catalog.=) 0 and {guarded} then
        mrl_settings := mrl._enter({settings_again});
        return query
{statement_again};
        get diagnostics mrl_came = row_count;
    end if;
    mrl_settings := mrl._enter(mrl_before);
    if mrl_came operator(pg_catalog.<) {k} then
        mrl_more := (
{left_over}
        );
        if mrl_more then
            perform mrl._warn_cut_short(mrl_came, {k});
        end if;
    end if;
end
$mrl_pg$
$template$::pg_catalog.text;

comment on function mrl._search_function() is
'Internal. Template: makes a function that searches one table.';
