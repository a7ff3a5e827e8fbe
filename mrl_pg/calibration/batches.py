"""Measurements in batches, each of which is a statement and a transaction by itself.

So no lock on the table and no snapshot is held for longer than a batch. In a
transaction of the caller's, the server measures in one statement, because both are held
until its end anyway.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from mrl_pg import source
from mrl_pg.calibration import measuring
from mrl_pg.catalog.facts import Facts
from mrl_pg.exchange import Exchange, Send, look
from mrl_pg.exchange.arrays import vector_array

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MeasuredQuery:
    """A query in binary; if it is a row of the table, with its partition and ctid.

    `type_id` is the number of the type `vector`.

    A row that is updated during a measurement has another ctid then, so it counts as
    found in its own answer. `outside` if the filter turns the row away.
    """

    query: bytes
    type_id: int
    part: int | None
    place: str | None
    outside: bool = False


def draw(
    name: str, facts: Facts, values: dict[str, Any]
) -> Exchange[list[MeasuredQuery]]:
    """The queries of a measurement, which the statement `name` draws."""
    if values["filter"] is not None:
        yield Send(source.statement("check_measured_filter").encode(), values)
    rows = yield from look(measuring.statement(name, facts), values, binary=True)
    return [MeasuredQuery(**row) for row in rows]


def as_parameters(queries: Sequence[MeasuredQuery]) -> dict[str, Any]:
    """Some queries as parameters of a statement.

    In binary, because to read the numbers of a vector from text takes the server
    longer than some searches.
    """
    sent = None
    if queries:
        sent = vector_array(queries[0].type_id, [query.query for query in queries])
    return {
        "queries": sent,
        "parts": [query.part for query in queries],
        "places": [query.place for query in queries],
    }


def parts(queries: Sequence[T], size: int) -> Iterator[tuple[int, Sequence[T]]]:
    """Parts of at most `size` queries, each with the number of queries before it."""
    for start in range(0, len(queries), size):
        yield start, queries[start : start + size]
