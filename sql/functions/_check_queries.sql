-- Refuses queries that a search cannot answer.
-- mrl._check_queries(queries vector[], slots jsonb) -> void
-- Called by: mrl._plan, mrl._plan_recall, mrl._plan_calibration
create or replace function mrl._check_queries(queries vector[], slots jsonb)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    for place in 1 .. coalesce(cardinality(queries), 0) loop
        if mrl._dims(queries[place]) is distinct from (slots ->> 'full_dims')::int
            or slots ->> 'operator' = '<=>' and mrl._is_zero(queries[place])
        then
            perform mrl._refuse_query(queries[place], slots);
        end if;
    end loop;
end
$body$;

comment on function mrl._check_queries(vector[], jsonb) is
'Internal. Refuses queries that a search cannot answer.';
