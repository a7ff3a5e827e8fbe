"""The verbs of searches by words: fused with one by vectors, or words alone."""

from mrl_pg.catalog.read import forget_facts, known_facts
from mrl_pg.errors import MrlError
from mrl_pg.exchange import AnyConn, Exchange, cursors
from mrl_pg.exchange.vectors import QueryWords
from mrl_pg.layout import Searched
from mrl_pg.search.by_column import Query, chosen
from mrl_pg.search.effort import rows_to_fetch
from mrl_pg.search.find import find_once, until_fresh
from mrl_pg.search.hybrid_result import HybridResult, read_by_words, read_hybrid
from mrl_pg.search.options import SearchOptions
from mrl_pg.search.plan import NoVector, SearchPlan
from mrl_pg.search.stale import Stale
from mrl_pg.search.word_column import forget_word_columns, read_word_column
from mrl_pg.search.words import LEAST_FETCH, WordOptions, WordRanking


def find_hybrid(
    conn: AnyConn,
    searched: Searched,
    query: Query,
    asked: WordOptions,
    options: SearchOptions,
    fetch: int | None,
) -> Exchange[HybridResult]:
    """Answers of one hybrid search, by one statement.

    A second one follows if the vectors brought too few rows, or rows too far away for
    the recall, as in a search by vectors alone.
    """
    rows = rows_to_fetch(options, fetch, LEAST_FETCH)
    searched, vector = yield from chosen(searched, query)

    def once(plan: SearchPlan, last: bool) -> Exchange[HybridResult]:
        try:
            plan = yield from _with_words(conn, plan, asked, last)
            hybrid = plan.fetching(rows)
            return (yield from find_once(conn, hybrid, read_hybrid, last=last))
        except Exception:
            forget_word_columns(conn)
            raise

    return (yield from until_fresh(conn, searched, vector, options, once))


def find_words(
    conn: AnyConn, searched: Searched, asked: WordOptions, options: SearchOptions
) -> Exchange[HybridResult]:
    """Answers of one search by words alone; `options` ask for an exact search."""

    def once(plan: SearchPlan, last: bool) -> Exchange[HybridResult]:
        try:
            plan = yield from _with_words(conn, plan, asked, last)
            return (yield from find_once(conn, plan, read_by_words, last=last))
        except Exception:
            forget_word_columns(conn)
            raise

    return (yield from until_fresh(conn, searched, NoVector.WORDS_ALONE, options, once))


def _with_words(
    conn: AnyConn, plan: SearchPlan, asked: WordOptions, last: bool
) -> Exchange[SearchPlan]:
    """The plan with its words; raises Stale if its facts may be old."""
    facts, layout = plan.shape.facts, plan.shape.layout
    try:
        column = yield from read_word_column(conn, facts, asked)
    except MrlError as error:
        forget_facts(conn, layout)
        if last or (yield from known_facts(conn, layout)) == facts:
            raise
        raise Stale from error
    ranking = WordRanking(
        column=asked.text,
        is_vector=column.is_vector,
        config=column.config,
        match=asked.match,
        weights=asked.pair,
        rank_constant=asked.rank_constant,
    )
    with cursors.writable(conn):
        encoding = cursors.encoding(conn)
        asked.words.encode(encoding)
    return plan.with_words(ranking, QueryWords(asked.words, encoding))
