-- Names of a short column and its index when nobody gives them.
-- mrl._names(table_name, full_column, dims, kind, distance) -> short_column, index_name
-- Called by: mrl.create_index_sql, mrl.create_index; mrl_pg.layout is its twin in Python
create or replace function mrl._names(
    table_name name,
    full_column name,
    dims int,
    kind text,
    distance text,
    out short_column name,
    out index_name name
)
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
begin
    short_column := mrl._fit(full_column::text, format('_%s_%s', dims, kind));
    index_name := mrl._fit(
        format('%s_%s', table_name, short_column), format('_%s_hnsw', distance)
    );
end
$body$;

comment on function mrl._names(name, name, int, text, text) is
'Internal. Names of a short column and its index when nobody gives them.';
