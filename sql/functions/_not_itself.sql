-- Condition that leaves out the row which is the query, where rows of a table are queries.
-- mrl._not_itself(sampled boolean, parts boolean, part text, place text) -> text
-- Called by: mrl._plan_calibration, mrl._plan_recall
create or replace function mrl._not_itself(
    sampled boolean, parts boolean, part text, place text
)
returns text
language sql
immutable
parallel safe
return case when sampled
    then pg_catalog.concat(
        'not (mrl_place operator(pg_catalog.=) ',
        place,
        case when parts then ' and mrl_part operator(pg_catalog.=) ' end,
        case when parts then part end,
        ')'
    )
    else 'true'
end;

comment on function mrl._not_itself(boolean, boolean, text, text) is
'Internal. Condition that leaves out the row which is the query.';
