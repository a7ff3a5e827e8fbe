-- Queries in the table of one column, when who calls may read them.
-- mrl._kept_in(room int) -> kept_on date, query vector
-- Called by: mrl.kept_queries
create or replace function mrl._kept_in(room int)
returns table (kept_on date, query vector)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    own text := format('mrl.%I', '_own_queries_' || room);
begin
    if to_regclass(own) is not null then
        return query execute format(
            'select kept_on, query from %s where query is not null', own
        );
    end if;
end
$body$;

comment on function mrl._kept_in(int) is
'Internal. Queries that were kept of one column, to its owner.';
