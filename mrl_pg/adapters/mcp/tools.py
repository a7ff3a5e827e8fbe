"""The five tools: what each takes, does and returns; docstrings are for models."""

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, cast

from pydantic import Field

from mrl_pg.adapters.mcp.answers import (
    Indexes,
    Predicted,
    Problem,
    RecallAnswer,
    Row,
    SearchAnswer,
    ShortColumn,
    State,
    States,
    TuneAnswer,
    cut,
    megabytes,
    rounded,
    small,
)
from mrl_pg.adapters.mcp.session import ReadOnly, is_superuser
from mrl_pg.arguments import split_table
from mrl_pg.build.status import IndexStatus
from mrl_pg.build.status import status as read_status
from mrl_pg.catalog.facts import Facts
from mrl_pg.catalog.indexes import read_indexes
from mrl_pg.catalog.read import read_column_facts
from mrl_pg.column import MatryoshkaColumn
from mrl_pg.embed import TextModel
from mrl_pg.embed import search as search_text
from mrl_pg.embed.column_model import is_same, read_model
from mrl_pg.embed.named import known_embedder
from mrl_pg.errors import InvalidFilter, InvalidSetting, InvalidVector, MrlError
from mrl_pg.exchange import Conn, run
from mrl_pg.kinds import Distance
from mrl_pg.search.options import FilteredKeywords, SearchKeywords
from mrl_pg.search.result import SearchResult
from mrl_pg.tune import tune as choose

MOST_ROWS = 100
"""Rows in one answer: more than a model should read."""

Table = Annotated[str, Field(description="Table, or schema.table.")]
Column = Annotated[
    str, Field(description="Column of the full vectors: `column` in `indexes`.")
]
K = Annotated[int, Field(ge=1, le=MOST_ROWS, description="Rows in the answer.")]
Filter = Annotated[
    str | None,
    Field(
        description="A condition in SQL on columns of the table, such as "
        '"lang = %(lang)s and year > 2020", with its values in `params`. A literal '
        "percent sign is written %%."
    ),
]
Params = Annotated[
    dict[str, Any] | None, Field(description="Values that `filter` names.")
]
PromisedRecall = Annotated[
    float | None,
    Field(
        description="Share of the true nearest rows to find, such as 0.95: the "
        "cheapest search that was measured to reach it."
    ),
]
Tenant = Annotated[
    str | int | None,
    Field(
        description="Key of a tenant, if the rows belong to tenants: only its rows are "
        "searched."
    ),
]
Text = Annotated[
    str | None,
    Field(description="What to search for, in words. The column needs a `model`."),
]
Vector = Annotated[
    list[float] | None,
    Field(description="A query vector of the full size, instead of a text."),
]
Like = Annotated[
    str | int | list[str | int] | None,
    Field(
        description="Primary key of a row, instead of a text: finds other rows like "
        "it. A list if the key has several columns."
    ),
]
Shown = Annotated[
    list[str] | None,
    Field(description="Columns to show of each row: `columns_to_show` in `indexes`."),
]
OneTable = Annotated[
    str | None, Field(description="Table, or schema.table; by default all tables.")
]


@dataclass(frozen=True, slots=True)
class Tools:
    """The tools on one database.

    `longest` is the most characters of a text in an answer. `embedder` is the model for
    columns whose model the registry does not know, or may not open by itself.
    Conditions of a superuser are refused unless `trust_filters`, because a read-only
    transaction does not keep a superuser from writing files.
    """

    database: ReadOnly
    longest: int = 500
    embedder: TextModel | None = None
    trust_filters: bool = False

    def search(
        self,
        table: Table,
        column: Column,
        text: Text = None,
        vector: Vector = None,
        like: Like = None,
        k: K = 10,
        filter: Filter = None,
        params: Params = None,
        columns: Shown = None,
        recall: PromisedRecall = None,
        exact: Annotated[
            bool, Field(description="Compare every row instead of using the index.")
        ] = False,
        tenant: Tenant = None,
    ) -> SearchAnswer:
        """Find the rows nearest in meaning to a text, a vector, or another row.

        Give exactly one of `text`, `vector` and `like`. Rows come nearest first, with
        primary key, distance (smaller is nearer) and the columns you ask for. Vectors
        are never shown, and long texts are cut.
        """
        if sum(given is not None for given in (text, vector, like)) != 1:
            raise InvalidSetting(
                "nothing or too much to search for: give one of text, vector and like"
            )
        asked: SearchKeywords = {
            # the row itself is the nearest, and is left out
            "k": k if like is None else k + 1,
            "filter": filter,
            "params": params,
            "columns": columns or [],
            "recall": recall,
            "exact": exact,
            "tenant": tenant,
        }
        searched = _column(table, column)
        with self.database.transaction() as conn:
            self._check_filter(conn, filter)
            if text is not None:
                result = self._search_text(conn, searched, text, asked)
            else:
                query = vector
                if like is not None:
                    query = _vector_of(conn, searched, like)
                result = searched.search(conn, query or [], **asked)
        without = None if like is None else _key_text(like)
        found = [hit for hit in result if _key_text(hit.key) != without][:k]
        return SearchAnswer(
            [
                Row(
                    small(hit.key, self.longest),
                    cast(float, rounded(hit.distance)),
                    {n: small(v, self.longest) for n, v in hit.columns.items()},
                )
                for hit in found
            ],
            result.index_name,
            None if result.promise is None else str(result.promise),
            _note(result),
        )

    def indexes(self) -> Indexes:
        """List what can be searched: tables, columns of vectors, their short indexes.

        `model` is the model that turns a text into a vector of the column; without it,
        search by `vector` or `like`. `columns_to_show` are the other columns, with
        their types. Searches use the index that is `in_use`.
        """
        with self.database.transaction() as conn:
            return Indexes([_listed(conn, row) for row in run(conn, read_indexes())])

    def status(
        self,
        table: OneTable = None,
        check_rows: Annotated[
            bool,
            Field(
                description="Also read every row whose short value a trigger keeps, "
                "and count wrong values."
            ),
        ] = False,
    ) -> States:
        """Say what is wrong with the short columns and indexes, and the remedy.

        Finds invalid and missing indexes, renamed columns, missing triggers, and what
        a broken build left. A person mends it with `mrl-pg repair`.
        """
        schema, bare = split_table(table) if table else ("", None)
        with self.database.transaction() as conn:
            states = read_status(conn, bare, schema=schema, rows=check_rows)
        return States([_state(state) for state in states])

    def recall(
        self,
        table: Table,
        column: Column,
        k: K = 10,
        sample: Annotated[
            int,
            Field(
                ge=1,
                le=1000,
                description="Queries: random rows, each left out of its own answer.",
            ),
        ] = 20,
        candidates: Annotated[
            int | None,
            Field(description="Candidates of the search; by default 160, or 8 k."),
        ] = None,
        ef_search: Annotated[
            int | None,
            Field(description="Width of the index search; by default candidates."),
        ] = None,
        filter: Filter = None,
        params: Params = None,
        recall: PromisedRecall = None,
        tenant: Tenant = None,
    ) -> RecallAnswer:
        """Measure how many of the true nearest rows a search of the column finds.

        Compares it with exact search, which reads the whole table for each query, so
        on a large table begin with a small `sample`.
        """
        with self.database.transaction() as conn:
            self._check_filter(conn, filter)
            searched = _column(table, column)
            asked: FilteredKeywords = {
                "k": k,
                "candidates": candidates,
                "ef_search": ef_search,
                "filter": filter,
                "params": params,
                "recall": recall,
            }
            if tenant is None:
                index = searched.index(conn)
                report = index.recall(conn, sample=sample, **asked)
            else:
                report = searched.tenant_recall(conn, tenant, sample=sample, **asked)
        return RecallAnswer(
            None if report.candidates is None else report.layout.name,
            report.k,
            report.candidates,
            report.ef_search,
            rounded(report.recall),
            rounded(report.low),
            rounded(report.high),
            rounded(report.loss_graph),
            rounded(report.loss_shortlist),
            report.queries,
            None if report.promise is None else str(report.promise),
        )

    def tune(
        self,
        table: Table,
        column: Column,
        k: K = 10,
        recall: Annotated[
            float, Field(description="Share of the true nearest rows to find.")
        ] = 0.99,
        distance: Annotated[
            str, Field(description="Distance of the search: cosine, l2 or ip.")
        ] = "cosine",
        sample_rows: Annotated[
            int,
            Field(
                ge=1,
                le=1_000_000,
                description="Most rows to read; of a larger table, a random sample.",
            ),
        ] = 20_000,
        queries: Annotated[
            int, Field(ge=1, le=5000, description="Most queries to use.")
        ] = 200,
    ) -> TuneAnswer:
        """Predict which size and kind of short index a table needs for a recall.

        Reads rows and predicts; builds and changes nothing. It may say that no index
        is worth it yet. A person can run the `commands`, or `mrl-pg tune` to measure.
        """
        schema, bare = split_table(table)
        with self.database.statements() as conn:
            tuning = choose(
                conn,
                bare,
                column,
                k=k,
                recall=recall,
                # `choose` checks it, and its error names the choices
                distance=cast(Distance, distance),
                schema=schema,
                plan=True,
                sample=queries,
                sample_rows=sample_rows,
            )
        advice = tuning.recommendation
        first = [] if advice.not_yet is None else [str(advice.not_yet)]
        commands = advice.commands
        return TuneAnswer(
            advice.name,
            advice.worth_it,
            advice.candidates,
            advice.ef_search,
            list(advice.reasons),
            [*first, *advice.against],
            tuning.warnings,
            [
                Predicted(
                    option.name,
                    option.candidates,
                    megabytes(option.index_bytes) or 0.0,
                    rounded(option.build_seconds) or 0.0,
                )
                for option in tuning.options
            ],
            [] if commands is None else [commands.sql, commands.shell],
        )

    def _search_text(
        self, conn: Conn, searched: MatryoshkaColumn, text: str, asked: SearchKeywords
    ) -> SearchResult:
        known, model = run(conn, read_model(searched)), self.embedder
        if known.model is not None and (
            model is None or not is_same(known.model, model.name)
        ):
            model = _opened(known.model, known.dims)
        return search_text(conn, searched, text, embedder=model, **asked)

    def _check_filter(self, conn: Conn, filter: str | None) -> None:
        if filter is not None and not self.trust_filters and is_superuser(conn):
            raise InvalidFilter(
                "filters are refused here, because the server connects as a superuser, "
                "who could write files with a condition: connect as a role that may "
                "only read (--dsn), or start it with --trust-filters"
            )


_opened = lru_cache(maxsize=4)(known_embedder)
"""Models by name and size, because a model on this machine takes long to load."""


def _column(table: str, column: str) -> MatryoshkaColumn:
    schema, bare = split_table(table)
    return MatryoshkaColumn(bare, column, schema)


def _vector_of(
    conn: Conn, searched: MatryoshkaColumn, like: str | int | list[str | int]
) -> list[float]:
    """The full vector of a row; raises InvalidVector if there is none."""
    parts = like if isinstance(like, list) else [like]
    key = parts[0] if len(parts) == 1 else tuple(parts)
    (row,) = searched.get(conn, [key], columns=[searched.column])
    if row is None or row[searched.column] is None:
        raise InvalidVector(
            f"{searched.table} has no row {parts} with a vector in {searched.column}"
        )
    # as PostgreSQL writes a vector, because nothing is registered on this connection
    return [float(number) for number in json.loads(row[searched.column])]


def _key_text(key: Any) -> tuple[str, ...]:
    """A key as texts, because a model writes a UUID or a number as it likes."""
    return tuple(map(str, key if isinstance(key, (list, tuple)) else [key]))


def _note(result: SearchResult) -> str | None:
    if not result.cut_short:
        return None
    return (
        f"only {result.seen} candidates were found, but the table has more: rows may "
        "be missing; search with exact=true"
    )


def _listed(conn: Conn, row: dict[str, Any]) -> ShortColumn:
    table, column = row["table_name"], row["full_column"]
    try:
        facts = run(conn, read_column_facts(_column(table, column)))
    except MrlError:
        # `status` says what is wrong
        facts = None
    return ShortColumn(
        table=table,
        column=column,
        full_dims=row["full_dims"],
        dims=row["dims"],
        kind=row["kind"],
        distance=row["distance"],
        index=row["index_name"],
        usable=row["usable"],
        in_use=row["in_use"],
        kept_as=row["kept_as"],
        index_mb=megabytes(row["index_bytes"]),
        rows=row["estimated_rows"],
        model=row["model"],
        columns_to_show=[] if facts is None else _shown(facts),
    )


def _shown(facts: Facts) -> list[str]:
    """Columns that are no vectors, with their types."""
    pairs = zip(facts.columns, facts.column_types, strict=True)
    vectors = ("vector", "halfvec", "sparsevec", "bit")
    return [
        f"{name} {type_}"
        for name, type_ in pairs
        if type_.rpartition(".")[2].partition("(")[0] not in vectors
    ]


def _state(state: IndexStatus) -> State:
    return State(
        f"{state.schema}.{state.table}",
        state.column,
        state.name,
        state.usable,
        state.ok,
        [
            Problem(finding.code, cut(finding.detail, 500), finding.remedy)
            for finding in state.findings
        ],
    )
