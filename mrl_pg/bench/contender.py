"""What every way to search offers a benchmark: build it, and search as a client."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from mrl_pg.bench.front import BenchEffort
from mrl_pg.bench.timing import Searcher

WALKED = (20, 40, 80, 160, 320, 640, 1000)
"""Rows that a search walks over; pgvector takes no more than the last."""

PARTS_READ = (1, 3)
"""Two passes read all walked rows in full, or a third of them."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What a contender cost before its first search.

    `heap_bytes` are of the rows themselves, `index_bytes` of the index alone.
    """

    load_seconds: float
    build_seconds: float
    index_bytes: int
    heap_bytes: int


class BenchClient(ABC):
    """One client: at any time it searches with one effort."""

    @abstractmethod
    def searcher(
        self, effort: BenchEffort, k: int, percent: float | None = None
    ) -> Searcher:
        """A search with this effort, of rows whose part is below `percent`."""

    def scans(self, search: Searcher, query: object) -> bool | None:
        """Whether a search uses its index; None if there is no server to ask."""
        return None

    def close(self) -> None:
        """Free what the client holds."""
        return None


class Contender(ABC):
    """A way to search the vectors of a corpus."""

    name: str
    """What tables and plots call it."""

    two_passes: bool = False
    filters: bool = True
    """Whether it can filter as it searches."""

    table: str = ""
    """Its table on the server of the benchmark; empty if it needs no server."""

    package: str | None = None
    """The Python package that it needs, beside those of mrl_pg."""

    def missing(self) -> str | None:
        """Why it cannot take part, and how to change that; None if it can."""
        if self.package is None or find_spec(self.package.replace("-", "_")):
            return None
        return f"{self.package} is not installed: pip install {self.package}"

    @property
    def on_server(self) -> bool:
        """Whether the server of the benchmark searches."""
        return bool(self.table)

    @property
    def version(self) -> str | None:
        """The version of the package, if it is one."""
        try:
            return version(self.package) if self.package else None
        except PackageNotFoundError:
            return None

    @abstractmethod
    def build(self) -> Costs:
        """Load the rows, if nobody has, and build the index."""

    @abstractmethod
    def client(self) -> BenchClient:
        """A new client."""

    def remove(self) -> None:
        """Delete what it has outside the server."""
        return None

    def efforts(self, k: int) -> Sequence[BenchEffort]:
        """The efforts to try, the least first."""
        return ladder(k, two_passes=self.two_passes)

    @contextmanager
    def clients(self, count: int) -> Iterator[list[BenchClient]]:
        """As many clients, closed after the block."""
        opened: list[BenchClient] = []
        try:
            for _ in range(count):
                opened.append(self.client())
            yield opened
        finally:
            for client in opened:
                client.close()


def in_graph(name: str, better: bool) -> str:
    """The name of a contender, with its graph if that is not the common one."""
    return f"{name}, better graph" if better else name


def ladder(k: int, *, two_passes: bool) -> list[BenchEffort]:
    """Efforts for k rows: none that could not answer k rows, each only once."""
    walked = sorted({max(k, count) for count in WALKED})
    if not two_passes:
        return [BenchEffort(count) for count in walked]
    return sorted(
        {
            BenchEffort(count, count // part)
            for count in walked
            for part in PARTS_READ
            if count // part >= k
        }
    )
