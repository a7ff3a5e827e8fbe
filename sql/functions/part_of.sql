-- The part of a row by its vector, and the parts nearest to a query.

-- The number of the part that a row with this vector belongs to; 0 without a vector or direction.
-- mrl.part_of('docs', 'embedding', embedding) -> int
-- Called by: people
create or replace function mrl.part_of(table_name regclass, full_column name, embedding vector)
returns int
language plpgsql
stable
as $body$
-- qualified names rather than a search_path, because this runs for each row
declare
    known pg_catalog.record := mrl._parts_of(table_name::pg_catalog.oid, full_column);
begin
    return coalesce(
        (mrl._near_parts(known.entry, full_column, known.distance, embedding, 1))[1], 0
    );
end
$body$;

comment on function mrl.part_of(regclass, name, vector) is
'The number of the part (the partition) that a row with this vector belongs to, for the column '
'of parts of an insert or update of your own; 0 without a vector. Give the vector as the column '
'has it. PostgreSQL lets neither a trigger nor a generated column compute a partition key. '
'upsert and mrl-pg load do this themselves.';

-- The numbers of the parts whose centres are nearest to a query, nearest first.
-- mrl.nearest_parts('docs', 'embedding', query, probes => 8) -> int[]
-- Called by: people
create or replace function mrl.nearest_parts(
    table_name regclass, full_column name, query vector, probes int
)
returns int[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    known record := mrl._parts_of(table_name, full_column);
begin
    perform mrl._check_probes(probes);
    return mrl._near_parts(
        known.entry,
        full_column,
        known.distance,
        mrl._rotated(query, table_name, full_column),
        probes
    );
end
$body$;

comment on function mrl.nearest_parts(regclass, name, vector, int) is
'The numbers of the parts whose centres are nearest to a query, nearest first: those that a '
'search with as many probes reads, and part 0, whose rows nobody routed.';
