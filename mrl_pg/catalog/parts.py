"""The parts of a table that is partitioned by likeness, as the registry has them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mrl_pg.catalog.slots import home, statement
from mrl_pg.exchange import Exchange, look


@dataclass(frozen=True, slots=True, eq=False)
class ColumnParts:
    """How a table is partitioned: by which column, and by which centres.

    `centres` has shape (parts, dims); row 0 is the centre of part 1. `part_column` has
    the number of a row's part.
    """

    column: str
    part_column: str
    distance: str
    centres: NDArray[np.float32]

    def of(self, vectors: NDArray[np.float32]) -> NDArray[np.int32]:
        """The part of each vector, shape (n, dims), as the column has it.

        It is 0 for a vector without a direction, unless the distance is l2.
        """
        centres = self.centres.astype(np.float64)
        sizes = np.square(centres).sum(axis=1)
        products = vectors.astype(np.float64) @ centres.T
        if self.distance == "l2":
            near: NDArray[np.intp] = np.argmin(sizes - 2 * products, axis=1)
            return (1 + near).astype(np.int32)
        nearest = 1 + np.argmax(products / np.sqrt(sizes), axis=1)
        return np.where(vectors.any(axis=1), nearest, 0).astype(np.int32)


def read_column_parts(
    table_id: int, extension_schema: str
) -> Exchange[ColumnParts | None]:
    """The parts of a table, read from the server now; None if it has none."""
    query = statement(
        "part_centres", extension=home(extension_schema.replace("%", "%%"))
    )
    rows = yield from look(query, {"table_id": table_id}, binary=True)
    if not rows:
        return None
    # four bytes before the numbers say how many there are
    lines = [np.frombuffer(row["centre"], ">f4", offset=4) for row in rows]
    first = rows[0]
    return ColumnParts(
        first["full_column"],
        first["part_column"],
        first["distance"],
        np.array(lines, dtype=np.float32),
    )
