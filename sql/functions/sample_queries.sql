-- Sets the share of a column's queries that is stored (0 stops it), and returns the settings.
-- mrl.sample_queries('docs', 'embedding', share => 0.01, most => 1000) -> share, most, kept
-- Called by: people, client/calibration.sql
create or replace function mrl.sample_queries(
    table_name regclass,
    full_column name,
    inout share float8 default 0.01,
    inout most int default null,
    out kept int
)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_column
declare
    claimed int := mrl._claim_sampling(table_name, full_column, share, most);
begin
    -- makes the trigger create or drop the query table
    update mrl._own_sampling as known
    set share = sample_queries.share,
        most = coalesce(sample_queries.most, known.most)
    where known.entry = claimed
        and known.full_column = sample_queries.full_column
    returning known.most into most;
    kept := (mrl._kept(table_name, full_column)).kept;
end
$body$;

comment on function mrl.sample_queries(regclass, name, float8, int) is
'Makes mrl.keep_query store a share of the queries of a column of a table you own, up to the '
'number most. Share 0 stores no further queries and deletes none; mrl.forget_queries deletes '
'them. Returns the settings in force, and how many queries are stored. Embeddings can be '
'turned back into text.';
