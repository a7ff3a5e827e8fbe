-- The cheapest search that was measured to keep a recall, or a safe one, and which it is.
-- mrl._promised(table_id, index_name, k, recall, filtered, …) -> candidates, ef_search, promise
-- Called by: mrl._for_recall, queries/promised.sql, statements/promise.sql
create or replace function mrl._promised(
    table_id oid,
    index_name name,
    k int,
    recall float8,
    filtered boolean,
    -- of the table's rows, and the filter with its values, where they are known
    share float8 default null,
    filter text default null,
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
    rows_now bigint := mrl._rows(_promised.table_id);
    policed boolean := row_security_active(_promised.table_id);
    filtered boolean := _promised.filtered or policed;
begin
    if _promised.recall is null or not _promised.recall > 0 or _promised.recall > 1 then
        raise exception 'recall % is not a share above 0, at most 1',
            coalesce(_promised.recall::text, 'NULL')
            using errcode = 'invalid_parameter_value', hint = 'for example recall => 0.99';
    end if;
    built := mrl._built(_promised.table_id, _promised.index_name);
    with known as (
        select *
        from mrl._measured_for(
            _promised.table_id,
            _promised.index_name,
            _promised.k,
            filtered,
            _promised.share,
            -- under a policy the same filter lets other rows through
            case when _promised.filtered and not policed then _promised.filter end
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
                coalesce(abs(rows_now - best.rows) <= changed * best.rows, true)
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

comment on function mrl._promised(oid, name, int, float8, boolean, float8, text) is
'Internal. The cheapest search that was measured to keep a recall.';
