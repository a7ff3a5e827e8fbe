"""Names of the table and its columns, and rows as documents."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, TypeVar, cast

from mrl_pg.adapters.documents.values import StoredDocument
from mrl_pg.arguments import check_choice, names, shown
from mrl_pg.errors import InvalidSetting
from mrl_pg.kinds import OPERATORS, Distance, Kind
from mrl_pg.layout import ColumnLayout, IndexLayout
from mrl_pg.search.words import WordOptions


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
        self, words: str, options: Mapping[str, Any], *, alone: bool = False
    ) -> tuple[WordOptions, int | None, dict[str, Any]]:
        """The options of a search by words: those of its words, `fetch`, and the rest.

        A search by words `alone` has neither weights nor a `fetch`.
        """
        rest = dict(options)
        names = ["text", "config", "match"]
        if not alone:
            names += ["weights", "rank_constant"]
        given = {name: rest.pop(name) for name in names if name in rest}
        fetch = None if alone else rest.pop("fetch", None)
        if alone:
            given["weights"] = None
            for option in rest:
                raise TypeError(
                    f"{option!r} is not an option here: the options are "
                    f"{', '.join(names)}"
                )
        asked = WordOptions(words=words, **{"text": self.text, **given})
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


class TableKeywords(TypedDict, total=False):
    """Keywords of a store: names of its columns, and the index that a new table gets.

    - `schema`: that of the table, if it is not on the search path.
    - `dims`, `kind` ("halfvec"), `distance` ("cosine"): the index of a table that the
      store makes. Without `dims` it makes none.
    - `id_column` ("id"), `text_column` ("text"), `metadata_column` ("metadata", or
      None), `embedding_column` ("embedding"): the columns of the table.
    - `metadata_columns`: columns that count as metadata, too.
    - `make_table` (True): whether a table that is not there is made, or is an error.
    """

    schema: str
    dims: int | None
    kind: Kind
    distance: Distance | None
    id_column: str
    text_column: str
    metadata_column: str | None
    embedding_column: str
    metadata_columns: Sequence[str]
    make_table: bool


FIELDS = {
    "schema": "schema",
    "dims": "dims",
    "kind": "kind",
    "distance": "distance",
    "id_column": "key",
    "text_column": "text",
    "metadata_column": "metadata",
    "embedding_column": "embedding",
    "metadata_columns": "columns",
    "make_table": "make",
}
"""The fields of DocumentTable that the keywords give."""

Method = TypeVar("Method", bound=Callable[..., Any])


def explains_table(method: Method) -> Method:
    """Add what each keyword means, as declared above, to the help of a method."""
    listed = inspect.cleandoc(TableKeywords.__doc__ or "").partition("\n\n")[2]
    method.__doc__ = f"{inspect.cleandoc(method.__doc__ or '')}\n\n{listed}"
    return method


def document_table(table: str, keywords: TableKeywords) -> DocumentTable:
    """The table of a store; TypeError for an unknown keyword."""
    for keyword in keywords.keys() - FIELDS.keys():
        raise TypeError(
            f"{keyword!r} is no keyword of the store: there are {', '.join(FIELDS)}"
        )
    given = cast("dict[str, Any]", keywords)
    return DocumentTable(table=table, **{FIELDS[each]: given[each] for each in given})
