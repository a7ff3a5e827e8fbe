"""Blocks of `.parquet` and Arrow files, one record batch at a time; needs pyarrow."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mrl_pg.errors import InvalidFile
from mrl_pg.load.block import TEXT_ROWS, Block, Values
from mrl_pg.load.choice import Choice
from mrl_pg.load.text_files import TextForm

ELEMENTS = {
    "string": "text",
    "large_string": "text",
    "string_view": "text",
    "bool": "bool",
    "int8": "int2",
    "int16": "int2",
    "uint8": "int2",
    "int32": "int4",
    "uint16": "int4",
    "int64": "int8",
    "uint32": "int8",
    "halffloat": "float4",
    "float": "float4",
    "double": "float8",
}
"""PostgreSQL types of list elements. In a new table, lists of these become arrays,
even if every list is empty."""

COARSER = {"ns": "us"}
"""Units that are cut, because PostgreSQL stores microseconds."""


def parquet_blocks(
    path: Path, choice: Choice, text: TextForm, block_rows: int | None
) -> Iterator[Block]:
    """Blocks of a Parquet file; float lists of one length become a matrix, uncopied."""
    _arrow(path)
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        names = choice.reads(file.schema_arrow.names)
        batches = file.iter_batches(block_rows or TEXT_ROWS, columns=names)
        yield from _blocks(batches, file.metadata.num_rows)


def arrow_blocks(
    path: Path, choice: Choice, text: TextForm, block_rows: int | None
) -> Iterator[Block]:
    """Blocks of a file or stream in the Arrow format, which `datasets` writes too."""
    arrow = _arrow(path)
    with arrow.memory_map(str(path)) as source:
        stream = source.read(6) != b"ARROW1"
        source.seek(0)
        if stream:
            batches = iter(arrow.ipc.open_stream(source))
        else:
            file = arrow.ipc.open_file(source)
            batches = map(file.get_batch, range(file.num_record_batches))
        yield from _blocks(_selected(batches, choice, block_rows or TEXT_ROWS), None)


def _arrow(path: Path) -> Any:
    try:
        import pyarrow
        import pyarrow.ipc
    except ModuleNotFoundError as error:
        raise InvalidFile(
            f"{path.name}: reading {path.suffix} needs pyarrow: pip install "
            "'mrl_pg[parquet]'"
        ) from error
    return pyarrow


def _selected(batches: Iterator[Any], choice: Choice, rows: int) -> Iterator[Any]:
    for batch in batches:
        # without this check, pyarrow crashes on wrong offsets in a damaged file
        batch.validate(full=True)
        part = batch.select(choice.reads(batch.schema.names))
        for start in range(0, batch.num_rows, rows):
            yield part.slice(start, rows)


def _blocks(batches: Iterator[Any], total: int | None) -> Iterator[Block]:
    start = 0
    for batch in batches:
        names = tuple(batch.schema.names)
        columns, types, notes = [], {}, []
        bad: dict[int, str] = {}
        for name, given in zip(names, batch.columns, strict=True):
            values, cut = _plain(given)
            columns.append(_values(values, name, bad))
            if cut:
                notes.append(f"{name}: nanoseconds were cut to microseconds")
            if element := _element(values.type):
                types[name] = f"{element}[]"
        if batch.num_rows:
            yield Block(
                names,
                tuple(columns),
                first=start,
                bad=bad,
                total=total,
                types=types,
                notes=tuple(notes),
            )
        start += batch.num_rows


# Values without extension types and with times that Python can hold, and whether
# nanoseconds were cut off.
def _plain(values: Any) -> tuple[Any, bool]:
    import pyarrow as arrow

    kind = values.type
    if (
        isinstance(kind, arrow.ExtensionType)
        and str(kind.extension_name) != "arrow.uuid"
    ):
        values = values.storage
    coarse = _coarser(values.type)
    if coarse == values.type:
        return values, False
    cast = values.cast(coarse, safe=False)
    return cast, not cast.cast(values.type, safe=False).equals(values)


def _coarser(kind: Any) -> Any:
    import pyarrow as arrow

    if arrow.types.is_timestamp(kind):
        # in UTC, because Python needs no time zone database for it
        return arrow.timestamp(COARSER.get(kind.unit, kind.unit), kind.tz and "UTC")
    if arrow.types.is_time64(kind):
        return arrow.time64("us")
    if arrow.types.is_duration(kind):
        return arrow.duration(COARSER.get(kind.unit, kind.unit))
    if arrow.types.is_struct(kind):
        fields = [field.with_type(_coarser(field.type)) for field in kind]
        return kind if fields == list(kind) else arrow.struct(fields)
    if arrow.types.is_map(kind):
        item = _coarser(kind.item_type)
        return kind if item == kind.item_type else arrow.map_(kind.key_type, item)
    if arrow.types.is_list(kind) or arrow.types.is_large_list(kind):
        value = _coarser(kind.value_type)
        made = arrow.list_ if arrow.types.is_list(kind) else arrow.large_list
        return kind if value == kind.value_type else made(value)
    return kind


def _element(kind: Any) -> str | None:
    lists = str(kind).startswith(("list<", "large_list<", "fixed_size_list<"))
    return ELEMENTS.get(str(kind.value_type)) if lists else None


def _values(values: Any, name: str, bad: dict[int, str]) -> Values:

    kind = str(values.type)
    if values.null_count == 0:
        if kind.startswith(("int", "uint", "float", "double")):
            numbers: Values = values.to_numpy()
            return numbers
        if kind.startswith(("list<", "large_list<", "fixed_size")):
            matrix = _matrix(values)
            if matrix is not None:
                return matrix
    try:
        listed: Values = values.to_pylist()
        if "map<" in kind:
            return [_objects(value, values.type) for value in listed]
        return listed
    except (ValueError, OverflowError):
        return [_value(value, i, name, bad) for i, value in enumerate(values)]


# Names the row if its text is not UTF-8 or its time is outside of Python's calendar.
def _value(value: Any, place: int, name: str, bad: dict[int, str]) -> Any:
    try:
        return value.as_py()
    except (ValueError, OverflowError) as error:
        bad.setdefault(
            place, f"column {name!r}: Python cannot read this {value.type}: {error}"
        )
        return None


# None if a value is missing or the lengths differ: the slower way names those rows.
def _matrix(values: Any) -> "Values | None":
    lists = not str(values.type).startswith("fixed_size_binary")
    if not lists or not len(values):
        return None
    lengths = values.value_lengths().to_numpy(zero_copy_only=False)
    flat = values.flatten()
    whole = flat.null_count == 0 and (lengths == lengths[0]).all()
    if not whole or str(flat.type) not in ("halffloat", "float", "double"):
        return None
    matrix: np.ndarray[Any, Any] = flat.to_numpy().reshape(len(values), -1)
    return matrix


# pyarrow gives a map as a list of pairs. It becomes a JSON object, unless a key
# occurs twice.
def _objects(value: Any, kind: Any) -> Any:
    import pyarrow as arrow

    if value is None:
        return None
    if arrow.types.is_struct(kind):
        return {field.name: _objects(value[field.name], field.type) for field in kind}
    if arrow.types.is_map(kind):
        pairs = [(key, _objects(item, kind.item_type)) for key, item in value]
        by_key = dict(pairs)
        return by_key if len(by_key) == len(pairs) else pairs
    if arrow.types.is_nested(kind) and hasattr(kind, "value_type"):
        return [_objects(item, kind.value_type) for item in value]
    return value
