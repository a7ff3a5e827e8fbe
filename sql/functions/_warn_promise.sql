-- Says that a recall was asked for that no measurement stands behind.
-- mrl._warn_promise(promise, recall, measured, slots, full_column, k, filtered) -> void
-- Called by: mrl._for_recall
create or replace function mrl._warn_promise(
    promise text,
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
    if promise = 'kept' then
        return;
    elsif promise = 'unreached' and measured >= recall then
        raise warning 'recall % is not sure: % was measured, on too few queries',
            recall, round(measured::numeric, 4)
            using hint = format(
                'select mrl.calibrate(%L, %L, index_name => %L, k => %s, sample => …) with '
                'more of them',
                slots ->> 'table', full_column, slots ->> 'index_name', k
            );
        return;
    elsif promise = 'unreached' then
        raise warning 'recall % is out of reach: the most that was measured is %',
            recall, round(measured::numeric, 4)
            using hint = 'a larger size, another kind, m or ef_construction, or exact => true';
        return;
    end if;
    raise warning 'recall % is not kept by a measurement: % for k %',
        recall,
        case promise
            when 'stale' then 'the table or its index has changed since the calibration'
            else 'there is no calibration'
        end,
        k || case when filtered then ' with a filter' else '' end
        using hint = format(
            'select mrl.calibrate(%L, %L, index_name => %L, k => %s%s); until then a safe '
            'number of candidates is taken',
            slots ->> 'table',
            full_column,
            slots ->> 'index_name',
            k,
            case when filtered then ', filter => …' else '' end
        );
end
$body$;

comment on function mrl._warn_promise(
    text, float8, float8, jsonb, text, int, boolean
) is
'Internal. Says that a recall was asked for that no measurement stands behind.';
