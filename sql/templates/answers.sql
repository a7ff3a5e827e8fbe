-- Answers in true order: whole rows of the table, or keys and distances.
-- Slots: answer, nearest (a search that names rows), names, pass_names, table, same_row
-- Called by: mrl._compose, mrl._pattern, mrl.search_sql, mrl.create_search_function
create or replace function mrl._answers()
returns text
language sql
immutable
parallel safe
return $template$
select {answer}
from (
{nearest}
) as mrl_pass ({names}, distance)
join {table} as mrl_row on {same_row}
order by mrl_pass.distance, {pass_names}
$template$::pg_catalog.text;
