"""What carries out the verbs of a store for Haystack."""

from collections.abc import Callable
from typing import TypeAlias, TypeVar

from mrl_pg.adapters.documents import Documents
from mrl_pg.adapters.haystack.filters import filter_errors
from mrl_pg.exchange import AnyConn, Exchange

T = TypeVar("T")

Verb: TypeAlias = Callable[[AnyConn], Exchange[T]]


class Runs:
    """A store that carries out verbs; what its filters get wrong is a FilterError."""

    @property
    def documents(self) -> Documents:
        """The table on its server."""
        raise NotImplementedError

    def _run(self, verb: Verb[T]) -> T:
        with filter_errors():
            return self.documents.carry_out(verb)

    async def _run_async(self, verb: Verb[T]) -> T:
        with filter_errors():
            return await self.documents.carry_out_async(verb)
