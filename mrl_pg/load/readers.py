"""Reads a file as a stream of blocks; the extension says the format."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TypeAlias

from mrl_pg.errors import InvalidFile
from mrl_pg.load.arrow_files import arrow_blocks, parquet_blocks
from mrl_pg.load.block import Block, checked_rows
from mrl_pg.load.choice import Choice, chosen
from mrl_pg.load.file_errors import as_invalid_file
from mrl_pg.load.numpy_files import npy_blocks, npz_blocks
from mrl_pg.load.text_files import UNPACK, TextForm, csv_blocks, json_blocks

Reader: TypeAlias = Callable[[Path, Choice, TextForm, int | None], Iterator[Block]]


@dataclass(frozen=True, slots=True)
class Format:
    """Name of a file format, and its reader; `packed` says that files may be packed."""

    name: str
    read: Reader
    packed: bool = False


FORMATS: dict[str, Format] = {
    ".npy": Format(".npy", npy_blocks),
    ".npz": Format(".npz", npz_blocks),
    ".jsonl": Format("JSON", json_blocks, packed=True),
    ".ndjson": Format("JSON", json_blocks, packed=True),
    ".json": Format("JSON", json_blocks, packed=True),
    ".csv": Format("CSV", csv_blocks, packed=True),
    ".tsv": Format("CSV", csv_blocks, packed=True),
    ".parquet": Format("Parquet", parquet_blocks),
    ".arrow": Format("Arrow", arrow_blocks),
    ".feather": Format("Arrow", arrow_blocks),
}
"""Formats by extension. After the extension of a `packed` format, one of `UNPACK` may
follow."""

PICKLE = "a pickle, which is never read: save vectors with numpy.save, or as Parquet"
BEGINNINGS: tuple[tuple[bytes, tuple[str, ...], str], ...] = (
    (b"PAR1", (".parquet",), "a Parquet file: call it .parquet"),
    (b"\x93NUMPY", (".npy",), "a NumPy array: call it .npy"),
    (b"PK\x03\x04", (".npz",), "a zip archive: unpack it, or call NumPy's own .npz"),
    (b"ARROW1", (".arrow", ".feather"), "an Arrow file: call it .arrow"),
    (b"\x1f\x8b\x08", (".gz",), "gzip: unpack it, or put .gz behind its name"),
    (b"BZh", (".bz2",), "bzip2: unpack it, or put .bz2 behind its name"),
    (b"\xfd7zXZ", (".xz",), "xz: unpack it, or put .xz behind its name"),
    (b"\x28\xb5\x2f\xfd", (), "Zstandard: unpack it with zstd -d"),
    (b"\x89HDF", (), "HDF5: save the vectors with numpy.save, or as Parquet"),
    (b"SQLite format 3", (), "a SQLite database: export the table as CSV"),
    *((b"\x80" + bytes([n]), (), PICKLE) for n in range(2, 6)),
)
"""First bytes of a format, its extensions, and what to say about a file with another
extension."""


def read(
    path: "str | PathLike[str]",
    choice: Choice | None = None,
    text: TextForm | None = None,
    *,
    block_rows: int | None = None,
) -> Iterator[Block]:
    """Blocks of a file, in order, with the chosen columns.

    Raises InvalidFile if the file is missing, damaged, or has an unknown extension: at
    once, or when the damaged block is read.
    """
    try:
        file = Path(path)
    except TypeError:
        raise InvalidFile(f"{path!r} is not the path of a file") from None
    block_rows = checked_rows(block_rows)
    first = _first_bytes(file)
    suffixes = [suffix.lower() for suffix in file.suffixes] or [""]
    packing = suffixes.pop() if suffixes[-1] in UNPACK else ""
    form = FORMATS.get(suffixes[-1] if suffixes else "")
    last = packing or (suffixes[-1] if suffixes else "")
    for beginning, extensions, what in BEGINNINGS:
        if first.startswith(beginning) and last not in extensions:
            raise InvalidFile(f"{file.name} begins like {what}")
    if form is None:
        raise InvalidFile(
            f"{file.name}: the extension must be one of {', '.join(FORMATS)}; "
            f"JSON and CSV may also have {', '.join(UNPACK)} behind it"
        )
    if packing and not form.packed:
        raise InvalidFile(f"{file.name}: unpack it first, with gunzip, bunzip2 or unxz")
    return _read(file, form, choice or Choice(), text or TextForm(), block_rows)


def _read(
    file: Path, form: Format, choice: Choice, text: TextForm, block_rows: int | None
) -> Iterator[Block]:
    with as_invalid_file(file.name, form.name):
        blocks = form.read(file, choice, text, block_rows)
        yield from chosen(choice, file.name, blocks)


def _first_bytes(file: Path) -> bytes:
    try:
        if file.is_dir():
            raise InvalidFile(
                f"{str(file)!r} is a folder: name a file in it, and load the files "
                "one after the other into the same table"
            )
        if not file.is_file():
            raise InvalidFile(f"{str(file)!r} does not exist or is not a file")
        with file.open("rb") as stream:
            return stream.read(16)
    except (OSError, ValueError) as error:
        if isinstance(error, InvalidFile):
            raise
        why = getattr(error, "strerror", None) or str(error)
        raise InvalidFile(f"{str(file)!r} cannot be read: {why}") from error
