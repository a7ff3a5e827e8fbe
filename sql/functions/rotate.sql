-- Rotates and unrotates vectors of a column, for statements of your own.

-- A vector as the rows of a rotated column are.
-- mrl.rotate('docs', 'embedding', query) -> vector
-- Called by: people, mrl._rotated_in_sql, client/search.sql
create or replace function mrl.rotate(table_name regclass, full_column name, query vector)
returns vector
language plpgsql
stable
strict
set search_path = pg_catalog, pg_temp
as $body$
declare
    turned record := mrl._rotation_of(table_name, full_column, query);
begin
    return mrl._turn(turned.entry, turned.known_as, false, query);
end
$body$;

comment on function mrl.rotate(regclass, name, vector) is
'A vector of the model, rotated as the rows of a rotated column are, for a statement of your '
'own. mrl.search and all other functions of mrl_pg rotate their queries themselves. Reads the '
'whole matrix: about 2 ms at 768 dimensions, 4 ms at 1536.';

-- A vector of a rotated column as the model made it.
-- mrl.unrotate('docs', 'embedding', embedding) -> vector
-- Called by: people
create or replace function mrl.unrotate(table_name regclass, full_column name, turned vector)
returns vector
language plpgsql
stable
strict
set search_path = pg_catalog, pg_temp
as $body$
declare
    known record := mrl._rotation_of(table_name, full_column, turned);
begin
    return mrl._turn(known.entry, known.known_as, true, turned);
end
$body$;

comment on function mrl.unrotate(regclass, name, vector) is
'A vector that was read from a rotated column, as the model made it: the opposite of '
'mrl.rotate. To search for rows like one of the table, pass its vector to mrl.search through '
'this function.';
