-- Refuses a size, kind, distance or graph that PostgreSQL or pgvector would refuse.
-- mrl._check_layout(dims, kind, distance, m, ef_construction) -> void
-- Called by: mrl.create_index_sql; mrl_pg.layout is its twin in Python
create or replace function mrl._check_layout(
    dims int, kind text, distance text, m int, ef_construction int
)
returns void
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
declare
    -- pgvector's manual, "HNSW"
    limits jsonb := '{"vector": 2000, "halfvec": 4000, "bit": 64000}';
    wrong text;
begin
    wrong := case
        when kind is null or not limits ? kind
        then format('kind %L is unknown: choose vector, halfvec or bit', kind)
        when distance is null or distance not in ('cosine', 'l2', 'ip')
        then format('distance %L is unknown: choose cosine, l2 or ip', distance)
        when dims is null or dims not between 1 and (limits ->> kind)::int
        then format(
            'dims %s is outside 1 to %s, which an HNSW index takes of kind %s',
            coalesce(dims::text, 'NULL'), limits ->> kind, kind
        )
        when m is null or m not between 2 and 100
        then format('m %s is outside 2 to 100', coalesce(m::text, 'NULL'))
        when ef_construction is null or ef_construction not between 4 and 1000
        then format(
            'ef_construction %s is outside 4 to 1000',
            coalesce(ef_construction::text, 'NULL')
        )
        when ef_construction < 2 * m
        then format(
            'ef_construction %s is below twice m %s: raise it, or lower m',
            ef_construction, m
        )
    end;
    if wrong is not null then
        raise exception '%', wrong using errcode = 'invalid_parameter_value';
    end if;
end
$body$;

comment on function mrl._check_layout(int, text, text, int, int) is
'Internal. Raises what is wrong with a size, kind, distance or graph.';
