"""Iterates in a worker thread, one item ahead of who consumes it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """While one item is being sent, a thread makes the next; errors come in order.

    Use as a context manager: leaving waits for the item in the making. NumPy and
    the socket both let go of the interpreter, so the two really run together.
    """

    def __init__(self, items: Iterator[T]) -> None:
        """Start making the first item."""
        self._items = items
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="mrl-load")
        self._future = self._submit()

    def __enter__(self) -> "Ahead[T]":
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop after the item in the making."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def __iter__(self) -> Iterator[T]:
        """Items in order."""
        while (item := self._future.result()) is not None:
            self._future = self._submit()
            yield item

    async def __aiter__(self) -> AsyncIterator[T]:
        """The same without blocking the event loop."""
        while (item := await asyncio.wrap_future(self._future)) is not None:
            self._future = self._submit()
            yield item

    def ready(self) -> "Future[T | None]":
        """The item in the making; None after the last one."""
        return self._future

    def go_on(self) -> None:
        """Start making the item after one that is done."""
        self._future = self._submit()

    def _submit(self) -> "Future[T | None]":
        return self._pool.submit(next, self._items, None)
