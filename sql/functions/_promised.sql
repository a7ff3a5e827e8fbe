-- The cheapest search that was measured to keep a recall, or a safe one, and which it is.
-- mrl._promised(table_id, index_name, k, recall, filtered) -> candidates, ef_search, promise
-- Called by: mrl._plan, mrl.search_sql, mrl.create_search_function, queries/promised.sql
create or replace function mrl._promised(
    table_id oid,
    index_name name,
    k int,
    recall float8,
    filtered boolean,
    out candidates int,
    out ef_search int,
    -- kept, unreached, stale or uncalibrated
    out promise text,
    -- mean and lower bound as measured, of the search that was chosen
    out measured float8,
    out low float8
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_column
declare
    -- a promise is to half a percent: a bound above it would take thousands of queries
    slack constant float8 := 0.005;
    changed constant float8 := 0.2;
    built record;
    -- a policy lets through what a filter would
    filtered boolean := _promised.filtered or row_security_active(_promised.table_id);
begin
    if _promised.recall is null or not _promised.recall > 0 or _promised.recall > 1 then
        raise exception 'recall % is not a share above 0, at most 1',
            coalesce(_promised.recall::text, 'NULL')
            using errcode = 'invalid_parameter_value', hint = 'for example recall => 0.99';
    end if;
    built := mrl._built(_promised.table_id, _promised.index_name);
    with known as (
        select *
        from mrl.calibrations as known
        where known.table_id = _promised.table_id::regclass
            and known.index_name = _promised.index_name
            and (known.filter <> '') = filtered
            and known.k = (
                -- measured for more answers it holds for fewer
                select min(other.k)
                from mrl.calibrations as other
                where other.table_id = known.table_id
                    and other.index_name = known.index_name
                    and other.filter = known.filter
                    and other.k >= _promised.k
            )
    ),
    best as (
        -- for each filter the cheapest that keeps it, else the one that finds most
        select distinct on (known.filter)
            known.*,
            known.recall >= _promised.recall
                and known.low >= _promised.recall - slack as keeps
        from known
        order by
            known.filter,
            known.recall >= _promised.recall
                and known.low >= _promised.recall - slack desc,
            case when known.recall >= _promised.recall
                and known.low >= _promised.recall - slack
                then known.median_ms
            end,
            -- not the bound: of queries that all found everything it is a wide one
            known.recall desc,
            known.median_ms
    )
    select
        max(best.candidates),
        max(best.ef_search),
        min(best.recall),
        min(best.low),
        case
            when not bool_and(
                coalesce(abs(built.rows - best.rows) <= changed * best.rows, true)
                and best.m = built.m
                and best.ef_construction = built.ef_construction
            ) then 'stale'
            when bool_and(best.keeps) then 'kept'
            else 'unreached'
        end
    into candidates, ef_search, measured, low, promise
    from best
    having count(*) > 0;
    if promise is null or promise = 'stale' then
        promise := coalesce(promise, 'uncalibrated');
        -- what sentences of 1536 dimensions took, with room: see docs/recall.md
        candidates := least(
            greatest(160, 8 * _promised.k::bigint) * case
                when _promised.recall <= 0.95 then 1
                when _promised.recall <= 0.99 then 3
                else 8
            end,
            1000000000
        );
        ef_search := least(candidates, 1000);
        measured := null;
        low := null;
    end if;
end
$body$;

comment on function mrl._promised(oid, name, int, float8, boolean) is
'Internal. The cheapest search that was measured to keep a recall.';
