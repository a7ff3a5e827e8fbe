-- What is said of a promise, and the candidates that a search for a recall takes.

-- A sentence about a search that was measured.
-- Called by: mrl._promised
create or replace function mrl._promise_in_words(
    standing text,
    -- whether it was measured with another filter, or by another role under a policy
    is_borrowed boolean,
    recall float8,
    measured float8,
    low float8,
    p05 float8,
    queries int,
    basis text,
    -- NULL if only the mean was asked for; the share of the queries that found the recall, and
    -- its bound
    quantile float8,
    found_by float8,
    found_low float8,
    -- enough was found with another filter, but its answers may be nearer
    elsewhere boolean
)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    unsure text := case
        when basis = 'unlike'
        then 'not sure, because real queries are unlike the rows that were measured: '
        when elsewhere
        then 'not sure, because it was measured with another filter, whose answers may be nearer: '
        when is_borrowed
        then 'not sure, because it was measured with another filter, which must find more: '
        when basis in ('rows', 'outside')
        then 'not sure, because rows must find more than real queries: '
        else 'not sure, because too few queries were measured: '
    end;
    asked text := concat(
        queries,
        case basis
            when 'queries' then ' real queries'
            when 'distances' then ' rows that are as far from their answers as real queries'
            when 'outside' then ' rows that the filter turns away, which find less than others'
            else ' rows of the table'
        end
    );
    borrowed text := case
        when is_borrowed then ', with another filter about as selective'
    end;
begin
    if measured >= recall and found_by is not null then
        return concat(
            case
                when standing <> 'unreached' then null
                when found_by < quantile then 'out of reach, because at most '
                else unsure
            end,
            trim_scale(trunc(100 * found_by::numeric, 1)),
            ' % of ',
            asked,
            ' found at least ',
            recall,
            borrowed,
            format(
                ' (95 %% sure to be above %s %%; %s on average)',
                trim_scale(trunc(100 * found_low::numeric, 1)),
                round(measured::numeric, 4)
            )
        );
    end if;
    return concat(
        case
            when standing <> 'unreached' then 'measured '
            when measured < recall then 'out of reach, because the most that was measured is '
            when quantile is not null
            then 'not known for single queries, because none were measured for this k: '
            else unsure
        end,
        round(measured::numeric, 4),
        ' on ',
        asked,
        borrowed,
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
    quantile float8,
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
    -- so much was found, as far as anybody knows
    enough boolean := promised.measured >= recall
        and coalesce(promised.found_by >= quantile, true);
    unknown boolean := enough and quantile is not null and promised.found_by is null;
    call text := format(
        'select mrl.calibrate(%L, %L, %s => %L, k => %s%s%s)',
        slots ->> 'table',
        full_column,
        case when slots ->> 'tenant' is null then 'index_name' else 'tenant' end,
        coalesce(slots ->> 'tenant', slots ->> 'index_name'),
        k,
        case when filtered then ', filter => …' end,
        case
            when promised.borrowed then ''
            when promised.standing = 'rows'
                or promised.basis in ('rows', 'outside', 'unlike') and promised.standing = 'unreached'
            then ', queries => …'
            when enough and not unknown and promised.standing = 'unreached'
            then ', sample => …'
        end
    );
begin
    if promised.standing in ('measured', 'corrected') then
        return;
    end if;
    raise warning 'recall %: %', concat_ws(', quantile ', recall, quantile), concat(
            promised.words,
            '; for an answer at most '
                || round(promised.step_distances[cardinality(promised.step_distances)]::numeric, 4)
                || ' away'
        )
        using hint = case
            when filtered and slots ->> 'tenant' is not null
            then 'a tenant is calibrated without a filter: raise candidates, or pass exact => true'
            when promised.standing = 'rows'
            then call || ' with real queries, such as mrl.kept_queries returns: they may find less'
            when promised.standing = 'borrowed' or promised.borrowed and enough
            then call || ' with this filter'
            when promised.standing <> 'unreached'
            then call || '; until then the search takes a safe number of candidates'
            when enough
            then call || case
                when promised.basis in ('rows', 'outside', 'unlike') then ' with real queries'
                when unknown then ', for this k'
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

-- Refuses a quantile without a recall, or one that is not a share of queries.
-- Called by: mrl._for_recall
create or replace function mrl._check_quantile(quantile float8, recall float8)
returns void
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $body$
begin
    if quantile is not null and recall is null then
        raise exception 'quantile % was given without a recall', quantile
            using errcode = 'invalid_parameter_value',
                hint = 'say what so many queries are to find: recall => 0.95';
    elsif not coalesce(quantile > 0 and quantile < 1, true) then
        raise exception 'quantile % is not a share above 0 and below 1', quantile
            using errcode = 'invalid_parameter_value',
                hint = 'for example quantile => 0.95; for all queries pass exact => true';
    end if;
end
$body$;

-- Candidates, ef_search and rerank for a recall: as given or calibrated, with a warning if needed.
-- Called by: mrl._plan, mrl.search_sql, mrl.create_search_function
create or replace function mrl._for_recall(
    -- the arguments of a search, as in mrl._plan
    asked jsonb,
    slots jsonb,
    -- a filter or a policy lets only some rows through
    limited boolean,
    -- whether the caller tries again where an answer is farther away than up_to
    by_distance boolean,
    out candidates int,
    out ef_search int,
    -- how many of the candidates are read; NULL if all are
    out rerank int,
    -- the caller asked for exact search, or it keeps the recall and is fastest
    out exact boolean,
    -- how many tries there are, from the narrowest search on, if one is too narrow
    out steps int,
    -- how far away the k-th row may be for this try; NULL for the last
    out up_to float8
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    promised record;
    quantile float8 := asked ->> 'quantile';
    attempt int := coalesce((asked ->> 'attempt')::int, 1);
    step int;
    -- which calibrations go by: the index of a tenant has the tenant's rows alone
    of_tenant boolean := asked ->> 'tenant' is not null;
    filter text := case when of_tenant then asked ->> 'filter_in_index' else asked ->> 'filter' end;
begin
    steps := 1;
    exact := coalesce((asked ->> 'exact')::boolean, false);
    candidates := asked ->> 'candidates';
    ef_search := asked ->> 'ef_search';
    rerank := asked ->> 'rerank';
    if quantile is not null then
        perform mrl._check_quantile(quantile, (asked ->> 'recall')::float8);
    end if;
    -- what the caller says comes before the recall
    if asked ->> 'recall' is null or candidates is not null or exact then
        return;
    end if;
    if of_tenant then
        limited := filter is not null or row_security_active((asked ->> 'table_id')::oid);
    end if;
    promised := mrl._promised(
        (asked ->> 'table_id')::oid,
        (slots ->> 'index_name')::name,
        (asked ->> 'k')::int,
        (asked ->> 'recall')::float8,
        limited,
        (asked ->> 'share')::float8,
        concat_ws(' ', filter, mrl._args(asked)::text),
        quantile,
        -- a width that the caller gave is taken for all answers
        by_distance and ef_search is null
    );
    candidates := promised.candidates;
    rerank := promised.rerank;
    exact := candidates is null;
    if promised.step_distances is not null then
        steps := cardinality(promised.step_distances);
        step := least(attempt, steps);
        candidates := promised.step_candidates[step];
        promised.ef_search := promised.step_ef_searches[step];
        rerank := promised.step_reranks[step];
        up_to := case when step < steps then promised.step_distances[step] end;
    end if;
    ef_search := case when not exact then coalesce(ef_search, promised.ef_search) end;
    -- the first try has warned already
    if attempt = 1 then
        perform mrl._warn_promise(
            promised,
            (asked ->> 'recall')::float8,
            quantile,
            slots || jsonb_build_object('tenant', asked ->> 'key_text'),
            asked ->> 'full_column',
            (asked ->> 'k')::int,
            limited
        );
    end if;
end
$body$;
