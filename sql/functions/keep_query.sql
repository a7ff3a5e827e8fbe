-- Stores a random share of the queries for later calibrations, if the table's owner turned it on.
-- mrl.keep_query('docs', 'embedding', query) -> boolean, whether it was kept
-- Called by: people, client/calibration.sql
create or replace function mrl.keep_query(
    table_name regclass,
    full_column name,
    query vector
)
returns boolean
language plpgsql
volatile
parallel unsafe
as $body$
-- names in full, for it is called beside each search: a search_path of its own costs
#variable_conflict use_variable
begin
    -- on a replica too
    if pg_catalog.current_setting('transaction_read_only')::pg_catalog.bool
        or not exists (
            select
            from mrl.query_sampling as sampling
            where sampling.table_id operator(pg_catalog.=) table_name
                and sampling.full_column operator(pg_catalog.=) full_column
                and sampling.share operator(pg_catalog.>) 0
        )
    then
        return false;
    end if;
    -- mrl._take_query decides
    insert into mrl.query_inbox (table_id, full_column, query)
    values (table_name, full_column, query);
    return found;
end
$body$;

comment on function mrl.keep_query(regclass, name, vector) is
'Keeps a query of a column that you may read, if its owner turned that on with '
'mrl.sample_queries and the lot falls on it; a random older one goes. Does nothing in a '
'read-only transaction, on a replica, and above read committed. Call it beside a search, '
'which itself writes nothing.';
