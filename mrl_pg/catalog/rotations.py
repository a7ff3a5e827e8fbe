"""The rotations of a table's columns, as the registry has them.

Which columns are rotated is read with the facts of a table. A matrix is read once per
version and process.
"""

import json
import struct
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from mrl_pg import source
from mrl_pg.arguments import shown
from mrl_pg.catalog.recent import Recent
from mrl_pg.catalog.slots import statement
from mrl_pg.errors import InvalidVector, TableError
from mrl_pg.exchange import Exchange, Row, Send, look
from mrl_pg.exchange.arrays import Array
from mrl_pg.rotation import Provenance, Rotation

MATRICES = 20
"""Most matrices that a process holds beside those of tables in use."""

ARRAY_HEAD = 20
"""Bytes before the values of an array in binary; each has its length before it."""

FLOAT4 = 700
"""The number of the type float4."""

_known: Recent[str, Rotation] = Recent(MATRICES)


def read_rotations(table_id: int) -> Exchange[tuple[dict[str, Rotation], int]]:
    """The rotations of a table by column, and a number that changes with them."""
    rows = yield from look(_column_rotations(), {"table_id": table_id})
    found: dict[str, Rotation] = {}
    for row in rows:
        if row["name"] is not None:
            known = _known.get(row["version"])
            if known is None:
                known = yield from _read_matrix(row)
            elif known.provenance != (provenance := _provenance(row["provenance"])):
                # another fit, with the same result
                known = Rotation(known.matrix, provenance)
            found[row["name"]] = _known.put(known.version, known)
    return found, int(rows[0]["stamp"])


def _read_matrix(row: Row) -> Exchange[Rotation]:
    rows = yield from look(
        source.statement("rotation_rows").encode(),
        {"entry": row["entry"], "known_as": row["known_as"]},
        binary=True,
    )
    lines = [_floats(bytes(part["weights"])) for part in rows]
    rotation = Rotation(np.array(lines), _provenance(row["provenance"]))
    if rotation.version != row["version"]:
        raise TableError(
            f"the matrix that the registry has for column {row['name']!r} is "
            f"{rotation.version}, and its row says {row['version']}: set the rotation "
            "again with mrl_pg.set_rotation, from its file"
        )
    return rotation


def _floats(data: bytes) -> NDArray[np.float32]:
    cells = np.frombuffer(data, ">f4", offset=ARRAY_HEAD)
    # every other number is the length of the value behind it
    return cells[1::2].astype(np.float32)


def _provenance(value: object) -> Provenance:
    given = json.loads(value) if isinstance(value, (str, bytes)) else value
    known = Provenance.__annotations__
    if not isinstance(given, dict) or "method" not in given or "rows" not in given:
        # mrl.set_rotation takes any JSON
        return Provenance(method="unknown", rows=0)
    return Provenance(**{name: given[name] for name in known if name in given})


def unrotated(value: Any, rotation: Rotation) -> Any:
    """A vector in the type in which the caller's loader read it; None stays None.

    Raises InvalidVector for a type that is not known.
    """
    if value is None:
        return None
    if isinstance(value, str):
        numbers = np.array(value[1:-1].split(","), dtype=np.float32)
        return f"[{','.join(map(str, rotation.undo(numbers)))}]"
    if isinstance(value, np.ndarray):
        return rotation.undo(value).astype(value.dtype)
    if isinstance(value, (list, tuple)):
        return type(value)(rotation.undo(np.array(value)).tolist())
    if hasattr(value, "to_numpy"):
        return type(value)(rotation.undo(value.to_numpy()))
    raise InvalidVector(
        f"{shown(value)} of type {type(value).__name__} is no vector that can be "
        "rotated back: register pgvector's types on the connection, or leave the "
        "column out with columns="
    )


def write_rotation(
    table: sql.Identifier, column: str, rotation: Rotation | None, *, already: bool
) -> Exchange[None]:
    """Say by which rotation the vectors of a column are turned; None: by none."""
    yield Send(
        source.statement("set_rotation").encode(),
        [
            table.as_string(),
            column,
            None if rotation is None else _matrix(rotation.matrix),
            None if rotation is None else rotation.version,
            json.dumps({} if rotation is None else rotation.provenance.as_dict()),
            already,
        ],
    )


def _matrix(matrix: NDArray[np.float32]) -> Array:
    """The matrix as a binary array of two dimensions."""
    rows, columns = matrix.shape
    head = struct.pack(">iiIiiii", 2, 0, FLOAT4, rows, 1, columns, 1)
    cells = np.empty((rows * columns, 2), dtype=">f4")
    cells.view(">i4")[:, 0] = 4
    cells[:, 1] = matrix.reshape(-1)
    return Array(head + cells.tobytes())


@cache
def _column_rotations() -> bytes:
    table = sql.SQL("%(table_id)s::pg_catalog.oid::pg_catalog.regclass")
    stamp = statement("rotation_stamp", table=table)
    return statement("column_rotations", rotation_stamp=stamp).as_bytes()
