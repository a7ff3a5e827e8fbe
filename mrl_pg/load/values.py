"""Values of fixed size as PostgreSQL stores them: numbers, booleans, uuids, times."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from math import isinf
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from mrl_pg.load.block import Values, shown
from mrl_pg.load.matrix import Cells

INTEGERS = {
    kind: np.iinfo(wire)
    for kind, wire in (("int2", "i2"), ("int4", "i4"), ("int8", "i8"))
}
TRUE = frozenset({"t", "true", "y", "yes", "on", "1"})
FALSE = frozenset({"f", "false", "n", "no", "off", "0"})
WHOLE = re.compile(r"\s*[+-]?[0-9]+\s*")
EPOCH = datetime(2000, 1, 1, tzinfo=timezone.utc)
"""The time from which PostgreSQL counts days and microseconds."""

MISSING = ("NaTType", "NAType")
"""Names of the types of pandas that mean NULL."""

MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Fixed:
    """Wire format of a type, and the function that converts a Python value to it.

    `convert` raises ValueError with the reason if a value does not fit.
    """

    wire: np.dtype[Any]
    convert: Callable[[Any], Any]


def fixed(values: Values, kind: str, bad: dict[int, str]) -> Cells:
    """One value of type `kind` per row; adds rows that do not fit to `bad`."""
    if isinstance(values, np.ndarray) and values.ndim == 1:
        fast = _from_array(values, kind, bad)
        if fast is not None:
            return Cells(fast)
    out = np.zeros(len(values), dtype=FIXED[kind].wire)
    null = np.zeros(len(values), dtype=np.bool_)
    convert = FIXED[kind].convert
    for i, value in enumerate(listed(values)):
        if value is None:
            null[i] = True
            continue
        try:
            out[i] = convert(value)
        except (ValueError, OverflowError) as error:
            bad.setdefault(i, str(error))
    return Cells(out, null if null.any() else None)


def listed(values: Values) -> list[Any]:
    """The values as Python objects; times are cut to microseconds, NaT becomes None."""
    if not isinstance(values, np.ndarray):
        kinds = set(map(type, values))
        if any(map(_is_foreign, kinds)):
            return [_plain(v) if _is_foreign(type(v)) else v for v in values]
        return list(values)
    if values.dtype == object:
        return listed(values.tolist())
    if values.dtype.kind in "mM":
        unit = "D" if values.dtype.kind == "M" and days(values) else "us"
        whole = values.astype(f"{values.dtype.kind}8[{unit}]").tolist()
        # NumPy gives a plain number if a time is outside of Python's calendar
        return [f"{v} {unit} since 1970" if type(v) is int else v for v in whole]
    plain: list[Any] = values.tolist()
    return plain


def _is_foreign(kind: type[Any]) -> bool:
    return issubclass(kind, np.generic) or kind.__name__ in MISSING


def _plain(value: Any) -> Any:
    if type(value).__name__ in MISSING:
        return None
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return listed(np.array([value]))[0]
    return value.item()


def days(values: NDArray[Any]) -> bool:
    """Whether an array of times holds whole days."""
    return np.datetime_data(values.dtype)[0] in ("Y", "M", "W", "D")


def cut(values: Values) -> bool:
    """Whether an array has times finer than the microseconds that PostgreSQL stores."""
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "Mm":
        return False
    coarse = values.astype(f"{values.dtype.kind}8[us]").astype(values.dtype)
    return bool(((coarse != values) & ~np.isnat(values)).any())


def zones(values: Values) -> set[bool]:
    """Whether times among the values have a zone: a set of True, False or both."""
    if isinstance(values, np.ndarray) and values.dtype != object:
        return {False} if values.dtype.kind == "M" else set()
    times = (moment(value) for value in values if value is not None)
    return {value.tzinfo is not None for value in times if value is not None}


def moment(value: Any) -> datetime | None:
    """A `datetime` from a time, a date or text; None for any other value."""
    if isinstance(value, str):
        try:
            # Python 3.10 does not read Z
            return datetime.fromisoformat(re.sub("[zZ]$", "+00:00", value.strip()))
        except ValueError:
            return None
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)
    return value if isinstance(value, datetime) else None


def _from_array(
    values: NDArray[Any], kind: str, bad: dict[int, str]
) -> NDArray[Any] | None:
    source = values.dtype.kind
    if kind == "bool" and source == "b":
        return values
    if kind in INTEGERS and source in "iu":
        limits = INTEGERS[kind]
        for i in np.flatnonzero((values < limits.min) | (values > limits.max)):
            bad.setdefault(int(i), _outside(int(values[i]), kind))
        return values
    if kind == "float8" and source in "iuf":
        return values
    return None


def _outside(value: int, kind: str) -> str:
    limits = INTEGERS[kind]
    wider = ": a column of type numeric takes it" if kind == "int8" else ""
    return (
        f"{value} is outside {limits.min} to {limits.max}, the range of {kind}{wider}"
    )


def _integer(kind: str) -> Callable[[Any], int]:
    limits = INTEGERS[kind]

    def convert(value: Any) -> int:
        if isinstance(value, str) and WHOLE.fullmatch(value):
            value = int(value)
        elif isinstance(value, float) and value.is_integer():
            value = int(value)
        elif isinstance(value, Decimal) and value.is_finite() and value == int(value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(f"{shown(value)} is not an integer")
        if not limits.min <= value <= limits.max:
            raise ValueError(_outside(value, kind))
        return value

    return convert


def _float(value: Any) -> float:
    if isinstance(value, str) and "_" not in value:
        try:
            return float(value)
        except ValueError:
            pass
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise ValueError(f"{shown(value)} is not a number")
    try:
        wide = float(value)
    except OverflowError:
        raise ValueError(f"{shown(value)} is beyond double precision") from None
    if isinf(wide) and isinstance(value, Decimal) and value.is_finite():
        raise ValueError(f"{shown(value)} is beyond double precision")
    return wide


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
    parsed = moment(value)
    if parsed is None or parsed.time() != time():
        raise ValueError(f"{shown(value)} is not a date like 2024-12-31")
    return parsed.toordinal() - EPOCH.toordinal()


def _time_of_day(value: Any) -> int:
    if isinstance(value, str):
        try:
            value = time.fromisoformat(value.strip())
        except ValueError:
            pass
    if not isinstance(value, time) or value.tzinfo is not None:
        raise ValueError(f"{shown(value)} is not a time of day like 23:59:59")
    whole = datetime.combine(EPOCH.date(), value, timezone.utc)
    return (whole - EPOCH) // MICROSECOND


# Converts to UTC if the time has a zone. The report says so.
def _timestamp(value: Any) -> int:
    parsed = _parsed(value)
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=timezone.utc)
    return (parsed - EPOCH) // MICROSECOND


def _timestamptz(value: Any) -> int:
    parsed = _parsed(value)
    if parsed.tzinfo is None:
        raise ValueError(
            f"{shown(str(value))} has no time zone: add an offset such as +00:00"
        )
    return (parsed - EPOCH) // MICROSECOND


def _parsed(value: Any) -> datetime:
    parsed = moment(value)
    if parsed is None:
        raise ValueError(f"{shown(value)} is not a time like 2024-12-31T23:59:59Z")
    return parsed


def _uuid(value: Any) -> bytes:
    if isinstance(value, UUID):
        return value.bytes
    try:
        if isinstance(value, bytes):
            return UUID(bytes=value).bytes
        return UUID(value).bytes
    except (ValueError, AttributeError, TypeError):
        raise ValueError(f"{shown(value)} is not a uuid or 16 bytes") from None


FIXED: dict[str, Fixed] = {
    "bool": Fixed(np.dtype(">u1"), _bool),
    "int2": Fixed(np.dtype(">i2"), _integer("int2")),
    "int4": Fixed(np.dtype(">i4"), _integer("int4")),
    "int8": Fixed(np.dtype(">i8"), _integer("int8")),
    "float4": Fixed(np.dtype(">f4"), _float4),
    "float8": Fixed(np.dtype(">f8"), _float),
    "date": Fixed(np.dtype(">i4"), _date),
    "time": Fixed(np.dtype(">i8"), _time_of_day),
    "timestamp": Fixed(np.dtype(">i8"), _timestamp),
    "timestamptz": Fixed(np.dtype(">i8"), _timestamptz),
    "uuid": Fixed(np.dtype("V16"), _uuid),
}
"""Types of fixed size by their names in pg_type."""
