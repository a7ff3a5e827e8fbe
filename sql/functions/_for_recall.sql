-- How hard to search for a recall: as calibrated, or as named; warns where nothing keeps it.
-- mrl._for_recall(recall, k, candidates, ef_search, slots, …) -> candidates, ef_search
-- Called by: mrl._plan, mrl.search_sql, mrl.create_search_function
create or replace function mrl._for_recall(
    recall float8,
    k int,
    inout candidates int,
    inout ef_search int,
    slots jsonb,
    table_id oid,
    full_column name,
    -- a filter or a policy lets only some rows through
    filtered boolean,
    -- of the table's rows, and the filter with its values, where they are known
    share float8,
    filter text,
    silent boolean
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $body$
declare
    promised record;
begin
    -- candidates that are named win
    if recall is null or candidates is not null then
        return;
    end if;
    promised := mrl._promised(
        table_id, (slots ->> 'index_name')::name, k, recall, filtered, share, filter
    );
    candidates := promised.candidates;
    ef_search := coalesce(ef_search, promised.ef_search);
    if not silent then
        perform mrl._warn_promise(
            promised.promise, recall, promised.measured, slots, full_column, k, filtered
        );
    end if;
end
$body$;

comment on function mrl._for_recall(
    float8, int, int, int, jsonb, oid, name, boolean, float8, text, boolean
) is
'Internal. How hard to search for a recall.';
