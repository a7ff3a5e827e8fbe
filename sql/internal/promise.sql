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

-- What a promise asks of a calibration, by what its queries were.
-- Called by: mrl._promised, client/calibration.sql
create or replace function mrl._margin(
    -- queries, distances or rows; NULL counts as rows
    basis text,
    -- the share of the misses that a measurement may have of those that a search may have
    out misses float8,
    out least_ef_search int
)
language sql
immutable
parallel safe
begin atomic
    -- rows are easier to find than real queries: each is a node of the graph, and has rows
    -- like it
    select
        case when real_ones.asked then 1 else 0.75 end,
        case when real_ones.asked then 1 else 80 end
    from (
        select coalesce(_margin.basis operator(pg_catalog.<>) 'rows', false)
    ) as real_ones (asked);
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
    -- measured, corrected, rows, borrowed, stale, unreached or uncalibrated
    out standing text,
    -- of the search that was chosen: mean recall, its lower bound, the 5th percentile, and
    -- how many queries were measured and what they were
    out measured float8,
    out low float8,
    out p05 float8,
    out queries int,
    out basis text,
    -- what stands behind the recall, for people
    out words text
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
    best record;
    rows_now bigint := mrl._rows(_promised.table_id);
    policed boolean := row_security_active(_promised.table_id);
    filtered boolean := _promised.filtered or policed;
    -- not under a policy, because the filter may select other rows for another role
    own_filter text := case
        when not filtered then ''
        when not policed then _promised.filter
    end;
begin
    if _promised.recall is null or not _promised.recall > 0 or _promised.recall > 1 then
        raise exception 'recall % is not a share above 0, at most 1',
            coalesce(_promised.recall::text, 'NULL')
            using errcode = 'invalid_parameter_value', hint = 'for example recall => 0.99';
    end if;
    built := mrl._built(_promised.table_id, _promised.index_name);
    with known as (
        select
            known.*,
            margin.least_ef_search,
            supported.recall as supported,
            -- rounding must not refuse what was measured
            supported.recall >= _promised.recall - 1e-9 as keeps,
            coalesce(abs(rows_now - known.rows) <= changed * known.rows, true)
                and known.m = built.m
                and known.ef_construction = built.ef_construction as holds
        from mrl._measured_for(
            _promised.table_id,
            _promised.index_name,
            _promised.k,
            filtered,
            _promised.share,
            own_filter
        ) as known
        cross join lateral mrl._margin(known.basis) as margin
        cross join lateral (
            -- the most that may be asked of this search
            select 1 - (1 - least(known.recall, known.low + slack)) / margin.misses
        ) as supported (recall)
    ),
    chosen as (
        -- for each filter the cheapest search that reaches the recall, else the best recall
        select distinct on (known.filter) known.*
        from known
        order by
            known.filter,
            known.keeps desc,
            case when known.keeps then known.median_ms end,
            -- not the bound, which is far below the mean if every query found everything
            known.recall desc,
            known.median_ms
    ),
    faster as (
        select
            known.*,
            max(known.supported) over (
                partition by known.filter
                order by known.median_ms, known.supported desc
                rows between unbounded preceding and 1 preceding
            ) as by_faster
        from known
    ),
    -- what is taken for some lower recall, because more recall never takes less
    lower as (
        select max(faster.candidates) as candidates, max(faster.ef_search) as ef_search
        from faster
        where faster.supported > coalesce(faster.by_faster, 0)
            and coalesce(faster.by_faster, 0) < _promised.recall
    )
    select
        greatest(max(chosen.candidates), max(lower.candidates)) as candidates,
        greatest(
            max(chosen.ef_search), max(lower.ef_search), max(chosen.least_ef_search)
        ) as ef_search,
        min(chosen.recall) as recall,
        min(chosen.low) as low,
        min(chosen.p05) as p05,
        min(chosen.queries) as queries,
        case
            when bool_and(chosen.basis is not distinct from 'queries') then 'queries'
            when bool_and(coalesce(chosen.basis <> 'rows', false)) then 'distances'
            else 'rows'
        end as basis,
        bool_and(chosen.holds) as holds,
        bool_and(chosen.keeps) as keeps,
        bool_and(chosen.filter is not distinct from own_filter) as own
    into best
    from chosen
    cross join lower
    having count(*) > 0;
    standing := case
        when best.keeps is null then 'uncalibrated'
        when not best.holds then 'stale'
        when not best.keeps then 'unreached'
        when not best.own then 'borrowed'
        when best.basis = 'queries' then 'measured'
        when best.basis = 'distances' then 'corrected'
        else 'rows'
    end;
    if standing in ('uncalibrated', 'stale') then
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
        words := case
            when standing = 'stale'
            then 'the table or its index has changed since the calibration'
            when filtered
            then format('there is no calibration for k %s with a filter like this', k)
            else format('there is no calibration for k %s', k)
        end;
        return;
    end if;
    candidates := best.candidates;
    ef_search := best.ef_search;
    measured := best.recall;
    low := best.low;
    p05 := best.p05;
    queries := best.queries;
    basis := best.basis;
    words := mrl._promise_in_words(standing, _promised.recall, measured, low, p05, queries, basis);
end
$body$;

-- A sentence about a search that was measured.
-- Called by: mrl._promised
create or replace function mrl._promise_in_words(
    standing text,
    recall float8,
    measured float8,
    low float8,
    p05 float8,
    queries int,
    basis text
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
begin
    return concat(
        case
            when standing <> 'unreached' then 'measured '
            when measured < recall then 'out of reach, because the most that was measured is '
            when basis = 'rows' then 'not sure, because rows must find more than real queries: '
            else 'not sure, because too few queries were measured: '
        end,
        round(measured::numeric, 4),
        ' on ',
        queries,
        case basis
            when 'queries' then ' real queries'
            when 'distances' then ' rows that are as far from their answers as real queries'
            else ' rows of the table'
        end,
        case when standing = 'borrowed' then ', with another filter about as selective' end,
        format(' (95 %% sure to be above %s', round(low::numeric, 4)),
        '; 1 query in 20 found at most ' || round(p05::numeric, 4),
        ')'
    );
end
$body$;

-- Warns that no measurement supports the wanted recall, or one that may not be like the search.
-- Called by: mrl._for_recall
create or replace function mrl._warn_promise(
    -- the row that mrl._promised returned
    promised record,
    recall float8,
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
declare
    call text := format(
        'select mrl.calibrate(%L, %L, index_name => %L, k => %s%s%s)',
        slots ->> 'table',
        full_column,
        slots ->> 'index_name',
        k,
        case when filtered then ', filter => …' end,
        case
            when promised.standing = 'rows'
                or promised.basis = 'rows' and promised.standing = 'unreached'
            then ', queries => …'
            when promised.measured >= recall and promised.standing = 'unreached'
            then ', sample => …'
        end
    );
begin
    if promised.standing in ('measured', 'corrected') then
        return;
    end if;
    raise warning 'recall %: %', recall, promised.words
        using hint = case
            when promised.standing = 'rows'
            then call || ' with real queries, such as mrl.kept_queries returns: they may find less'
            when promised.standing = 'borrowed'
            then call || ' with this filter'
            when promised.standing <> 'unreached'
            then call || '; until then the search takes a safe number of candidates'
            when promised.measured >= recall
            then call || case
                when promised.basis = 'rows' then ' with real queries'
                else ' with a larger sample'
            end
            else 'use more dims, another kind, a larger m or ef_construction, or exact => true'
        end;
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
            promised,
            (asked ->> 'recall')::float8,
            slots,
            asked ->> 'full_column',
            (asked ->> 'k')::int,
            limited
        );
    end if;
end
$body$;
