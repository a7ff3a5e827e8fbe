-- Stores a random share of the distances of answers, if the table's owner allows that.
-- mrl.keep_distance('docs', 'embedding', 10, distance) -> boolean, whether it was stored
-- Called by: people, client/calibration.sql
create or replace function mrl.keep_distance(
    table_name regclass,
    full_column name,
    -- how many rows were asked for, and the distance of the last of them
    k int,
    distance float8
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
                and sampling.distance_share operator(pg_catalog.>) 0
        )
    then
        return false;
    end if;
    -- mrl._take_distance decides whether to store the distance
    insert into mrl.distance_inbox (table_id, full_column, k, distance)
    values (table_name, full_column, k, distance);
    return found;
end
$body$;

comment on function mrl.keep_distance(regclass, name, int, float8) is
'Stores the distance of the k-th answer of a search without a filter, if the table''s owner '
'turned that on with mrl.sample_distances and the distance is drawn at random. It may replace '
'a random older distance. Does nothing in a read-only transaction, on a replica, or at an '
'isolation level above read committed. Call it beside a search, because a search itself '
'writes nothing.';
