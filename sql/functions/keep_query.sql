-- Stores a random share of queries for later calibrations, if the table's owner allows that.
-- mrl.keep_query('docs', 'embedding', query) -> boolean, whether the query was stored
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
-- qualified names, because this runs beside each search and setting a search_path takes time
#variable_conflict use_variable
begin
    -- true on a replica, too
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
    -- mrl._take_query decides whether to store the query
    insert into mrl.query_inbox (table_id, full_column, query)
    values (table_name, full_column, query);
    return found;
end
$body$;

comment on function mrl.keep_query(regclass, name, vector) is
'Stores a query of a column that you may read, if the table''s owner turned sampling on with '
'mrl.sample_queries and the query is drawn at random. The query may replace a random older '
'query. Does nothing in a read-only transaction, on a replica, or at an isolation level above '
'read committed. Call it beside a search, because a search itself writes nothing.';
