"""Blocks of JSON and CSV files, packed or not."""

import bz2
import codecs
import csv
import gzip
import json
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, TypeAlias

from mrl_pg import arguments
from mrl_pg.errors import InvalidFile, InvalidSetting
from mrl_pg.load.advice import OTHER_ENCODING, not_utf8, other_delimiter
from mrl_pg.load.block import TEXT_ROWS, Block
from mrl_pg.load.choice import Choice

LONGEST_FIELD = 1 << 24
"""Most characters in a CSV field. Long vectors exceed Python's default of 131,072."""

CHUNK = 1 << 20
"""About how many bytes of a JSON array are read at a time."""

UNPACK: dict[str, Callable[[IO[bytes]], Any]] = {
    ".gz": lambda stored: gzip.GzipFile(fileobj=stored),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}
BROKEN = (gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError)

MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks. UTF-32 comes first, because its mark begins with that of UTF-16."""

UTF8 = ("utf-8", "utf-8-sig")

Estimate: TypeAlias = "Callable[[int], int | None]"


@dataclass(frozen=True, slots=True)
class TextForm:
    """How a text file is written: field delimiter, header line, encoding.

    The default delimiter is a tab for `.tsv`, else a comma. The default encoding is
    that of the byte order mark, else UTF-8.
    """

    delimiter: str | None = None
    header: bool = True
    encoding: str | None = None

    def __post_init__(self) -> None:
        """Raise InvalidSetting for an impossible delimiter or an unknown encoding."""
        for what in ("delimiter", "encoding"):
            if getattr(self, what) is not None:
                arguments.check_text(what, getattr(self, what))
        object.__setattr__(self, "header", arguments.flag("header", self.header))
        if self.delimiter is not None and (
            len(self.delimiter) != 1 or self.delimiter in '"\r\n'
        ):
            raise InvalidSetting(
                f"delimiter={arguments.shown(self.delimiter)} must be one character, "
                "such as ';'"
            )
        try:
            codecs.lookup(self.encoding or "utf-8")
        except (LookupError, ValueError):
            raise InvalidSetting(
                f"encoding={arguments.shown(self.encoding)} is not known: name "
                "one such as latin-1, cp1252 or utf-16"
            ) from None


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], Estimate]]:
    """The unpacked bytes, and a function that estimates all rows from the rows read."""
    size = max(1, path.stat().st_size)
    packing = path.suffix.lower()
    with path.open("rb") as stored:

        def estimate(rows: int) -> int:
            return max(rows, round(rows * size / max(1, stored.tell())))

        if packing not in UNPACK:
            yield stored, estimate
            return
        try:
            with UNPACK[packing](stored) as plain:
                yield plain, estimate
        except (*BROKEN, OSError) as error:
            raise InvalidFile(
                f"{path.name} is not valid {packing[1:].replace('gz', 'gzip')}: {error}"
            ) from error


def _encoding(stream: Any, text: TextForm) -> str:
    begin = stream.peek(4)[:4]
    marked = next((name for mark, name in MARKS if begin.startswith(mark)), "utf-8-sig")
    return text.encoding or marked


def json_blocks(
    path: Path, choice: Choice, text: TextForm, block_rows: int | None
) -> Iterator[Block]:
    """Blocks of a file with one JSON object per line, or with one array of objects.

    Each key is a column. A missing key is NULL, and so is null.
    """
    count, rows = block_rows or TEXT_ROWS, 0
    with _opened(path) as (stream, estimate):
        encoding = _encoding(stream, text)
        lines: Iterator[bytes] = iter(stream)
        if encoding not in UTF8:
            # keep `wrapped` until the end, because it closes the stream when deleted
            wrapped = TextIOWrapper(stream, encoding, newline="\n")
            lines = (line.encode() for line in wrapped)
        items, form = _items(path.name, lines)
        while part := list(islice(items, count)):
            rows += len(part)
            yield _json_block(part, form, estimate(rows))


Item: TypeAlias = "tuple[int, dict[str, Any] | ValueError]"


def _items(name: str, lines: Iterator[bytes]) -> tuple[Iterator[Item], Any]:
    for number, line in enumerate(lines, start=1):
        begin = line.removeprefix(codecs.BOM_UTF8).lstrip()
        if begin.startswith(b"[") and not _is_list(begin):
            return _json_items(name, begin[1:], lines, closed=False), "json"
        if begin.rstrip() == b"{":  # written over several lines
            return _json_items(name, begin, lines, closed=True), "json"
        if begin:
            return _line_items(number, line, lines), "jsonl"
    return iter(()), "jsonl"


# Whether a line is a complete list of numbers: a bad row, not the start of an array.
def _is_list(line: bytes) -> bool:
    return line.lstrip(b"[ \t")[:1] in b"-0123456789" and line.rstrip().endswith(b"]")


def _line_items(begin: int, first: bytes, lines: Iterator[bytes]) -> Iterator[Item]:
    yield begin, _object(first)
    for number, line in enumerate(lines, start=begin + 1):
        if not line.isspace():
            yield number, _object(line)


def _object(line: bytes) -> "dict[str, Any] | ValueError":
    try:
        return _checked(DECODER.decode(line.decode("utf-8-sig")))
    except UnicodeDecodeError as error:
        return ValueError(not_utf8(line[error.start]))
    except json.JSONDecodeError as error:
        if "\0" in error.doc:
            return ValueError(f"not JSON: there are NUL characters: {OTHER_ENCODING}")
        return ValueError(f"not JSON: {error.msg} at column {error.colno}")
    except RecursionError:
        return ValueError("not JSON: it is nested too deep")
    except ValueError as error:
        long = "int_max_str_digits" in str(error)
        return ValueError("a number has more than 4300 digits") if long else error


def _checked(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"not a JSON object but a {type(value).__name__}")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    by_key = dict(pairs)
    if len(by_key) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {twice!r} occurs twice in one JSON object")
    return by_key


DECODER = json.JSONDecoder(object_pairs_hook=_unique)


# Objects of an array whose bracket was read, or, if `closed`, objects in sequence.
def _json_items(
    name: str, begin: bytes, lines: Iterator[bytes], *, closed: bool
) -> Iterator[Item]:
    decode = codecs.getincrementaldecoder("utf-8")().decode
    buffer, place, number, ended = decode(begin), 0, 1, False
    while True:
        while place < len(buffer) and buffer[place] in " \t\r\n,":
            place += 1
        if buffer[place : place + 1] == "]" and not closed:
            rest = buffer[place + 1 :].strip()
            if rest or any(not line.isspace() for line in lines):
                raise InvalidFile(f"{name}: there is more behind the end of the array")
            return
        if closed and ended and place == len(buffer):
            return
        try:
            if place == len(buffer):
                raise json.JSONDecodeError("the array has no end", buffer, place)
            value, place = DECODER.raw_decode(buffer, place)
            yield number, _checked(value)
            number += 1
        except json.JSONDecodeError as error:
            if ended:
                raise InvalidFile(
                    f"{name}: object {number} is not JSON: {error.msg}"
                ) from None
            more, ended = _more(lines)
            buffer, place = buffer[place:] + decode(more, ended), 0
        except (ValueError, RecursionError) as error:
            raise InvalidFile(f"{name}: object {number}: {error}") from None


def _more(lines: Iterator[bytes]) -> tuple[bytes, bool]:
    parts, size = [], 0
    for line in lines:
        parts.append(line)
        size += len(line)
        if size >= CHUNK:
            return b"".join(parts), False
    return b"".join(parts), True


def _json_block(part: list[Item], form: Any, total: int | None) -> Block:
    bad = {
        i: str(item) for i, (_, item) in enumerate(part) if isinstance(item, ValueError)
    }
    objects = [{} if isinstance(item, ValueError) else item for _, item in part]
    numbers = [number for number, _ in part]
    names = tuple(dict.fromkeys(name for item in objects for name in item))
    columns = tuple([item.get(name) for item in objects] for name in names)
    if not names:  # every line is bad or {}, and a block needs a column
        names, columns = ("",), ([None] * len(objects),)
    return Block(names, columns, numbers[0], form, numbers, bad, total)


def csv_blocks(
    path: Path, choice: Choice, text: TextForm, block_rows: int | None
) -> Iterator[Block]:
    """Blocks of a CSV file. An empty field is NULL; a vector is text like `[1,2,3]`."""
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_FIELD))
    count, rows = block_rows or TEXT_ROWS, 0
    delimiter = text.delimiter or ("\t" if ".tsv" in path.name.lower() else ",")
    with _opened(path) as (stream, estimate):
        encoding = _encoding(stream, text)
        # bad bytes become surrogates, so that the error can name their row
        errors = "surrogateescape" if encoding in UTF8 else "strict"
        wrapped = TextIOWrapper(stream, encoding, errors, newline="")
        lines = csv.reader(wrapped, strict=True, delimiter=delimiter)
        try:
            numbered = _numbered(lines)
            if text.header:
                header = next(numbered, (1, []))[1]
            else:
                first = next(numbered, (1, []))
                header = [f"c{i}" for i in range(1, len(first[1]) + 1)]
                numbered = chain([first], numbered)
            while part := list(islice(numbered, count)):
                rows += len(part)
                yield _csv_block(header, part, estimate(rows))
        except csv.Error as error:
            raise InvalidFile(
                f"{path.name}: line {lines.line_num} is not CSV: {error}"
            ) from error


# Rows, numbered by their first line, because a quoted field may hold line ends.
def _numbered(lines: Any) -> Iterator[tuple[int, list[str]]]:
    start = lines.line_num + 1
    for fields in lines:
        if fields:
            yield start, fields
        start = lines.line_num + 1


def _csv_block(
    header: list[str], part: list[tuple[int, list[str]]], total: int | None
) -> Block:
    bad = {}
    for i, (_, fields) in enumerate(part):
        if len(fields) != len(header):
            bad[i] = f"{len(fields)} fields where the header has {len(header)}"
            if other := other_delimiter(header):
                bad[i] += f": {other}"
            fields[:] = [""] * len(header)
    # pandas writes its row numbers in a column without a name
    unnamed = int(len(header) > 1 and header[0] == "")
    columns = tuple(
        [fields[place] or None for _, fields in part]
        for place in range(unnamed, len(header))
    )
    notes = ("left out: the first column, which has no name",) if unnamed else ()
    numbers = [number for number, _ in part]
    names = tuple(header[unnamed:])
    return Block(names, columns, numbers[0], "csv", numbers, bad, total, notes=notes)
