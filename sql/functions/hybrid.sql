-- The k best rows by their vectors and by their words, fused by rank, best first.
-- mrl.hybrid(null::docs, 'embedding', query, words, 'title', …) -> setof (hit, score, distance, …)
-- Called by: people
create or replace function mrl.hybrid(
    of_type anyelement,
    full_column name,
    query vector,
    words text,
    text_column name,
    config regconfig default 'english',
    k int default 10,
    fetch_rows int default null,
    weights float8[] default '{1,1}',
    rank_constant int default 60,
    candidates int default null,
    filter text default null,
    args text[] default null,
    dims int default null,
    kind text default null,
    index_name name default null,
    ef_search int default null,
    max_scan_tuples int default null,
    rerank int default null,
    exact boolean default false,
    recall float8 default null,
    quantile float8 default null,
    match text default 'any',
    tenant text default null,
    probes int default null
)
returns table (
    hit anyelement,
    score double precision,
    -- NULL for a row without a vector
    distance double precision,
    -- NULL where that half did not find the row
    vector_rank bigint,
    word_rank bigint
)
language plpgsql
volatile
parallel unsafe
as $body$
-- no search_path of its own, so that PostgreSQL looks up the filter's names as the caller does
declare
    arguments pg_catalog.jsonb;
    plan pg_catalog.record;
    before pg_catalog.text[];
    answer pg_catalog.record;
    came bigint;
    again boolean;
begin
    -- NULL means the default
    exact := coalesce(exact, false);
    query := mrl._rotated(query, mrl._table_of(pg_catalog.pg_typeof(of_type)), full_column);
    arguments := pg_catalog.jsonb_build_object(
        'table_id', mrl._table_of(pg_catalog.pg_typeof(of_type)), 'full_column', full_column,
        'words', words, 'text_column', text_column, 'config', config::pg_catalog.oid,
        'match', coalesce(match, 'any'), 'fetch_rows', fetch_rows,
        'weights', coalesce(weights, '{1,1}'), 'rank_constant', coalesce(rank_constant, 60),
        'k', k, 'candidates', candidates, 'filter', filter, 'args', args, 'dims', dims,
        'kind', kind, 'index_name', index_name, 'ef_search', ef_search,
        'max_scan_tuples', max_scan_tuples, 'rerank', rerank, 'exact', exact,
        'recall', recall, 'quantile', quantile, 'tenant', tenant,
        'probes', probes
    );
    -- five steps of a recall, then an iterative scan
    for attempt in 1 .. 6 loop
        plan := mrl._begin('hybrid', array[query], arguments, attempt);
        before := coalesce(before, plan.before);
        -- no row means too few candidates, or too far away ones, so search again, more widely
        again := true;
        for answer in execute plan.statement
            using args[1], args[2], args[3], args[4], args[5], args[6], args[7], args[8],
                args[9], args[10], args[11], args[12], args[13], args[14], args[15],
                args[16], query, words
        loop
            again := false;
            came := case when plan.limited then answer.came else answer.seen end;
            -- a row without a score is there to say what the vectors found
            if answer.score is not null then
                hit := answer.hit;
                score := answer.score;
                distance := answer.distance;
                vector_rank := answer.vector_rank;
                word_rank := answer.word_rank;
                return next;
            end if;
        end loop;
        exit when not again or not plan.guarded;
    end loop;
    perform mrl._finish(plan, before, args, came);
end
$body$;

comment on function mrl.hybrid(
    anyelement, name, vector, text, name, regconfig, int, int, float8[], int, int, text, text[],
    int, text, name, int, int, int, boolean, float8, float8, text, text, int
) is
'The k best rows by their vectors and by their words, best first, with their score, true '
'distance and ranks. A search by vectors and a full text search of text_column, which is of '
'type text, varchar or tsvector, each rank up to fetch_rows (50, or 4 k if that is more). The '
'score is weights[1] / (rank_constant + rank by vectors) + weights[2] / (rank_constant + rank '
'by words): reciprocal rank fusion. words, config and match are those of mrl.search_words. The '
'filter holds for both. All other arguments are those of mrl.search.';
