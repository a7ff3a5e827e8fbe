"""Promises with filters: drawn at random, and about the topic of the query or not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrl_pg import MatryoshkaIndex
from promising.cells import Cell
from promising.data import DataSet, Vectors
from promising.table import (
    Basis,
    Conn,
    Known,
    Truth,
    calibrate,
    make,
    measure,
    truth_of,
)

SHARES = (0.5, 0.1, 0.01, 0.001)
QUERIES = 200
OTHER_SHARES = (0.5, 0.01)
"""Shares of the filters that were calibrated where the own filter was not."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A filter, which column it compares, and the queries that search with it.

    `dice` and `lot` number the rows at random, `topic` by nearness to a real query, and
    `against` from the other end.
    """

    name: str
    column: str
    truth: Truth


def promises(
    conn: Conn,
    data: DataSet,
    ks: Sequence[int],
    targets: Sequence[float],
    basis: Basis,
    sample: int | None,
) -> Iterator[Cell]:
    """Cells of all filters on one data set, with other and with their own calibration.

    Inside: the queries nearest to the topic. Outside: queries from the half that is
    least near to it. Against: the filter lets the rows through that are least near to
    the topic, and the queries are those from inside.
    """
    rng = np.random.default_rng(11)
    rows, asked = data.rows, data.queries
    topic = asked[0]
    likeness = asked[1:] @ topic
    order = np.argsort(-likeness)
    inside = asked[1:][order[:QUERIES]]
    far = rng.permutation(order[len(order) // 2 :])
    outside, spare = asked[1:][far[:QUERIES]], asked[1:][far[QUERIES:]]
    columns = {
        "dice": rng.permutation(len(rows)),
        "lot": rng.permutation(len(rows)),
        "topic": np.argsort(np.argsort(-(rows @ topic))),
        "against": np.argsort(np.argsort(rows @ topic)),
    }
    kind, dims = data.shorts[1]
    index = MatryoshkaIndex("filtered", "embedding", dims=dims, kind=kind)
    conn.execute("drop table if exists filtered cascade")
    make(conn, "filtered", rows, index, columns)
    numbers = {
        column: dict(conn.execute(f"select id, {column} from filtered"))
        for column in columns
    }
    cases = [
        Case("random", "dice", _truth(conn, index, outside)),
        Case("topic, inside", "topic", _truth(conn, index, inside)),
        Case("topic, outside", "topic", _truth(conn, index, outside)),
        Case("topic, against", "against", _truth(conn, index, inside)),
    ]
    for k in ks:
        calibrate(conn, index, k, basis, spare, sample=sample)
        for share in OTHER_SHARES:
            condition = f"lot < {round(share * len(rows))}"
            calibrate(conn, index, k, basis, spare, sample=sample, filter=condition)
        for own in (False, True):
            for share in SHARES:
                most = round(share * len(rows))
                if own:
                    for column in ("dice", "topic", "against"):
                        condition = f"{column} < {most}"
                        calibrate(
                            conn,
                            index,
                            k,
                            basis,
                            spare,
                            sample=sample,
                            filter=condition,
                        )
                for case in cases:
                    passing = _passing(numbers[case.column], case, most)
                    known: Known = {}
                    for target in targets:
                        yield measure(
                            conn,
                            index,
                            case.truth,
                            data=data.name,
                            case=f"{case.name} {share:.1%}{' own' if own else ''}",
                            k=k,
                            target=target,
                            count=QUERIES,
                            known=known,
                            passing=passing,
                            filter=f"{case.column} < {most}",
                        )
    conn.execute("drop table filtered cascade")


def _truth(conn: Conn, index: MatryoshkaIndex, queries: Vectors) -> Truth:
    return truth_of(conn, index, queries)


def _passing(numbers: dict[Any, Any], case: Case, most: int) -> NDArray[np.bool_]:
    """Which rows pass, in the order of the truth."""
    return np.array([numbers[key] < most for key in case.truth.place])
