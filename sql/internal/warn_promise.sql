-- What is said of a promise, and the candidates that a search for a recall takes.

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
            when basis = 'unlike'
            then 'not sure, because real queries are unlike the rows that were measured: '
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
                or promised.basis in ('rows', 'unlike') and promised.standing = 'unreached'
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
                when promised.basis in ('rows', 'unlike') then ' with real queries'
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
    out ef_search int,
    -- exact search keeps the recall and is fastest
    out exact boolean
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    promised record;
begin
    exact := false;
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
    exact := candidates is null;
    ef_search := case when not exact then coalesce(ef_search, promised.ef_search) end;
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
