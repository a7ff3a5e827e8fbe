-- Searches for a recall: which calibration reached it, and a warning if none did.

-- Calibrations that apply to a search: of the same filter, or of filters about as selective.
-- Called by: mrl._promised
create or replace function mrl._measured_for(
    table_id oid,
    index_name name,
    k int,
    -- a filter or a policy lets only some rows through
    filtered boolean,
    -- the estimated share of the table's rows that the filter selects, NULL if unknown
    share float8,
    -- the filter with its values, as mrl.calibrate stores it
    filter text
)
returns setof mrl.calibrations
language sql
stable
parallel safe
begin atomic
    with known as (
        select known.*
        from mrl.calibrations as known
        where known.table_id
                operator(pg_catalog.=) _measured_for.table_id::pg_catalog.regclass
            and known.index_name operator(pg_catalog.=) _measured_for.index_name
            and known.k operator(pg_catalog.=) (
                -- a recall that was measured for more answers also holds for fewer
                select pg_catalog.min(other.k)
                from mrl.calibrations as other
                where other.table_id operator(pg_catalog.=) known.table_id
                    and other.index_name operator(pg_catalog.=) known.index_name
                    and other.filter operator(pg_catalog.=) known.filter
                    and other.k operator(pg_catalog.>=) _measured_for.k
            )
    ),
    around as (
        select
            -- the planner estimates shares, so half or twice the share is close enough
            pg_catalog.max(known.share) filter (
                where known.share operator(pg_catalog.<=) (
                    2 operator(pg_catalog.*) _measured_for.share
                )
            ) as below,
            -- a calibration without a filter counts as the least selective filter
            pg_catalog.min(known.share) filter (
                where known.share operator(pg_catalog.>=) (
                    _measured_for.share operator(pg_catalog./) 2
                )
            ) as above,
            pg_catalog.bool_or(
                known.filter operator(pg_catalog.=) _measured_for.filter
            ) as own
        from known
    )
    select known.*
    from known
    cross join around
    where case
        when not filtered then known.filter operator(pg_catalog.=) ''
        when around.own then known.filter operator(pg_catalog.=) _measured_for.filter
        when _measured_for.share is null then known.filter operator(pg_catalog.<>) ''
        else around.below is not null
            and around.above is not null
            and known.share operator(pg_catalog.=) any (array[around.below, around.above])
    end;
end;

-- The cheapest search measured to reach a recall, else a safe search; and which of these it is.
-- Called by: mrl._for_recall, client/catalog.sql, client/search.sql
create or replace function mrl._promised(
    table_id oid,
    index_name name,
    k int,
    recall float8,
    filtered boolean,
    -- the share of the table's rows that the filter selects, and the filter with its values
    share float8 default null,
    filter text default null,
    out candidates int,
    out ef_search int,
    -- kept, unreached, stale or uncalibrated
    out standing text,
    -- measured mean and lower bound of the search that was chosen
    out measured float8,
    out low float8
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
#variable_conflict use_column
declare
    -- the lower bound may miss the recall by this: a tighter bound takes thousands of queries
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
            -- not under a policy, because the filter may select other rows for another role
            case when _promised.filtered and not policed then _promised.filter end
        )
    ),
    best as (
        -- for each filter the cheapest search that reaches the recall, else the best recall
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
            -- not the bound, which is far below the mean if every query found everything
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
    into candidates, ef_search, measured, low, standing
    from best
    having count(*) > 0;
    if standing is null or standing = 'stale' then
        standing := coalesce(standing, 'uncalibrated');
        -- more than embeddings of sentences with 1536 dimensions needed; see docs/recall.md
        candidates := least(
            mrl._default_candidates(_promised.k) * case
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

-- Warns that no measurement supports the wanted recall.
-- Called by: mrl._for_recall
create or replace function mrl._warn_promise(
    standing text,
    recall float8,
    measured float8,
    slots jsonb,
    full_column text,
    k int,
    filtered boolean
)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    if standing = 'kept' then
        return;
    elsif standing = 'unreached' and measured >= recall then
        raise warning 'recall % is not sure: % was measured, on too few queries',
            recall, round(measured::numeric, 4)
            using hint = format(
                'select mrl.calibrate(%L, %L, index_name => %L, k => %s, sample => …) with a '
                'larger sample',
                slots ->> 'table', full_column, slots ->> 'index_name', k
            );
        return;
    elsif standing = 'unreached' then
        raise warning 'recall % is out of reach: the most that was measured is %',
            recall, round(measured::numeric, 4)
            using hint = 'use more dims, another kind, a larger m or ef_construction, or '
                'exact => true';
        return;
    end if;
    raise warning 'recall % is not kept by a measurement: % for k %',
        recall,
        case standing
            when 'stale' then 'the table or its index has changed since the calibration'
            else 'there is no calibration'
        end,
        k || case when filtered then ' with a filter' else '' end
        using hint = format(
            'select mrl.calibrate(%L, %L, index_name => %L, k => %s%s); until then the search '
            'takes a safe number of candidates',
            slots ->> 'table',
            full_column,
            slots ->> 'index_name',
            k,
            case when filtered then ', filter => …' else '' end
        );
end
$body$;

-- The arguments of the filter, from the arguments of a search.
-- Called by: mrl._begin, mrl._for_recall
create or replace function mrl._args(asked jsonb)
returns text[]
language sql
immutable
parallel safe
return (
    select given.args
    from pg_catalog.jsonb_to_record(asked) as given (args pg_catalog.text[])
);

-- Candidates and ef_search for a recall: as given, else as calibrated, with a warning if needed.
-- Called by: mrl._plan, mrl.search_sql, mrl.create_search_function
create or replace function mrl._for_recall(
    -- the arguments of a search, as in mrl._plan
    asked jsonb,
    slots jsonb,
    -- a filter or a policy lets only some rows through
    limited boolean,
    out candidates int,
    out ef_search int
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    promised record;
begin
    candidates := asked ->> 'candidates';
    ef_search := asked ->> 'ef_search';
    -- candidates that the caller gives come before the recall
    if asked ->> 'recall' is null or candidates is not null then
        return;
    end if;
    promised := mrl._promised(
        (asked ->> 'table_id')::oid,
        (slots ->> 'index_name')::name,
        (asked ->> 'k')::int,
        (asked ->> 'recall')::float8,
        limited,
        (asked ->> 'share')::float8,
        concat_ws(' ', asked ->> 'filter', mrl._args(asked)::text)
    );
    candidates := promised.candidates;
    ef_search := coalesce(ef_search, promised.ef_search);
    -- the first try has warned already
    if not coalesce((asked ->> 'again')::boolean, false) then
        perform mrl._warn_promise(
            promised.standing,
            (asked ->> 'recall')::float8,
            promised.measured,
            slots,
            asked ->> 'full_column',
            (asked ->> 'k')::int,
            limited
        );
    end if;
end
$body$;
