"""A dict that holds only the values used last, so that it stays small."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """At most `most` values by key; a new value replaces the one used longest ago."""

    __slots__ = ("_lock", "_most", "_values")

    def __init__(self, most: int) -> None:
        """Start empty."""
        self._most = most
        self._values: OrderedDict[Key, Value] = OrderedDict()
        # a connection may be used by several threads
        self._lock = Lock()

    def get(self, key: Key) -> Value | None:
        """The value, now the last used; None if there is none."""
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                self._values.move_to_end(key)
            return value

    def put(self, key: Key, value: Value) -> Value:
        """Store a value and return it."""
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            while len(self._values) > self._most:
                self._values.popitem(last=False)
        return value

    def drop(self, matches: Callable[[Key], bool]) -> None:
        """Drop the values whose keys match."""
        with self._lock:
            for key in [key for key in self._values if matches(key)]:
                del self._values[key]

    def __len__(self) -> int:
        """Number of values."""
        return len(self._values)
