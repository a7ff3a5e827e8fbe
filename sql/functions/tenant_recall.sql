-- How much of the exact answers the index of a tenant finds, measured on rows of the tenant.
-- mrl.tenant_recall('docs', 'embedding', '42', k => 10, sample => 50) -> recall
-- Called by: people, client/tenants.sql
create or replace function mrl.tenant_recall(
    table_name regclass,
    full_column name,
    tenant text,
    k int default 10,
    sample int default 50,
    candidates int default null
)
returns float8
language plpgsql
volatile
parallel unsafe
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_variable
begin
    return (
        select measured.recall
        from mrl.recall(
            table_name, full_column, k => k, sample => sample, candidates => candidates,
            tenant => tenant, keep => true
        ) as measured
    );
end
$body$;

comment on function mrl.tenant_recall(regclass, name, text, int, int, int) is
'The share of the exact k nearest rows that a search of a tenant finds by the tenant''s own '
'index, on average over so many random rows of the tenant, themselves not counted. The same as '
'mrl.recall(…, tenant => …, keep => true), which also says how sure that is. Stored in '
'mrl.tenant_indexes. Rows are easier to find than questions are, so take it for an upper bound.';
