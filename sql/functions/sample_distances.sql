-- Sets the share of a column's distances that is stored (0 stops it), and returns the settings.
-- mrl.sample_distances('docs', 'embedding', share => 0.01, most => 1000) -> share, most, kept
-- Called by: people, client/calibration.sql
create or replace function mrl.sample_distances(
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
    -- makes the trigger create or drop the table
    update mrl._own_sampling as known
    set distance_share = sample_distances.share,
        most_distances = coalesce(sample_distances.most, known.most_distances)
    where known.entry = claimed
        and known.full_column = sample_distances.full_column
    returning known.most_distances into most;
    kept := (mrl._kept(table_name, full_column)).distances;
end
$body$;

comment on function mrl.sample_distances(regclass, name, float8, int) is
'Makes mrl.keep_distance store a share of the distances of answers from a column of a table '
'you own, up to the number most: each a number, k and a day. Share 0 stores no further '
'distances and deletes none; mrl.forget_queries deletes them. Returns the settings in force, '
'and how many distances are stored.';
