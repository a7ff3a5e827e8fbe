-- Makes a function that searches the rows of one tenant, by the tenant's own index if it has one.
-- Slots: function, parameters, table, full_name, query, k, args, tenant, options
-- Called by: mrl._make_tenant_function
create or replace function mrl._tenant_function()
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
-- made by mrl.create_search_function; it keeps no plan, because each tenant has its own
#variable_conflict use_variable
begin
    if {tenant} is null then
        perform mrl._refuse_no_tenant();
    end if;
    return query
    select *
    from mrl.search(
        null::{table},
        {full_name},
        {query},
        k => {k},
        args => {args},
        tenant => {tenant}::pg_catalog.text{options}
    );
end
$mrl_pg$
$template$::pg_catalog.text;
