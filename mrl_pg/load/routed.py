"""Gives the rows of a file the number of their part, if the table has parts."""

from dataclasses import replace

import numpy as np

from mrl_pg.catalog.parts import ColumnParts
from mrl_pg.load.block import Block
from mrl_pg.load.matrix import matrix
from mrl_pg.rotation import Rotation


def routed(block: Block, parts: ColumnParts | None, rotation: Rotation | None) -> Block:
    """The block with the part of each row, by its vector; 0 for a row without one.

    A block that has the column of parts keeps its own numbers, and one with bad rows
    stays as it is, because it is refused. `rotation` is that of the column.
    """
    if parts is None or block.bad or parts.column not in block.names:
        return block
    if parts.part_column in block.names:
        return block
    # rows that are no vectors are named when the block is packed
    cells = matrix(block[parts.column], parts.centres.shape[1], False, {})
    vectors = cells.data if rotation is None else rotation.apply(cells.data)
    numbers = parts.of(vectors)
    if cells.null is not None:
        numbers = np.where(cells.null, 0, numbers)
    return replace(
        block,
        names=(*block.names, parts.part_column),
        columns=(*block.columns, numbers.astype(np.int32)),
    )
