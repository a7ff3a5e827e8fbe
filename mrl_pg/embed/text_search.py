"""Searches a column by a text instead of a vector."""

from functools import partial
from typing import TYPE_CHECKING

from mrl_pg.arguments import check_text
from mrl_pg.embed.column_model import check_there, read_model
from mrl_pg.embed.named import known_embedder
from mrl_pg.embed.protocol import Embedder
from mrl_pg.embed.text_model import as_matrix
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange import AnyConn, AsyncConn, Call, Conn, Exchange, run, run_async
from mrl_pg.layout import Searched
from mrl_pg.search.find import find
from mrl_pg.search.options import SearchKeywords, SearchOptions, options_of
from mrl_pg.search.result import SearchResult

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


def find_text(
    conn: AnyConn,
    searched: Searched,
    text: str,
    embedder: Embedder | None,
    options: SearchOptions,
) -> Exchange[SearchResult]:
    """The verb that embeds a text and searches for its vector."""
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
    vector = as_matrix(embedder.name, vectors, 1)[0]
    return (yield from find(conn, searched, vector, options))
