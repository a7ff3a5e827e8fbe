-- The best rows by their words alone.
-- Slots: matching (mrl._matching), answer, row_table (without an alias), extra
-- Called by: mrl_pg.search.fuse, mrl._words_statement
create or replace function mrl._by_words()
returns text
language sql
immutable
parallel safe
return $template$
with {matching}
select
    {answer},
    mrl_pass.mrl_relevance::pg_catalog.float8 as score,
    mrl_pass.mrl_rank as word_rank{extra}
from mrl_matching as mrl_pass
join {row_table} as mrl_row
    on mrl_row.ctid operator(pg_catalog.=) mrl_pass.mrl_place
    and mrl_row.tableoid operator(pg_catalog.=) mrl_pass.mrl_part
order by mrl_pass.mrl_rank
$template$::pg_catalog.text;
