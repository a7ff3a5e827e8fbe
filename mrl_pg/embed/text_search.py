"""Searches a column by a text instead of a vector."""

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mrl_pg.arguments import check_text
from mrl_pg.embed.column_model import check_there, read_model
from mrl_pg.embed.named import known_embedder
from mrl_pg.embed.protocol import Embedder
from mrl_pg.embed.text_model import as_matrix
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange import AnyConn, AsyncConn, Call, Conn, Exchange, run, run_async
from mrl_pg.layout import Searched
from mrl_pg.search.find import find
from mrl_pg.search.hybrid import find_hybrid
from mrl_pg.search.hybrid_result import HybridResult
from mrl_pg.search.options import SearchKeywords, SearchOptions, options_of
from mrl_pg.search.result import SearchResult
from mrl_pg.search.words import Match, WordOptions

if TYPE_CHECKING:
    # in `typing` itself from Python 3.11 on
    from typing_extensions import Unpack


def search(
    conn: Conn,
    searched: Searched,
    text: str,
    *,
    embedder: Embedder | None = None,
    **options: "Unpack[SearchKeywords]",
) -> SearchResult:
    """The k rows nearest to a text, by full vectors, found in two passes.

    `searched` is a MatryoshkaColumn or a MatryoshkaIndex. `embedder` is the model that
    embedded the rows; by default the one that the registry names for the column. The
    options are those of their `search`. Raises ModelMismatch if the registry names
    another model, EmbeddingError, and what `search` raises.
    """
    found = find_text(conn, searched, text, embedder, options_of(options))
    return run(conn, found)


async def search_async(
    conn: AsyncConn,
    searched: Searched,
    text: str,
    *,
    embedder: Embedder | None = None,
    **options: "Unpack[SearchKeywords]",
) -> SearchResult:
    """The same on an asynchronous connection; a thread embeds the text."""
    found = find_text(conn, searched, text, embedder, options_of(options))
    return await run_async(conn, found)


def hybrid(
    conn: Conn,
    searched: Searched,
    words: str,
    *,
    text: str,
    config: str = "english",
    match: Match = "any",
    weights: Iterable[float] = (1.0, 1.0),
    rank_constant: int = 60,
    fetch: int | None = None,
    embedder: Embedder | None = None,
    **options: "Unpack[SearchKeywords]",
) -> HybridResult:
    """The k best rows by the vector of what was typed and by its words, fused by rank.

    The other arguments are those of `search` and of `MatryoshkaIndex.hybrid`, where
    `text` names the column. Raises what both raise.
    """
    return run(
        conn,
        find_both(
            conn,
            searched,
            WordOptions(
                words=words,
                text=text,
                config=config,
                match=match,
                weights=weights,
                rank_constant=rank_constant,
            ),
            embedder,
            options_of(options),
            fetch,
        ),
    )


async def hybrid_async(
    conn: AsyncConn,
    searched: Searched,
    words: str,
    *,
    text: str,
    config: str = "english",
    match: Match = "any",
    weights: Iterable[float] = (1.0, 1.0),
    rank_constant: int = 60,
    fetch: int | None = None,
    embedder: Embedder | None = None,
    **options: "Unpack[SearchKeywords]",
) -> HybridResult:
    """The same on an asynchronous connection; a thread embeds the words."""
    return await run_async(
        conn,
        find_both(
            conn,
            searched,
            WordOptions(
                words=words,
                text=text,
                config=config,
                match=match,
                weights=weights,
                rank_constant=rank_constant,
            ),
            embedder,
            options_of(options),
            fetch,
        ),
    )


def find_text(
    conn: AnyConn,
    searched: Searched,
    text: str,
    embedder: Embedder | None,
    options: SearchOptions,
) -> Exchange[SearchResult]:
    """The verb that embeds a text and searches for its vector."""
    vector = yield from _embedded(searched, text, embedder)
    return (yield from find(conn, searched, vector, options))


def find_both(
    conn: AnyConn,
    searched: Searched,
    asked: WordOptions,
    embedder: Embedder | None,
    options: SearchOptions,
    fetch: int | None,
) -> Exchange[HybridResult]:
    """The verb that embeds words and searches for their vector and for them."""
    vector = yield from _embedded(searched, asked.words, embedder)
    return (yield from find_hybrid(conn, searched, vector, asked, options, fetch))


def _embedded(
    searched: Searched, text: str, embedder: Embedder | None
) -> Exchange[NDArray[np.float32]]:
    """The vector of a text by the column's model; raises ModelMismatch."""
    check_text("text", text)
    if not text.strip():
        raise InvalidSetting("text is empty: write what you search for")
    known = yield from read_model(searched)
    if embedder is None:
        if known.model is None:
            yield from check_there(searched, known)
            raise InvalidSetting(
                f"the registry names no model for {searched.table}.{searched.column}: "
                "name the model that embedded the rows with embedder= (--embed), or "
                "once and for all with mrl.set_model"
            )
        embedder = yield Call(partial(known_embedder, known.model, known.dims))
    known.check(embedder)
    vectors = yield Call(partial(embedder.embed_queries, [text]))
    vector: NDArray[np.float32] = as_matrix(embedder.name, vectors, 1)[0]
    return vector
