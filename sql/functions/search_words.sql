-- The k best rows by their words alone, best first.
-- mrl.search_words(null::docs, words, 'title', …) -> setof (hit, score)
-- Called by: people
create or replace function mrl.search_words(
    of_type anyelement,
    words text,
    text_column name,
    config regconfig default 'english',
    k int default 10,
    filter text default null,
    args text[] default null,
    match text default 'any'
)
returns table (
    hit anyelement,
    -- ts_rank, or ts_rank_cd if all words must match
    score double precision
)
language plpgsql
volatile
as $body$
-- no search_path of its own, so that PostgreSQL looks up the filter's names as the caller does
declare
    statement pg_catalog.text;
    answer pg_catalog.record;
begin
    statement := mrl._words_statement(
        pg_catalog.jsonb_build_object(
            'table_id', mrl._table_of(pg_catalog.pg_typeof(of_type)), 'words', words,
            'text_column', text_column, 'config', config::pg_catalog.oid,
            'match', coalesce(match, 'any'), 'k', k, 'filter', filter,
            'arguments', pg_catalog.cardinality(args)
        )
    );
    -- a loop, because unlike a plain execute it raises if the filter contains further statements
    for answer in execute statement
        using args[1], args[2], args[3], args[4], args[5], args[6], args[7], args[8],
            args[9], args[10], args[11], args[12], args[13], args[14], args[15],
            -- the statement does not use a query
            args[16], null::pg_catalog.text, words
    loop
        hit := answer.hit;
        score := answer.score;
        return next;
    end loop;
end
$body$;

comment on function mrl.search_words(
    anyelement, text, name, regconfig, int, text, text[], text
) is
'The k best rows by full text search of text_column alone, which is of type text, varchar or '
'tsvector, best first. words are what a user typed, as websearch_to_tsquery reads them; with '
'match any, the default, a row needs any of them, with all it needs all.';
