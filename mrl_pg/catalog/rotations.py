"""The rotations of a table's columns, as the registry has them.

Which columns are rotated is read with the facts of a table. A matrix is read once per
version and process.
"""

import json
from functools import cache
from typing import Any

import numpy as np
from psycopg import sql

from mrl_pg import source
from mrl_pg.arguments import shown
from mrl_pg.catalog.recent import Recent
from mrl_pg.catalog.slots import home, statement
from mrl_pg.errors import InvalidVector, RotationMismatch, TableError
from mrl_pg.exchange import Exchange, Row, Send, look
from mrl_pg.exchange.arrays import Array, vector_array
from mrl_pg.rotation import Provenance, Rotation
from mrl_pg.vectors import wire

MATRICES = 20
"""Most matrices that a process holds beside those of tables in use."""

_known: Recent[str, Rotation] = Recent(MATRICES)


def read_rotations(
    table_id: int, extension_schema: str
) -> Exchange[tuple[dict[str, Rotation], int]]:
    """The rotations of a table by column, and a number that changes with them.

    Raises RotationMismatch if nobody knows which column a rotation belongs to.
    """
    names = {"table_id": table_id}
    found: dict[str, Rotation] = {}
    (known,) = yield from look(source.statement("has_rotation").encode(), names)
    if not known["found"]:
        # the stamp of no rotation
        return found, 0
    rows = yield from look(_column_rotations(), names)
    for row in rows:
        if row["lost"] is not None:
            raise RotationMismatch(
                f"the table has a rotation of column {row['lost']!r}, which has "
                "another name now: say which column it is with `select "
                f"mrl.rename_rotation(TABLE, '{row['lost']}', COLUMN)`, or NULL in "
                "place of the column if it was dropped"
            )
        if row["name"] is not None:
            rotation = _known.get(row["version"])
            if rotation is None:
                rotation = yield from _read_matrix(row, extension_schema)
            elif rotation.provenance != (given := _provenance(row["provenance"])):
                # another fit, with the same result
                rotation = Rotation(rotation.matrix, given)
            found[row["name"]] = _known.put(rotation.version, rotation)
    return found, int(rows[0]["stamp"])


def _read_matrix(row: Row, extension_schema: str) -> Exchange[Rotation]:
    query = statement("rotation_rows", extension=_home(extension_schema))
    names = {"entry": row["entry"], "known_as": row["known_as"]}
    rows = yield from look(query, names, binary=True)
    # four bytes before the numbers say how many there are
    lines = [np.frombuffer(part["weights"], ">f4", offset=4) for part in rows]
    matrix = np.array(lines, dtype=np.float32)
    rotation = Rotation(matrix, _provenance(row["provenance"]))
    if rotation.version != row["version"]:
        raise TableError(
            f"the matrix that the registry has for column {row['name']!r} is "
            f"{rotation.version}, and its row says {row['version']}: set the rotation "
            "again with MatryoshkaColumn.set_rotation, from its file"
        )
    return rotation


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
    table: sql.Identifier,
    column: str,
    rotation: Rotation | None,
    extension_schema: str,
    *,
    already: bool,
) -> Exchange[None]:
    """Say by which rotation the vectors of a column are turned; None: by none."""
    types = yield from look(source.statement("vector_types").encode(), {})
    (type_id,) = (row["id"] for row in types if row["name"] == "vector")
    matrix: Array | None = None
    if rotation is not None:
        lines = [wire(line, "vector") for line in rotation.matrix]
        matrix = vector_array(type_id, lines)
    yield Send(
        statement("set_rotation", extension=_home(extension_schema)),
        {
            "table": table.as_string(),
            "column": column,
            "matrix": matrix,
            "version": None if rotation is None else rotation.version,
            "provenance": json.dumps(
                {} if rotation is None else rotation.provenance.as_dict()
            ),
            "already": already,
        },
    )


def _home(extension_schema: str) -> sql.Composable:
    """Pgvector's schema and a dot, for a statement with parameters."""
    return home(extension_schema.replace("%", "%%"))


@cache
def _column_rotations() -> bytes:
    table = sql.SQL("%(table_id)s::pg_catalog.oid::pg_catalog.regclass")
    stamp = statement("rotation_stamp", table=table)
    return statement("column_rotations", rotation_stamp=stamp).as_bytes()
