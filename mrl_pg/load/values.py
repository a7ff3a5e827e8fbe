"""Values of fixed size as PostgreSQL stores them: numbers, booleans, uuids, times."""

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from math import isinf
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from mrl_pg.load.block import Values, shown
from mrl_pg.load.matrix import Cells

WIRE: dict[str, np.dtype[Any]] = {
    "bool": np.dtype(">u1"),
    "int2": np.dtype(">i2"),
    "int4": np.dtype(">i4"),
    "int8": np.dtype(">i8"),
    "float4": np.dtype(">f4"),
    "float8": np.dtype(">f8"),
    "date": np.dtype(">i4"),
    "timestamptz": np.dtype(">i8"),
    "uuid": np.dtype("V16"),
}
"""Type by its name in pg_type, and what travels for it."""

INTEGERS = ("int2", "int4", "int8")
TRUE = frozenset({"t", "true", "y", "yes", "on", "1"})
FALSE = frozenset({"f", "false", "n", "no", "off", "0"})
WHOLE = re.compile(r"\s*[+-]?[0-9]+\s*")
EPOCH = datetime(2000, 1, 1, tzinfo=timezone.utc)
"""Where PostgreSQL counts days and microseconds from."""


def fixed(values: Values, kind: str, bad: dict[int, str]) -> Cells:
    """One value of type `kind` a row; adds to `bad` the rows that have none."""
    if isinstance(values, np.ndarray) and values.ndim == 1:
        fast = _from_array(values, kind, bad)
        if fast is not None:
            return Cells(fast)
        values = values.tolist()
    out = np.zeros(len(values), dtype=WIRE[kind])
    null = np.zeros(len(values), dtype=np.bool_)
    convert = CONVERT[kind]
    for i, value in enumerate(values):
        if value is None:
            null[i] = True
            continue
        try:
            plain = value.item() if isinstance(value, np.generic) else value
            out[i] = convert(plain)
        except (ValueError, OverflowError) as error:
            bad.setdefault(i, str(error))
    return Cells(out, null if null.any() else None)


def _from_array(
    values: NDArray[Any], kind: str, bad: dict[int, str]
) -> NDArray[Any] | None:
    source = values.dtype.kind
    if kind == "bool" and source == "b":
        return values
    if kind in INTEGERS and source in "iu":
        low, high = _limits(kind)
        for i in np.flatnonzero((values < low) | (values > high)):
            bad.setdefault(int(i), _outside(int(values[i]), kind))
        return values
    if kind == "float8" and source in "iuf":
        return values
    return None


def _limits(kind: str) -> tuple[int, int]:
    info = np.iinfo(WIRE[kind])
    return int(info.min), int(info.max)


def _outside(value: int, kind: str) -> str:
    low, high = _limits(kind)
    return f"{value} is outside {low} to {high}, the range of {kind}"


def _integer(kind: str) -> Callable[[Any], int]:
    low, high = _limits(kind)

    def convert(value: Any) -> int:
        if isinstance(value, str) and WHOLE.fullmatch(value):
            value = int(value)
        elif isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(f"{shown(value)} is not an integer")
        if not low <= value <= high:
            raise ValueError(_outside(value, kind))
        return value

    return convert


def _float(value: Any) -> float:
    if isinstance(value, str) and "_" not in value:
        try:
            return float(value)
        except ValueError:
            pass
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{shown(value)} is not a number")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{shown(value)} is beyond double precision") from None


def _float4(value: Any) -> float:
    wide = _float(value)
    with np.errstate(over="ignore"):
        single = float(np.float32(wide))
    if isinf(single) and not isinf(wide):
        raise ValueError(f"{wide:g} is beyond the largest float4 value 3.4e38")
    return single


def _bool(value: Any) -> bool:
    if isinstance(value, str):
        word = value.strip().lower()
        if word in TRUE or word in FALSE:
            return word in TRUE
    if not isinstance(value, bool):
        raise ValueError(f"{shown(value)} is not true or false")
    return value


def _date(value: Any) -> int:
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value.strip())
        except ValueError:
            pass
    if not isinstance(value, date) or isinstance(value, datetime):
        raise ValueError(f"{shown(value)} is not a date like 2024-12-31")
    return value.toordinal() - EPOCH.toordinal()


def _time(value: Any) -> int:
    if isinstance(value, str):
        try:
            # Python 3.10 does not know the Z
            value = datetime.fromisoformat(re.sub("[zZ]$", "+00:00", value.strip()))
        except ValueError:
            pass
    if not isinstance(value, datetime):
        raise ValueError(f"{shown(value)} is not a time like 2024-12-31T23:59:59Z")
    if value.tzinfo is None:
        raise ValueError(
            f"{shown(str(value))} has no time zone: add an offset such as +00:00"
        )
    return (value - EPOCH) // timedelta(microseconds=1)


def _uuid(value: Any) -> bytes:
    if isinstance(value, UUID):
        return value.bytes
    try:
        return UUID(value).bytes
    except (ValueError, AttributeError, TypeError):
        raise ValueError(f"{shown(value)} is not a uuid") from None


CONVERT: dict[str, Callable[[Any], Any]] = {
    "bool": _bool,
    **{kind: _integer(kind) for kind in INTEGERS},
    "float4": _float4,
    "float8": _float,
    "date": _date,
    "timestamptz": _time,
    "uuid": _uuid,
}
"""From a Python value to what `WIRE` takes; ValueError says why not."""
