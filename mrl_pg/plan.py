"""What one search will do: statement, parameters, candidates, settings; no I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from psycopg import sql

from mrl_pg import render
from mrl_pg.errors import ColumnNotFound, InvalidSetting
from mrl_pg.facts import Facts
from mrl_pg.layout import IndexLayout
from mrl_pg.vectors import VectorLike, as_vector, wire

MAX_EF_SEARCH = 1000
"""pgvector's upper limit of `hnsw.ef_search`."""

DEFAULT_SCAN_TUPLES = 20_000
"""pgvector's default of `hnsw.max_scan_tuples`."""

SAFE_CANDIDATES = 160
"""Candidates without a calibration; FACTS on real sentences: .94 to .99 at k = 10."""

Params: TypeAlias = "Mapping[str, Any] | Sequence[Any] | None"
"""Values of a `where`: a mapping for `%(name)s`, a sequence for `%s`."""

Scan: TypeAlias = Literal["single", "iterative", "exact"]
"""Index scan that stops at ef_search, one that goes on until it has enough, or none."""

SearchParams: TypeAlias = "Mapping[str, Any] | Sequence[Any]"
"""Parameters of a whole statement, the query included, as `bind` makes them."""


@dataclass(frozen=True, slots=True)
class QueryVector:
    """A full vector in pgvector's binary format, for `search.QueryVectorDumper`."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Shape:
    """All of a search but its query and its values; equal shapes share a statement."""

    layout: IndexLayout
    facts: Facts
    k: int
    candidates: int | None
    ef_search: int | None
    scan: Scan
    max_scan_tuples: int | None
    columns: tuple[str, ...]
    where: str | None
    named: bool


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """One search, ready to send; `statement` and `params` also run by hand.

    `statement` takes psycopg placeholders. `more_statement` tells whether rows
    were left over; it is sent only when fewer candidates came than were asked.
    """

    shape: Shape
    statement: bytes
    more_statement: bytes
    params: SearchParams

    def with_params(self, params: Mapping[str, Any] | Sequence[Any]) -> "SearchPlan":
        """The same search for other parameters, as `bind` makes them."""
        return replace(self, params=params)

    def iterative(self) -> "SearchPlan":
        """The same search with a scan that goes on past ef_search."""
        return plan_for(replace(self.shape, scan="iterative"), self.params)

    def more_params(self, seen: int) -> SearchParams:
        """Parameters of `more_statement` after `seen` candidates."""
        if isinstance(self.params, Mapping):
            return {**self.params, "mrl_seen": seen}
        return [*self.params[1:], seen]


def default_candidates(k: int) -> int:
    """Candidates when nobody says: 160, or 8 k when that is more."""
    return max(SAFE_CANDIDATES, 8 * k)


def shape(
    layout: IndexLayout,
    facts: Facts,
    *,
    k: int,
    candidates: int | None,
    ef_search: int | None,
    max_scan_tuples: int | None,
    where: str | None,
    params: Params,
    columns: Sequence[str],
    exact: bool,
) -> Shape:
    """Decide candidates, settings and scan; raise InvalidSetting or ColumnNotFound."""
    _check_count("k", k)
    if isinstance(columns, str):
        raise InvalidSetting(f"columns={columns!r} is one string: pass a list of names")
    for column in columns:
        if column not in facts.columns:
            present = ", ".join(facts.columns)
            raise ColumnNotFound(
                f"column {column!r} does not exist in {facts.schema}.{facts.table}; "
                f"there are: {present}"
            )
    if where is None and params:
        raise InvalidSetting("params= was given without where=, which would use them")
    reserved = [name for name in params or () if str(name).startswith("mrl_")]
    if isinstance(params, Mapping) and reserved:
        raise InvalidSetting(
            f"params has {reserved[0]!r}: names that begin with mrl_ belong to the "
            "search itself; rename it"
        )
    scan: Scan = "exact"
    if not exact:
        candidates = default_candidates(k) if candidates is None else candidates
        _check_count("candidates", candidates)
        if candidates < k:
            raise InvalidSetting(
                f"candidates={candidates} is below k={k}: the second pass can answer "
                "only rows that the first hands over; raise candidates"
            )
        ef_search = min(candidates, MAX_EF_SEARCH) if ef_search is None else ef_search
        _check_count("ef_search", ef_search, most=MAX_EF_SEARCH)
        if ef_search < min(candidates, MAX_EF_SEARCH):
            raise InvalidSetting(
                f"ef_search={ef_search} is below candidates={candidates}: the index "
                "would hand over fewer in silence; raise ef_search or leave it out"
            )
        if max_scan_tuples is not None:
            _check_count("max_scan_tuples", max_scan_tuples)
        elif candidates > DEFAULT_SCAN_TUPLES // 2:
            max_scan_tuples = 2 * candidates
        # dead rows can starve a single scan too: `search` then scans on by itself
        filtered = where is not None or facts.row_security
        scan = "iterative" if filtered or candidates > MAX_EF_SEARCH else "single"
    return Shape(
        layout=layout,
        facts=facts,
        k=k,
        candidates=None if exact else candidates,
        ef_search=None if exact else ef_search,
        scan=scan,
        max_scan_tuples=None if exact else max_scan_tuples,
        columns=tuple(columns),
        where=where,
        named=params is None or isinstance(params, Mapping),
    )


def plan(shape: Shape, query: VectorLike, params: Params) -> SearchPlan:
    """A search by one query; raises InvalidVector."""
    return plan_for(shape, bind(shape, query, params))


def plan_for(shape: Shape, params: SearchParams) -> SearchPlan:
    """A search by parameters that `bind` made."""
    statement, more_statement = _statements(shape)
    return SearchPlan(shape, statement, more_statement, params)


def bind(shape: Shape, query: VectorLike, params: Params) -> SearchParams:
    """Parameters of the statement: the query's bytes and the values of `where`."""
    data = as_query(shape.layout, shape.facts, query)
    if isinstance(params, Mapping):
        return {**params, "mrl_query": data}
    if params is None:
        return {"mrl_query": data}
    return [data, *params]


def as_query(layout: IndexLayout, facts: Facts, query: VectorLike) -> QueryVector:
    """The query as a parameter; raises InvalidVector."""
    cosine = layout.distance == "cosine"
    vector = as_vector(query, dims=facts.full_dims, cosine=cosine)
    return QueryVector(wire(vector, facts.full_type))


@lru_cache(maxsize=512)
def _statements(shape: Shape) -> tuple[bytes, bytes]:
    """The search and its `more_rows`, as bytes; the same object for equal shapes."""
    layout = shape.layout
    home = shape.facts.extension_schema.replace("%", "%%")
    facts = replace(shape.facts, extension_schema=home)
    keys = [sql.Identifier(f"key_{i}") for i in range(1, len(facts.keys) + 1)]
    extras = [sql.Identifier(f"column_{i}") for i in range(1, len(shape.columns) + 1)]
    placeholder = sql.Placeholder("mrl_query") if shape.named else sql.Placeholder()
    # facts outlive a change of the search path, which then means another table
    by_path = not layout.schema and not facts.table.startswith("mrl_")
    schema = () if by_path else (facts.schema,)
    slots: dict[str, sql.Composable] = {
        "query": render.query(facts, placeholder),
        "table": render.name(*schema, facts.table),
        "extension": sql.Identifier(facts.extension_schema),
        "operator": sql.SQL(layout.operator),
        "full": render.name(layout.column),
        "columns": render.comma(
            [render.name(column) for column in (*facts.keys, *shape.columns)]
        ),
        "names": render.comma([*keys, *extras]),
        "key_names": render.comma(keys),
        "where": _filter(shape.where),
        "k": sql.Literal(shape.k),
    }
    if shape.scan == "exact":
        return render.template("exact", **slots).as_bytes(), b""
    two_pass = render.template(
        "two_pass",
        short=render.name(layout.short),
        short_operator=sql.SQL(layout.short_operator),
        short_query=render.short_value(layout, facts, sql.Identifier("full")),
        ef_search=sql.Literal(str(shape.ef_search)),
        iterative_scan=sql.Literal(
            "relaxed_order" if shape.scan == "iterative" else "off"
        ),
        max_scan_tuples=sql.Literal(
            None if shape.max_scan_tuples is None else str(shape.max_scan_tuples)
        ),
        candidates=sql.Literal(shape.candidates),
        **slots,
    )
    # the bits of a zero vector are in the index, although it has no cosine distance
    bits = layout.kind == "bit"
    more = render.template(
        "more_rows",
        table=slots["table"],
        value=render.name(layout.column if bits else layout.short),
        extension=slots["extension"],
        operator=sql.SQL(layout.operator if bits else layout.short_operator),
        where=slots["where"],
        seen=sql.Placeholder("mrl_seen") if shape.named else sql.Placeholder(),
    )
    return two_pass.as_bytes(), more.as_bytes()


def _filter(where: str | None) -> sql.Composable:
    """The caller's condition on lines of its own, so that a comment in it ends."""
    if where is None:
        return sql.SQL("")
    return sql.SQL("\n    and (\n{}\n    )").format(sql.SQL(where))


def _check_count(what: str, value: int, most: int | None = None) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidSetting(f"{what}={value!r} is not a whole number")
    if value < 1:
        raise InvalidSetting(f"{what}={value} is below 1: ask for at least one row")
    if most is not None and value > most:
        raise InvalidSetting(f"{what}={value} is above {most}, pgvector's limit")
