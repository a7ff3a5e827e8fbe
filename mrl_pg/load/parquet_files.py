"""Blocks of `.parquet` files, one record batch at a time; needs pyarrow."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mrl_pg.errors import InvalidFile
from mrl_pg.load.block import TEXT_ROWS, Block, Values


def parquet_blocks(path: Path, column: str, block_rows: int | None) -> Iterator[Block]:
    """Record batches; lists of floats of one length become a matrix without a copy."""
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise InvalidFile(
            f"{path.name}: reading Parquet needs pyarrow: pip install 'mrl_pg[parquet]'"
        ) from error
    try:
        with parquet.ParquetFile(path) as file:
            total, start = file.metadata.num_rows, 0
            for batch in file.iter_batches(batch_size=block_rows or TEXT_ROWS):
                names = tuple(batch.schema.names)
                columns = tuple(
                    _vectors(values) if name == column else _values(values)
                    for name, values in zip(names, batch.columns, strict=True)
                )
                if batch.num_rows:
                    yield Block(names, columns, first=start, total=total)
                start += batch.num_rows
    except (arrow.ArrowException, OSError) as error:
        raise InvalidFile(f"{path.name} is not sound Parquet: {error}") from error


def _values(values: Any) -> Values:
    kind = str(values.type)
    if values.null_count == 0 and kind.startswith(("int", "uint", "float", "double")):
        numbers: Values = values.to_numpy()
        return numbers
    listed: Values = values.to_pylist()
    return listed


# Anything else than whole lists of one length goes the slow way, which names rows.
def _vectors(values: Any) -> Values:
    kind = str(values.type)
    if values.null_count or not kind.startswith(("list<", "large_list<", "fixed_size")):
        return _values(values)
    lengths = values.value_lengths().to_numpy(zero_copy_only=False)
    flat = values.flatten()
    whole = flat.null_count == 0 and (lengths == lengths[0]).all()
    if not whole or str(flat.type) not in ("halffloat", "float", "double"):
        return _values(values)
    matrix: np.ndarray[Any, Any] = flat.to_numpy().reshape(len(values), -1)
    return matrix
