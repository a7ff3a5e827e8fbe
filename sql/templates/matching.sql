-- The rows that match words, with their ranks by relevance; two queries of a WITH.
-- Slots: asked_words (mrl._word_query), names, key_names, columns, table, document, filter, fetch
-- Called by: mrl_pg.search.fuse, mrl._compose, mrl._words_statement
create or replace function mrl._matching()
returns text
language sql
immutable
parallel safe
return $template$
mrl_words as materialized (
{asked_words}
),
mrl_matching as materialized (
    select
        {names},
        mrl_relevance,
        pg_catalog.row_number() over (order by mrl_relevance desc, {key_names}) as mrl_rank
    from (
        select {names}, mrl_relevance
        from (
            select
                {columns},
                coalesce({relevance}, 0)
            from {table}
            where {document} operator(pg_catalog.@@) (select asked from mrl_words){filter}
        ) as mrl_match ({names}, mrl_relevance)
        order by mrl_relevance desc, {key_names}
        limit {fetch}
    ) as mrl_best
)
$template$::pg_catalog.text;
