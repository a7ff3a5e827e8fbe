"""A table of documents: a key, a text, metadata and a vector, and a verb for each task.

Every framework's store is one of these, with its own words for documents and filters.
"""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from psycopg import errors, sql

from mrl_pg import source
from mrl_pg.adapters.conditions import Condition, Fields, Part, written
from mrl_pg.adapters.connections import Connections, Source
from mrl_pg.arguments import check_choice, names, shown
from mrl_pg.build.create import create
from mrl_pg.catalog.facts import check_pgvector
from mrl_pg.catalog.in_use import registered
from mrl_pg.catalog.slots import comma, home, name, statement
from mrl_pg.errors import (
    ColumnNotFound,
    IndexNotFound,
    InvalidFilter,
    InvalidSetting,
    NotInstalled,
    TableNotFound,
)
from mrl_pg.exchange import AnyConn, Exchange, Row, Send, look, transaction
from mrl_pg.exchange.server_message import server_message
from mrl_pg.installation import installing
from mrl_pg.kinds import OPERATORS, Distance, Kind
from mrl_pg.layout import ColumnLayout, IndexLayout, Searched
from mrl_pg.load.matrix import length
from mrl_pg.rows.delete import delete
from mrl_pg.rows.get import get
from mrl_pg.rows.report import UpsertReport
from mrl_pg.rows.upsert import upsert
from mrl_pg.rows.upsert_job import IfExists
from mrl_pg.search.filter import about_filter
from mrl_pg.search.find import find
from mrl_pg.search.hybrid import find_hybrid
from mrl_pg.search.hybrid_result import HybridHit
from mrl_pg.search.mmr import find_mmr
from mrl_pg.search.options import SearchOptions, options_of
from mrl_pg.search.result import Hit
from mrl_pg.search.words import WordOptions
from mrl_pg.vectors import VectorLike

T = TypeVar("T")
AnyHit = TypeVar("AnyHit", Hit, HybridHit)

OWN_OPTIONS = {"k", "columns", "filter", "params"}
"""Options of a search that come from the store, not from its caller."""

MOST_DOCUMENTS = 2**31 - 1
"""The limit of a reading that has none."""


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A row: its key, its text, its metadata, and its vector if it has one."""

    key: str
    text: str | None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    vector: "VectorLike | None" = None


@dataclass(frozen=True, slots=True)
class FoundDocument:
    """An answer: the document without its vector, and what put it in its place.

    `score` is its distance, smallest first. Of a hybrid search it is the fused score,
    largest first.
    """

    document: StoredDocument
    score: float


@dataclass(frozen=True, slots=True)
class TableState:
    """What the server has: where fields are, and the distance of the index in use."""

    fields: Fields
    distance: Distance


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentTable:
    """Names of the table and its columns, and the index that a new table gets.

    `columns` are columns of the table that count as metadata, beside the `metadata`
    column, which a table may lack. With `dims`, a table that is made gets an index of
    that size. Without, and as long as a table has none, searches are exact.
    """

    table: str
    schema: str = ""
    key: str = "id"
    text: str = "text"
    metadata: str | None = "metadata"
    embedding: str = "embedding"
    columns: Sequence[str] = ()
    make: bool = True
    dims: int | None = None
    kind: Kind = "halfvec"
    distance: Distance | None = None

    def __post_init__(self) -> None:
        """Raise InvalidSetting for names and values that cannot be."""
        # checks the names
        column = ColumnLayout(self.table, self.embedding, self.schema)
        object.__setattr__(self, "columns", names("columns", self.columns))
        if self.distance is not None:
            check_choice("distance", self.distance, OPERATORS)
        if self.dims is not None:
            self.index(self.dims)
        if self.make and self.metadata is None and not self.columns:
            object.__setattr__(self, "make", False)
        object.__setattr__(self, "schema", column.schema)

    @property
    def searched(self) -> ColumnLayout:
        """The full column."""
        return ColumnLayout(self.table, self.embedding, self.schema)

    @property
    def shown_columns(self) -> list[str]:
        """The columns of a document beside its key and its vector."""
        metadata = [self.metadata] if self.metadata is not None else []
        return [self.text, *metadata, *self.columns]

    @property
    def path(self) -> tuple[str, ...]:
        """The table's name, behind its schema if one was given."""
        return (self.schema, self.table) if self.schema else (self.table,)

    def index(self, dims: int) -> IndexLayout:
        """An index of this size."""
        return IndexLayout(
            self.table,
            self.embedding,
            schema=self.schema,
            dims=dims,
            kind=self.kind,
            distance=self.distance or "cosine",
        )

    def word_options(
        self, words: str, options: Mapping[str, Any]
    ) -> tuple[WordOptions, int | None, dict[str, Any]]:
        """The options of a hybrid search: those of its words, `fetch`, and the rest."""
        rest = dict(options)
        fetch = rest.pop("fetch", None)
        asked = WordOptions(
            words=words,
            text=rest.pop("text", self.text),
            config=rest.pop("config", "english"),
            weights=rest.pop("weights", (1.0, 1.0)),
            rank_constant=rest.pop("rank_constant", 60),
        )
        return asked, fetch, rest

    def document(self, key: object, values: Mapping[str, Any]) -> StoredDocument:
        """A document from the columns of its row."""
        metadata = dict(values[self.metadata] or {}) if self.metadata else {}
        metadata.update((column, values[column]) for column in self.columns)
        return StoredDocument(
            str(key), values[self.text], metadata, values.get(self.embedding)
        )

    def row(self, document: StoredDocument) -> dict[str, Any]:
        """The columns of a document's row."""
        rest = dict(document.metadata)
        beside = {column: rest.pop(column, None) for column in self.columns}
        if self.metadata is not None:
            beside[self.metadata] = rest
        elif rest:
            raise InvalidSetting(
                f"document {shown(document.key)} has the metadata "
                f"{', '.join(map(repr, rest))}, for which the table has no column: "
                "name the columns, or a column of type jsonb for all others"
            )
        return {
            self.key: document.key,
            self.text: document.text,
            self.embedding: document.vector,
            **beside,
        }


class Documents:
    """A table of documents on a server: carries out verbs, sync and async."""

    def __init__(self, connection: Source, table: DocumentTable) -> None:
        """Open nothing yet."""
        self.table = table
        self.connections = Connections(connection)
        self._state: TableState | None = None

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
            self._state = yield from _read_state(self.table)
        return self._state

    def make(self, conn: AnyConn, size: int) -> Exchange[TableState]:
        """Make the table for vectors of a size, and its index, unless they exist."""
        state = yield from self.state(conn)
        if state is not None:
            return state
        yield from _make(conn, self.table, size)
        state = yield from self.state(conn)
        assert state is not None
        return state

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
        for row in rows:
            if row.get(table.embedding) is not None:
                row[table.embedding] = json.loads(row[table.embedding])
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
        yield from self.make(conn, size or _size(documents))
        rows = [self.table.row(document) for document in documents]
        return (yield from upsert(conn, self.table.searched, rows, if_exists, None))

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


def _read_state(table: DocumentTable) -> Exchange[TableState | None]:
    names = {"schema": table.schema, "table": table.table}
    rows = yield from look(source.statement("columns_of").encode(), names)
    if not rows:
        if table.make:
            return None
        raise TableNotFound(
            f"there is no table {table.table!r}: correct the name, or let the store "
            "make it"
        )
    there = {row["name"]: row for row in rows}
    for column in (table.key, table.embedding, *table.shown_columns):
        if column not in there:
            raise ColumnNotFound(
                f"table {table.table!r} has no column {column!r}; it has: "
                f"{', '.join(filter(None, there))}: name the columns of the store"
            )
    metadata = table.metadata
    if metadata is not None and there[metadata]["type"] != "jsonb":
        raise InvalidSetting(
            f"column {metadata!r} is {there[metadata]['declared']}: metadata are kept "
            "in a column of type jsonb"
        )

    def type_of(column: str) -> tuple[str, str]:
        return there[column]["type_schema"], there[column]["type_name"]

    types = {column: type_of(column) for column in table.columns}
    parts: dict[Part, tuple[str, tuple[str, str]]] = {
        "key": (table.key, type_of(table.key)),
        "text": (table.text, type_of(table.text)),
    }
    return TableState(Fields(metadata, types, parts), (yield from _distance(table)))


def _distance(table: DocumentTable) -> Exchange[Distance]:
    """The distance of the index in use, or what the store asks if there is none."""
    try:
        known = yield from registered(table.searched)
    except NotInstalled:
        known = []
    wanted = table.distance or (known[0].distance if known else "cosine")
    if known and known[0].distance != wanted:
        raise InvalidSetting(
            f"distance={wanted!r}, and the index in use of {table.searched} has "
            f"{known[0].distance}: leave distance out, or switch to another index"
        )
    return wanted


def _make(conn: AnyConn, table: DocumentTable, size: int) -> Exchange[None]:
    if table.dims is not None and table.dims > size:
        raise InvalidSetting(
            f"dims={table.dims} is above {size}, the size of these vectors: give fewer"
        )
    extension = yield from look(source.statement("pgvector").encode())
    found = extension[0] if extension else {}
    check_pgvector(found.get("pgvector_version"))
    assert table.metadata is not None
    made = statement(
        "create_documents",
        table=sql.Identifier(*table.path),
        key=sql.Identifier(table.key),
        text=sql.Identifier(table.text),
        metadata=sql.Identifier(table.metadata),
        embedding=sql.Identifier(table.embedding),
        extension=home(found["extension_schema"]),
        dims=sql.Literal(size),
    )
    # another process may make it at the same moment
    with suppress(errors.DuplicateTable, errors.UniqueViolation):
        yield from transaction(_sent(made))
    if table.dims is None:
        return
    try:
        yield from create(conn, table.index(table.dims))
    except NotInstalled:
        yield from installing()
        yield from create(conn, table.index(table.dims))


def _sent(made: sql.Composed) -> Exchange[None]:
    yield Send(made)


def _size(documents: Sequence[StoredDocument]) -> int:
    size = length([document.vector for document in documents])
    if size is not None:
        return size
    raise InvalidSetting(
        "no document has a vector, so the size of the table's vectors is unknown: "
        "embed the documents first, or say the size"
    )


def new_key() -> str:
    """A key for a document that has none."""
    return str(uuid.uuid4())
