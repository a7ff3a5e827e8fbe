"""The methods of everything that can be searched."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mrl_pg.exchange import AsyncConn, Conn, run, run_async
from mrl_pg.layout import Searched
from mrl_pg.search.by_column import Query
from mrl_pg.search.check_plan import SMALL, PlanCheck, check_search
from mrl_pg.search.filter import Filter, Params
from mrl_pg.search.find import find, find_many, fresh_plan
from mrl_pg.search.hybrid import find_hybrid, find_words
from mrl_pg.search.hybrid_result import HybridResult
from mrl_pg.search.mmr import find_mmr
from mrl_pg.search.options import (
    SearchKeywords,
    SearchOptions,
    explains_options,
    options_of,
)
from mrl_pg.search.plan import SearchPlan
from mrl_pg.search.result import SearchResult
from mrl_pg.search.words import Match, WordOptions
from mrl_pg.vectors import VectorLike, VectorsLike

if TYPE_CHECKING:
    # in `typing` itself from Python 3.11 on
    from typing_extensions import Unpack


class SearchMethods(Searched):
    """Searching one index, or a column by the index that is in use."""

    __slots__ = ()

    @explains_options
    def search(
        self, conn: Conn, query: VectorLike, **options: "Unpack[SearchKeywords]"
    ) -> SearchResult:
        """The k rows nearest to a query, by full vectors, found in two passes.

        `query`: full size, as a list, an array of any float dtype, a Vector or a
        HalfVector.

        No setting outlives the search. Rows without a distance (NULL, or zero under
        cosine) are never returned. Rows at the same distance are ordered by key.

        Raises InvalidVector, InvalidSetting, InvalidFilter, ColumnNotFound,
        IndexNotFound, IndexMismatch, and NotInstalled with a recall, or SpreadTable if
        the table is one of Citus.

        The options, which `SearchKeywords` declares:
        """
        return run(conn, find(conn, self, query, options_of(options)))

    async def search_async(
        self, conn: AsyncConn, query: VectorLike, **options: "Unpack[SearchKeywords]"
    ) -> SearchResult:
        """The same as `search` on an asynchronous connection."""
        return await run_async(conn, find(conn, self, query, options_of(options)))

    def search_many(
        self, conn: Conn, queries: VectorsLike, **options: "Unpack[SearchKeywords]"
    ) -> list[SearchResult]:
        """The result of `search` for each query, with one round trip for all."""
        return run(conn, find_many(conn, self, queries, options_of(options)))

    async def search_many_async(
        self, conn: AsyncConn, queries: VectorsLike, **options: "Unpack[SearchKeywords]"
    ) -> list[SearchResult]:
        """The same as `search_many` on an asynchronous connection."""
        return await run_async(
            conn, find_many(conn, self, queries, options_of(options))
        )

    def hybrid(
        self,
        conn: Conn,
        query: Query,
        words: str,
        *,
        text: str,
        config: str = "english",
        match: Match = "any",
        weights: Iterable[float] = (1.0, 1.0),
        rank_constant: int = 60,
        fetch: int | None = None,
        **options: "Unpack[SearchKeywords]",
    ) -> HybridResult:
        """The k best rows by their vectors and by their words, in one statement.

        The vectors rank the `fetch` rows that `search` finds nearest to `query`. The
        words rank the `fetch` rows that match `words` best, as in `search_words`. A
        `filter` holds for both. The score of a row is

            weights[0] / (rank_constant + its rank by vectors)
            + weights[1] / (rank_constant + its rank by words)

        where a half that did not find it adds nothing: reciprocal rank fusion (Cormack,
        Clarke and Buettcher, SIGIR 2009). Rows of equal score are ordered by key. Rows
        whose score is 0, which only a half of weight 0 found, are left out.

        - `words`, `text`, `config` and `match` are those of `search_words`.
        - `fetch` (50, or 4 k if that is more, but no more than the `candidates` or the
          `rerank` that you give): at least so many candidates are read.

        The options are those of `search`: the search by vectors is as hard as that for
        k rows, and `recall` is about these. Raises what `search` raises, ColumnNotFound
        if there is no column `text`, and InvalidSetting for an unknown `config`.
        """
        return run(
            conn,
            find_hybrid(
                conn,
                self,
                query,
                WordOptions(
                    words=words,
                    text=text,
                    config=config,
                    match=match,
                    weights=weights,
                    rank_constant=rank_constant,
                ),
                options_of(options),
                fetch,
            ),
        )

    async def hybrid_async(
        self,
        conn: AsyncConn,
        query: Query,
        words: str,
        *,
        text: str,
        config: str = "english",
        match: Match = "any",
        weights: Iterable[float] = (1.0, 1.0),
        rank_constant: int = 60,
        fetch: int | None = None,
        **options: "Unpack[SearchKeywords]",
    ) -> HybridResult:
        """The same as `hybrid` on an asynchronous connection."""
        return await run_async(
            conn,
            find_hybrid(
                conn,
                self,
                query,
                WordOptions(
                    words=words,
                    text=text,
                    config=config,
                    match=match,
                    weights=weights,
                    rank_constant=rank_constant,
                ),
                options_of(options),
                fetch,
            ),
        )

    def search_words(
        self,
        conn: Conn,
        words: str,
        *,
        text: str,
        config: str = "english",
        match: Match = "any",
        k: int = 10,
        filter: Filter = None,
        params: Params = None,
        columns: Sequence[str] = (),
    ) -> HybridResult:
        """The k best rows by full text search alone, which reads no vector.

        - `words` are read by `websearch_to_tsquery`: `or`, `-word` and `"a phrase"`
          mean what they say, and nothing is a syntax error.
        - `match`: with "any", a row needs any of the words; the more it has of them,
          the better (`ts_rank`). Words that so many rows have that more than about 2000
          rows would match rank the rows that others find. With "all", a row needs all
          words; the closer together they are, the better (`ts_rank_cd`). Of more than
          64 different words the 64 rarest count.
        - `text` is a column of type text or varchar, searched as
          `to_tsvector(config, column)`, or of type tsvector. Give it a GIN index.
        - `filter`, `params` and `columns` are those of `search`.

        The `score` of a hit is its relevance. Rows of equal score are ordered by key.
        Raises InvalidSetting, InvalidFilter and ColumnNotFound.
        """
        return run(
            conn,
            find_words(
                conn,
                self,
                WordOptions(
                    words=words, text=text, config=config, match=match, weights=None
                ),
                SearchOptions(
                    k=k, filter=filter, params=params, columns=columns, exact=True
                ),
            ),
        )

    async def search_words_async(
        self,
        conn: AsyncConn,
        words: str,
        *,
        text: str,
        config: str = "english",
        match: Match = "any",
        k: int = 10,
        filter: Filter = None,
        params: Params = None,
        columns: Sequence[str] = (),
    ) -> HybridResult:
        """The same as `search_words` on an asynchronous connection."""
        return await run_async(
            conn,
            find_words(
                conn,
                self,
                WordOptions(
                    words=words, text=text, config=config, match=match, weights=None
                ),
                SearchOptions(
                    k=k, filter=filter, params=params, columns=columns, exact=True
                ),
            ),
        )

    def search_mmr(
        self,
        conn: Conn,
        query: Query,
        *,
        fetch: int | None = None,
        diversity: float = 0.5,
        **options: "Unpack[SearchKeywords]",
    ) -> SearchResult:
        """k rows near a query and unlike each other, in the order in which MMR chose.

        `search` finds the `fetch` nearest rows (20, or 4 k if that is more). k of them
        are chosen by their full vectors and maximal marginal relevance (Carbonell and
        Goldstein, SIGIR 1998), as `mrl_pg.search.mmr.mmr` explains: the nearest first,
        then rows for which `diversity` says how much it counts that they are unlike
        those chosen before. 0 answers as `search` does; LangChain's `lambda_mult` is
        1 - diversity.

        The options are those of `search`, which is as hard as that for k rows, and
        `recall` is about these. The other fields of the result are those of the search.
        Raises what `search` raises.
        """
        return run(
            conn,
            find_mmr(
                conn,
                self,
                query,
                options_of(options),
                fetch=fetch,
                diversity=diversity,
            ),
        )

    async def search_mmr_async(
        self,
        conn: AsyncConn,
        query: Query,
        *,
        fetch: int | None = None,
        diversity: float = 0.5,
        **options: "Unpack[SearchKeywords]",
    ) -> SearchResult:
        """The same as `search_mmr` on an asynchronous connection."""
        return await run_async(
            conn,
            find_mmr(
                conn,
                self,
                query,
                options_of(options),
                fetch=fetch,
                diversity=diversity,
            ),
        )

    def plan(
        self, conn: Conn, query: VectorLike, **options: "Unpack[SearchKeywords]"
    ) -> SearchPlan:
        """What `search` with these options would send, to run or explain."""
        return run(conn, fresh_plan(conn, self, query, options_of(options)))

    async def plan_async(
        self, conn: AsyncConn, query: VectorLike, **options: "Unpack[SearchKeywords]"
    ) -> SearchPlan:
        """The same as `plan` on an asynchronous connection."""
        return await run_async(conn, fresh_plan(conn, self, query, options_of(options)))

    def check_plan(
        self,
        conn: Conn,
        query: "VectorLike | None" = None,
        *,
        small: int = SMALL,
        **options: "Unpack[SearchKeywords]",
    ) -> PlanCheck:
        """Raise IndexNotUsed if `search` with these options would not use its index.

        PostgreSQL plans the very statement of the search, and does not run it. A query
        changes nothing, so you need none.

        On a table of fewer than `small` rows PostgreSQL rightly reads all of them.
        There the index need only fit the search: the planner is asked again, without
        its other ways. `small=0` asks what it does by itself.

        Raises what `search` raises, and IndexNotUsed as well if the search is exact, or
        if another index stands in for the one that is named.
        """
        return run(conn, check_search(conn, self, query, options_of(options), small))

    async def check_plan_async(
        self,
        conn: AsyncConn,
        query: "VectorLike | None" = None,
        *,
        small: int = SMALL,
        **options: "Unpack[SearchKeywords]",
    ) -> PlanCheck:
        """The same as `check_plan` on an asynchronous connection."""
        return await run_async(
            conn, check_search(conn, self, query, options_of(options), small)
        )
