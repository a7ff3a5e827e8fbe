"""Which index a plan of PostgreSQL takes for its order by distance; pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Node: TypeAlias = "Mapping[str, Any]"
"""A node of `explain (verbose, format json)`."""

DISTANCE = re.compile(r"<(->|#>|=>|\+>|~>|%>)")
"""pgvector's operators of distance, with or without their schema."""


@dataclass(frozen=True, slots=True)
class VectorIndex:
    """An HNSW or IVFFlat index of a table, or of one partition.

    `root` is the index of the partitioned table, else the index itself; `root_table_id`
    and `rows` are of that table. `rows` is PostgreSQL's estimate.
    `scannable` is false while enable_indexscan is off.
    """

    schema: str
    table: str
    name: str
    root: str
    root_table_id: int
    root_table: str
    rows: int
    definition: str
    scannable: bool = True


@dataclass(frozen=True, slots=True)
class Reading:
    """How a plan reads tables that have vector indexes.

    `used` are the indexes whose order by distance it takes. `sorted_parts` are
    partitions that it reads in another way, and sorts. `tables` are all indexes of the
    tables that it reads, and `scans` says how it reads each.
    """

    used: tuple[VectorIndex, ...]
    sorted_parts: tuple[str, ...]
    tables: tuple[VectorIndex, ...]
    scans: tuple[str, ...]

    def takes(self, wanted: "str | int | None") -> bool:
        """Whether it takes an index: any, one by name, or any of one table."""
        return not self.sorted_parts and any(
            wanted is None or wanted in (each.root_table_id, each.name, each.root)
            for each in self.used
        )


def read_plan(root: Node, indexes: Iterable[VectorIndex]) -> Reading:
    """What a plan does with the vector indexes of a database."""
    known = {(each.schema, each.name): each for each in indexes}
    read = {
        (node.get("Schema"), node["Relation Name"])
        for node in nodes(root)
        if "Relation Name" in node
    }
    return Reading(
        used=tuple(_used(root, known)),
        sorted_parts=tuple(_sorted_parts(root, known)),
        tables=tuple(
            each for each in known.values() if (each.schema, each.table) in read
        ),
        scans=tuple(dict.fromkeys(_scans(root))),
    )


def nodes(root: Node) -> Iterator[Node]:
    """All nodes of a plan, from the top on."""
    yield root
    for child in root.get("Plans", ()):
        yield from nodes(child)


def _used(
    root: Node, known: Mapping[tuple[Any, Any], VectorIndex]
) -> Iterator[VectorIndex]:
    for node in nodes(root):
        name = (node.get("Schema"), node.get("Index Name"))
        # without an order it would be read for a condition
        if "Order By" in node and name in known:
            yield known[name]


def _sorted_parts(
    root: Node, known: Mapping[tuple[Any, Any], VectorIndex]
) -> Iterator[str]:
    """Parts that are sorted by distance beside parts that their indexes order."""
    for node in nodes(root):
        if node["Node Type"] not in ("Append", "Merge Append"):
            continue
        parts = node.get("Plans", ())
        if not any(any(_used(part, known)) for part in parts):
            continue
        for part in parts:
            if not any(_used(part, known)) and any(map(_sorts, nodes(part))):
                yield from _scans(part)


def _sorts(node: Node) -> bool:
    """Whether a node sorts by distance."""
    return node["Node Type"] in ("Sort", "Incremental Sort") and any(
        DISTANCE.search(key) for key in node.get("Sort Key", ())
    )


def _scans(root: Node) -> Iterator[str]:
    for node in nodes(root):
        if "Relation Name" in node:
            by = f" using {node['Index Name']}" if "Index Name" in node else ""
            yield f"{node['Node Type']}{by} on {node['Relation Name']}"
