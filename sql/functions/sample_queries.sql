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
    claimed int;
begin
    perform mrl.check_owner(table_name);
    perform mrl._table(table_name, full_column);
    if share is null or not share between 0 and 1 then
        raise exception 'share % is not from 0 to 1', coalesce(share::text, 'NULL')
            using errcode = 'invalid_parameter_value',
                hint = 'for example 0.01, one query in a hundred; 0 turns sampling off';
    elsif not most between 1 and 10000 then
        raise exception 'most % is outside 1 to 10000', most
            using errcode = 'invalid_parameter_value',
                hint = 'a calibration needs about 700 queries';
    end if;
    perform mrl._sweep();
    insert into mrl._claims (table_id)
    values (table_name)
    returning _claims.entry into claimed;
    insert into mrl._own_sampling (entry, full_column, share, most)
    values (claimed, sample_queries.full_column, 0, 1000)
    on conflict (entry, full_column) do nothing;
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
