"""The verbs on a table of documents: making, searching, reading, writing."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from psycopg import errors, sql

from mrl_pg.adapters.conditions import Condition, written
from mrl_pg.adapters.connections import Connections, Source
from mrl_pg.adapters.documents.state import (
    TableState,
    make_index,
    make_table,
    read_state,
)
from mrl_pg.adapters.documents.table import DocumentTable
from mrl_pg.adapters.documents.values import FoundDocument, StoredDocument, size_of
from mrl_pg.arguments import shown
from mrl_pg.catalog.rotations import unrotated
from mrl_pg.catalog.slots import comma, name, statement
from mrl_pg.errors import IndexNotFound, InvalidFilter, InvalidSetting, NotInstalled
from mrl_pg.exchange import AnyConn, Exchange, Row, Send, transaction
from mrl_pg.exchange.server_message import server_message
from mrl_pg.kinds import Distance
from mrl_pg.layout import Searched
from mrl_pg.rotation import Rotation
from mrl_pg.rows.delete import delete
from mrl_pg.rows.facts import known_row_facts
from mrl_pg.rows.get import get
from mrl_pg.rows.report import UpsertReport
from mrl_pg.rows.upsert import upsert
from mrl_pg.rows.upsert_job import IfExists
from mrl_pg.search.filter import about_filter
from mrl_pg.search.find import find
from mrl_pg.search.hybrid import find_hybrid, find_words
from mrl_pg.search.hybrid_result import HybridHit
from mrl_pg.search.mmr import find_mmr
from mrl_pg.search.options import SearchOptions, options_of
from mrl_pg.search.result import Hit
from mrl_pg.vectors import VectorLike

T = TypeVar("T")
AnyHit = TypeVar("AnyHit", Hit, HybridHit)

OWN_OPTIONS = {"k", "columns", "filter", "params"}
"""Options of a search that come from the store, not from its caller."""

MOST_DOCUMENTS = 2**31 - 1
"""The limit of a reading that has none."""


class Documents:
    """A table of documents on a server: carries out verbs, sync and async."""

    def __init__(self, connection: Source, table: DocumentTable) -> None:
        """Open nothing yet."""
        self.table = table
        self.connections = Connections(connection)
        self._state: TableState | None = None
        self._wants_index = False

    def carry_out(self, verb: Callable[[AnyConn], Exchange[T]]) -> T:
        """Result of a verb below on a connection."""
        return self.connections.carry_out(verb)

    async def carry_out_async(self, verb: Callable[[AnyConn], Exchange[T]]) -> T:
        """The same on an asynchronous connection."""
        return await self.connections.carry_out_async(verb)

    @property
    def distance(self) -> Distance:
        """The distance of the index in use, as the last call read it."""
        return self._state.distance if self._state else self.table.distance or "cosine"

    # ------------------------------------------------------------------ verbs
    # Each takes a connection, so that `carry_out` and `carry_out_async` can lend one.

    def state(self, conn: AnyConn) -> Exchange[TableState | None]:
        """What the server has, read once; None if there is no such table yet.

        Raises TableNotFound if the store may not make it, and ColumnNotFound.
        """
        if self._state is None:
            self._state = yield from read_state(self.table)
        return self._state

    def nearest(
        self,
        conn: AnyConn,
        query: VectorLike,
        k: int,
        condition: Condition | None,
        options: Mapping[str, Any],
        *,
        vectors: bool = False,
    ) -> Exchange[list[FoundDocument]]:
        """The k documents nearest to a vector; with `vectors`, these have theirs."""

        def search(searched: Searched, asked: SearchOptions) -> Exchange[Sequence[Hit]]:
            return (yield from find(conn, searched, query, asked))

        hits = yield from self._hits(conn, search, k, condition, options, vectors)
        return [self._found(hit, hit.distance) for hit in hits]

    def unlike(
        self,
        conn: AnyConn,
        query: VectorLike,
        k: int,
        condition: Condition | None,
        options: Mapping[str, Any],
        *,
        fetch: int | None = None,
        diversity: float = 0.5,
    ) -> Exchange[list[FoundDocument]]:
        """k documents near a vector and unlike each other, in the order of MMR."""

        def search(searched: Searched, asked: SearchOptions) -> Exchange[Sequence[Hit]]:
            return (
                yield from find_mmr(
                    conn, searched, query, asked, fetch=fetch, diversity=diversity
                )
            )

        hits = yield from self._hits(conn, search, k, condition, options)
        return [self._found(hit, hit.distance) for hit in hits]

    def hybrid(
        self,
        conn: AnyConn,
        query: VectorLike,
        words: str,
        k: int,
        condition: Condition | None,
        options: Mapping[str, Any],
        *,
        vectors: bool = False,
    ) -> Exchange[list[FoundDocument]]:
        """The k best documents by vector and by words, fused by rank.

        `options` may also have those of `MatryoshkaIndex.hybrid`; its `text` is by
        default the column of the texts.
        """
        asked_words, fetch, rest = self.table.word_options(words, options)

        def search(
            searched: Searched, asked: SearchOptions
        ) -> Exchange[Sequence[HybridHit]]:
            return (
                yield from find_hybrid(conn, searched, query, asked_words, asked, fetch)
            )

        hits = yield from self._hits(conn, search, k, condition, rest, vectors)
        return [self._found(hit, hit.score) for hit in hits]

    def by_words(
        self,
        conn: AnyConn,
        words: str,
        k: int,
        condition: Condition | None,
        options: Mapping[str, Any],
        *,
        vectors: bool = False,
    ) -> Exchange[list[FoundDocument]]:
        """The k best documents by full text search alone, with their relevance.

        `options` are `text`, `config` and `match` of `MatryoshkaIndex.search_words`.
        """
        asked_words, *_ = self.table.word_options(words, options, alone=True)

        def search(
            searched: Searched, asked: SearchOptions
        ) -> Exchange[Sequence[HybridHit]]:
            return (yield from find_words(conn, searched, asked_words, asked))

        hits = yield from self._hits(
            conn, search, k, condition, {"exact": True}, vectors
        )
        return [self._found(hit, hit.score) for hit in hits]

    def read(
        self,
        conn: AnyConn,
        condition: Condition | None = None,
        *,
        most: int | None = None,
        vectors: bool = False,
    ) -> Exchange[list[StoredDocument]]:
        """Documents that a condition lets through, in the order of their keys."""
        state = yield from self.state(conn)
        if state is None:
            return []
        table = self.table
        columns = [table.key, *table.shown_columns]
        parts: list[sql.Composable] = [name(column) for column in columns]
        if vectors:
            parts.append(statement("vector_as_text", column=name(table.embedding)))
        where, params = written(condition, state.fields)
        asked = statement(
            "documents_where",
            columns=comma(parts),
            table=name(*table.path),
            condition=where,
            key=name(table.key),
            most=sql.Literal(MOST_DOCUMENTS if most is None else most),
        )
        rows = yield from self.send(asked, params)
        rotation: Rotation | None = None
        if vectors:
            facts = yield from known_row_facts(conn, table.searched)
            rotation = facts.server.rotations.get(table.embedding)
        for row in rows:
            if row.get(table.embedding) is not None:
                row[table.embedding] = json.loads(row[table.embedding])
                if rotation is not None:
                    row[table.embedding] = unrotated(row[table.embedding], rotation)
        return [table.document(row[table.key], row) for row in rows]

    def count(self, conn: AnyConn, condition: Condition | None = None) -> Exchange[int]:
        """How many documents a condition lets through."""
        state = yield from self.state(conn)
        if state is None:
            return 0
        where, params = written(condition, state.fields)
        asked = statement(
            "count_documents", table=name(*self.table.path), condition=where
        )
        (row,) = yield from self.send(asked, params)
        return int(row["documents"])

    def get(self, conn: AnyConn, keys: Sequence[str]) -> Exchange[list[StoredDocument]]:
        """The documents of these keys that there are, in the order of the keys."""
        if (yield from self.state(conn)) is None:
            return []
        table = self.table
        rows = yield from get(conn, table.searched, keys, table.shown_columns)
        return [table.document(row.key, row.columns) for row in rows if row is not None]

    def add(
        self,
        conn: AnyConn,
        documents: Sequence[StoredDocument],
        *,
        if_exists: IfExists = "update",
        size: int | None = None,
    ) -> Exchange[UpsertReport | None]:
        """Write documents by key; the first make the table, if there is none.

        `size` is that of the vectors, for documents without any. Returns None if there
        are no documents.
        """
        if not documents:
            return None
        rows = [self.table.row(document) for document in documents]
        if (yield from self.state(conn)) is None:
            return (
                yield from self._add_first(
                    conn, rows, if_exists, size_of(documents, size)
                )
            )
        report = yield from upsert(conn, self.table.searched, rows, if_exists, None)
        if self._wants_index:
            yield from self._index(conn)
        return report

    def remove(
        self,
        conn: AnyConn,
        keys: Sequence[str] | None = None,
        condition: Condition | None = None,
    ) -> Exchange[int]:
        """Delete documents by key, or those that a condition lets through.

        With neither, all documents. Returns how many there were.
        """
        state = yield from self.state(conn)
        if state is None:
            return 0
        searched = self.table.searched
        if keys is not None:
            return (yield from delete(conn, searched, keys, None, None))
        where, params = written(condition, state.fields)
        return (yield from delete(conn, searched, None, where, params))

    # ------------------------------------------------------------------ on the way

    def _add_first(
        self,
        conn: AnyConn,
        rows: Sequence[dict[str, Any]],
        if_exists: IfExists,
        size: int,
    ) -> Exchange[UpsertReport]:
        """Make the table with its first rows, then its index.

        An index that is built over rows takes less time than one that gets them one by
        one.
        """
        table = self.table

        def filled() -> Exchange[tuple[bool, UpsertReport]]:
            made = yield from make_table(table, size)
            return made, (
                yield from upsert(conn, table.searched, rows, if_exists, None)
            )

        made, report = yield from transaction(filled())
        if made and table.dims is not None:
            yield from self._index(conn)
        return report

    def _index(self, conn: AnyConn) -> Exchange[None]:
        # so that the next call builds it if this one breaks off
        self._wants_index = True
        yield from make_index(conn, self.table)
        self._wants_index = False

    def _hits(
        self,
        conn: AnyConn,
        search: "Callable[[Searched, SearchOptions], Exchange[Sequence[AnyHit]]]",
        k: int,
        condition: Condition | None,
        options: Mapping[str, Any],
        vectors: bool = False,
    ) -> Exchange[Sequence[AnyHit]]:
        """The answers of a search by the index in use; exact if there is none."""
        state = yield from self.state(conn)
        if state is None:
            return []
        for option in OWN_OPTIONS & options.keys():
            raise InvalidSetting(
                f"{option}={shown(options[option])}: the store itself gives a search "
                f"its {option}; leave it out"
            )
        columns = [*self.table.shown_columns]
        if vectors:
            columns.append(self.table.embedding)
        given: Any = {"k": k, "columns": columns, **options}
        if condition is not None:
            given["filter"], given["params"] = written(condition, state.fields)
        asked = options_of(given)
        try:
            return (yield from search(self.table.searched, asked))
        except (IndexNotFound, NotInstalled):
            layout = replace(self.table, distance=state.distance).index(1)
            return (yield from search(layout, replace(asked, exact=True)))

    def _found(self, hit: Hit | HybridHit, score: float) -> FoundDocument:
        return FoundDocument(self.table.document(hit.key, hit.columns), score)

    def send(self, asked: sql.Composed, params: dict[str, Any]) -> Exchange[list[Row]]:
        """Rows of a reading; raises InvalidFilter if the server refuses the filter."""
        try:
            rows: list[Row] = yield Send(asked, params)
        except errors.Error as error:
            if not about_filter(error):
                raise
            raise InvalidFilter(
                f"the filter cannot run: {server_message(error).message}. Compare "
                "fields with values of their own type"
            ) from error
        return rows
