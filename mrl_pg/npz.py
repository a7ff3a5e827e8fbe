"""Small files of arrays: an .npz of NumPy with a head of facts, written whole."""

import io
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from mrl_pg.errors import InvalidFile, MrlError

Made = TypeVar("Made")
Arrays: TypeAlias = Mapping[str, NDArray[Any]]

HEAD = "head"
FORMAT = "format"


def write_npz(
    path: Path, form: str, head: Mapping[str, object], **arrays: NDArray[Any]
) -> None:
    """Write a file, complete or not at all; it replaces an older one.

    `form` names the format, and `head` holds values for JSON.
    """
    text = json.dumps({FORMAT: form, **head}).encode()
    named: dict[str, Any] = {HEAD: np.frombuffer(text, np.uint8), **arrays}
    data = io.BytesIO()
    # without allow_pickle, which an older NumPy would store as one more array
    np.savez(data, **named)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data.getvalue())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read_npz(
    path: Path,
    form: str,
    make: Callable[[dict[str, Any], Arrays], Made],
    *,
    what: str,
    remedy: str,
) -> Made:
    """What `make` makes of the head and the arrays of a file that `write_npz` wrote.

    Nothing in the file is run. Raises InvalidFile, which says that the file is not
    `what`, and the `remedy`: if it is damaged, is something else, has another format,
    or if `make` raises. Raises OSError if the file cannot be read.
    """
    data = path.read_bytes()
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as parts:
            head = json.loads(parts[HEAD].tobytes())
            if head[FORMAT] != form:
                raise InvalidFile(
                    f"its format is {head[FORMAT]!r}, and this mrl_pg reads {form!r}"
                )
            return make(head, parts)
    # a damaged file makes NumPy raise errors of many types
    except Exception as error:
        ours = isinstance(error, MrlError)
        why = str(error) if ours else "it is damaged, or is no such file"
        raise InvalidFile(f"{path} is not {what}: {why}. {remedy}") from error
