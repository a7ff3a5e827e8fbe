"""Advice for error messages: where the vectors of a file may be."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mrl_pg.load.block import Block

SHORTEST = 3
"""A list with this many numbers looks like a vector.

So do this many columns `x1`, `x2`, …"""

DEEPEST = 8
"""Levels of nested JSON that are searched for vectors."""

OTHER_ENCODING = "name its encoding with encoding= (--encoding latin-1, utf-16 …)"

NUMBERED = re.compile(r"(.*?)[0-9]+")


def where_vectors_are(block: Block) -> str:
    """Advice how to name the vectors: with a path from this file, if there is one."""
    if block.form == "csv" and (other := other_delimiter(block.names)):
        return other
    if _header_is_data(block):
        return (
            "the first line looks like data: if it is, use header=False (--no-header)"
        )
    for name, values in zip(block.names, block.columns, strict=True):
        if len(values) == 1 and _are_objects(values[0]):
            return (
                f"{name!r} is a list of objects, and each object is a row: write each "
                f"object on its own line (jq -c '.{name}[]')"
            )
    paths = list(_paths(block))[:3]
    if paths:
        named = " or ".join(f"--vectors '{path}'" for path in paths)
        return f"name it with vectors= ({named})"
    return "name it with vectors= (--vectors)"


def not_utf8(byte: int) -> str:
    """Advice for a byte of a text file that is not UTF-8."""
    return f"byte 0x{byte:02x} is not UTF-8: {OTHER_ENCODING}"


def other_delimiter(header: Sequence[str]) -> str:
    """Advice for a CSV header whose only name contains another delimiter; else ''."""
    marks = [mark for mark in ",;\t|" if len(header) == 1 and mark in header[0]]
    return "".join(
        f"if {mark!r} is between the fields, use delimiter= (--delimiter {mark!r})"
        for mark in marks[:1]
    )


def _header_is_data(block: Block) -> bool:
    numbers = [
        name for name in block.names if re.fullmatch(r"[-+.0-9eE]+|[\[{].*", name)
    ]
    return block.form == "csv" and len(numbers) > len(block.names) / 2


def _are_objects(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 1 and isinstance(value[0], dict)


def _paths(block: Block) -> Iterator[str]:
    for name, values in zip(block.names, block.columns, strict=True):
        if isinstance(values, np.ndarray) and values.ndim == 2:
            yield name
        else:
            example = next((value for value in values if value is not None), None)
            yield from _inside(example, name, 0)
    prefixes = Counter(
        match[1] for match in map(NUMBERED.fullmatch, block.names) if match
    )
    yield from (f"{name}*" for name, n in prefixes.items() if n >= SHORTEST)


def _inside(value: Any, path: str, depth: int) -> Iterator[str]:
    if isinstance(value, str) and re.match(r"\s*[\[{]\s*[-+.0-9]", value):
        yield path
    if isinstance(value, (list, tuple, np.ndarray)):
        numbers = [isinstance(v, (int, float, np.number)) for v in value[:SHORTEST]]
        if len(numbers) == SHORTEST and all(numbers):
            yield path
        elif len(value) and depth < DEEPEST and isinstance(value[0], (dict, list)):
            yield from _inside(value[0], f"{path}.0", depth + 1)
    if isinstance(value, dict) and depth < DEEPEST:
        for key, inner in value.items():
            yield from _inside(inner, f"{path}.{key}", depth + 1)
