"""Blocks of `.jsonl` and `.csv` files, plain or gzipped."""

import csv
import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, TypeAlias

from mrl_pg.errors import InvalidFile
from mrl_pg.load.block import TEXT_ROWS, Block

LONGEST_FIELD = 1 << 24
"""Characters of a CSV field; the default of 131,072 is short of long vectors."""

BAD_GZIP = (gzip.BadGzipFile, EOFError, zlib.error)

Estimate: TypeAlias = "Callable[[int], int | None]"


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], Estimate]]:
    """The text's bytes, and how many rows there may be from the rows read so far."""
    size = max(1, path.stat().st_size)
    with path.open("rb") as stored:

        def estimate(rows: int) -> int:
            return max(rows, round(rows * size / max(1, stored.tell())))

        try:
            if path.suffix.lower() == ".gz":
                with gzip.GzipFile(fileobj=stored) as plain:
                    yield plain, estimate  # type: ignore[misc]
            else:
                yield stored, estimate
        except BAD_GZIP as error:
            raise InvalidFile(f"{path.name} is not sound gzip: {error}") from error


def jsonl_blocks(path: Path, block_rows: int | None) -> Iterator[Block]:
    """One JSON object a line, columns by key; a missing key is NULL, as is null."""
    count, rows = block_rows or TEXT_ROWS, 0
    with _opened(path) as (stream, estimate):
        numbers: list[int] = []
        objects: list[dict[str, Any]] = []
        bad: dict[int, str] = {}
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                objects.append(_object(line))
            except (ValueError, RecursionError) as error:
                bad[len(objects)] = str(error)
                objects.append({})
            numbers.append(number)
            if len(objects) == count:
                rows += count
                yield _json_block(objects, numbers, bad, estimate(rows))
                numbers, objects, bad = [], [], {}
        if objects:
            rows += len(objects)
            yield _json_block(objects, numbers, bad, rows)


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError(f"byte 0x{line[error.start]:02x} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at column {error.colno}") from None
    if not isinstance(value, dict):
        raise ValueError(f"not a JSON object but a {type(value).__name__}")
    return value


def _json_block(
    objects: list[dict[str, Any]],
    numbers: list[int],
    bad: dict[int, str],
    total: int | None,
) -> Block:
    names = tuple(dict.fromkeys(name for item in objects for name in item))
    columns = tuple([item.get(name) for item in objects] for name in names)
    if not names:  # every line is bad or {}: the block still has to say so
        names, columns = ("",), ([None] * len(objects),)
    return Block(names, columns, numbers[0], "jsonl", numbers, bad, total)


def csv_blocks(path: Path, block_rows: int | None) -> Iterator[Block]:
    """Lines under a header; an empty field is NULL, a vector is `[1,2,3]`."""
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_FIELD))
    count, rows = block_rows or TEXT_ROWS, 0
    with _opened(path) as (stream, estimate):
        # broken bytes go through as surrogates, so that their row can be named
        text = TextIOWrapper(stream, "utf-8-sig", "surrogateescape", newline="")
        lines = csv.reader(text, strict=True)
        try:
            header = next(lines, [])
            part: list[tuple[int, list[str]]] = []
            for number, fields in _numbered(lines):
                part.append((number, fields))
                if len(part) == count:
                    rows += count
                    yield _csv_block(header, part, estimate(rows))
                    part = []
            if part:
                yield _csv_block(header, part, rows + len(part))
        except csv.Error as error:
            raise InvalidFile(
                f"{path.name}: line {lines.line_num} is not CSV: {error}"
            ) from error


# a quoted field may hold line ends: a row is numbered by the line it starts on
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
            fields[:] = [""] * len(header)
    columns = tuple(
        [fields[place] or None for _, fields in part] for place in range(len(header))
    )
    numbers = [number for number, _ in part]
    return Block(tuple(header), columns, numbers[0], "csv", numbers, bad, total)
