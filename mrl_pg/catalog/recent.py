"""A dict that holds the values used last, so that what is remembered stays bounded."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """At most `most` values by key; one more takes the place of the least used."""

    __slots__ = ("_lock", "_most", "_values")

    def __init__(self, most: int) -> None:
        """Hold nothing yet."""
        self._most = most
        self._values: OrderedDict[Key, Value] = OrderedDict()
        # a connection may be used by several threads
        self._lock = Lock()

    def get(self, key: Key) -> Value | None:
        """The value, which is thereby the last used; None when there is none."""
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                self._values.move_to_end(key)
            return value

    def put(self, key: Key, value: Value) -> Value:
        """Remember a value; the same is returned."""
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            while len(self._values) > self._most:
                self._values.popitem(last=False)
        return value

    def drop(self, of: Callable[[Key], bool]) -> None:
        """Forget the values of some keys."""
        with self._lock:
            for key in [key for key in self._values if of(key)]:
                del self._values[key]

    def __len__(self) -> int:
        """Values that are remembered."""
        return len(self._values)
