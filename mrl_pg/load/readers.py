"""A file as a stream of blocks, by its extension."""

from collections.abc import Iterator
from os import PathLike
from pathlib import Path

from mrl_pg.errors import InvalidFile
from mrl_pg.load.block import Block, check_block_rows
from mrl_pg.load.numpy_files import npy_blocks, npz_blocks
from mrl_pg.load.parquet_files import parquet_blocks
from mrl_pg.load.text_files import csv_blocks, jsonl_blocks

EXTENSIONS = (".npy", ".npz", ".jsonl", ".jsonl.gz", ".csv", ".csv.gz", ".parquet")


def read(
    path: "str | PathLike[str]",
    *,
    column: str = "embedding",
    block_rows: int | None = None,
) -> Iterator[Block]:
    """Blocks of a file, in order; `column` is what a NumPy matrix is called.

    Raises InvalidFile for a file that is missing, of another extension or broken,
    now or while its blocks are taken.
    """
    file = Path(path)
    check_block_rows(block_rows)
    if not file.is_file():
        raise InvalidFile(f"{str(file)!r} does not exist or is not a file")
    name = file.name.lower()
    if name.endswith(".npy"):
        return npy_blocks(file, column, block_rows)
    if name.endswith(".npz"):
        return npz_blocks(file, column, block_rows)
    if name.endswith((".jsonl", ".jsonl.gz")):
        return jsonl_blocks(file, block_rows)
    if name.endswith((".csv", ".csv.gz")):
        return csv_blocks(file, block_rows)
    if name.endswith(".parquet"):
        return parquet_blocks(file, column, block_rows)
    raise InvalidFile(
        f"{file.name}: the extension says the format, one of {', '.join(EXTENSIONS)}"
    )
