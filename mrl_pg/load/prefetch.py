"""Makes items in a worker thread, one item ahead of the code that uses them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class Prefetch(Generic[T]):
    """Items in order; a thread makes the next item while the caller sends this one.

    Use it as a context manager. Leaving the block waits for the item in the making.
    An error of the iterator is raised in place of its item. NumPy and the socket both
    release the interpreter lock, so that the two threads really run at the same time.
    """

    def __init__(self, items: Iterator[T]) -> None:
        """Start making the first item."""
        self._items = items
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="mrl-load")
        self._future = self._submit()

    def __enter__(self) -> "Prefetch[T]":
        """Return this object."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop after the item in the making."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def __iter__(self) -> Iterator[T]:
        """The items, in order."""
        while (item := self._future.result()) is not None:
            self._future = self._submit()
            yield item

    async def __aiter__(self) -> AsyncIterator[T]:
        """The items, in order, without blocking the event loop."""
        while (item := await asyncio.wrap_future(self._future)) is not None:
            self._future = self._submit()
            yield item

    def pending(self) -> "Future[T | None]":
        """A future of the item in the making, or of None after the last item."""
        return self._future

    def start_next(self) -> None:
        """Start making the next item; call it when the pending item is done."""
        self._future = self._submit()

    def _submit(self) -> "Future[T | None]":
        return self._pool.submit(next, self._items, None)
