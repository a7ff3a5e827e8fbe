"""Runs a benchmark: loads, builds, measures section by section, and stops on time."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone

from mrl_pg.bench import corpus as corpora
from mrl_pg.bench.asked import Asked, ask
from mrl_pg.bench.contender import Contender
from mrl_pg.bench.corpus import Corpus
from mrl_pg.bench.entrants import chosen, entrants
from mrl_pg.bench.environment import environment
from mrl_pg.bench.front import BenchEffort, FrontPoint, cheapest
from mrl_pg.bench.measure import fronts, with_clients
from mrl_pg.bench.on_server import ServerClient, Site
from mrl_pg.bench.own_server import OwnServer, own_server
from mrl_pg.bench.request import BenchRequest, Section, prefix_dims
from mrl_pg.bench.result import BenchEntry, BenchResult, single
from mrl_pg.bench.squeeze import squeeze
from mrl_pg.bench.writes import deleted, inserts, removal, swap, updated
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.layout import Graph
from mrl_pg.server.memory import LEAST_BYTES, why_not


def bench(request: BenchRequest, progress: OnProgress | None = None) -> BenchResult:
    """Measure what a request asks for, on a server of its own that is then removed."""
    started = time.monotonic()
    say = progress or (lambda progress: None)
    ready(request)
    say(Progress("reading the vectors"))
    corpus = corpora.read(request.source)
    with own_server(request.pg) as own:
        site = Site(
            own.url,
            corpus,
            prefix_dims(corpus.dims, request.dims),
            Graph(request.m, request.ef_construction),
            request.storage,
        )
        running = _Run(request, site, BenchResult(_about(request, site)), say, started)
        with site.connect() as conn:
            site.prepare(conn)
            running.result.about["environment"] = environment(conn)
        try:
            running.build()
            running.measure()
            running.squeeze(own)
        finally:
            for contender in running.contenders:
                contender.remove()
    running.result.seconds = time.monotonic() - started
    return running.result


def ready(request: BenchRequest) -> None:
    """Raise InvalidSetting for what a benchmark would miss only at its end."""
    if request.memory and (why := why_not()):
        raise InvalidSetting(f"memory={request.memory}: {why}")


def _about(request: BenchRequest, site: Site) -> dict[str, object]:
    corpus = site.corpus
    return {
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "request": request.as_dict(),
        "rows": len(corpus.rows),
        "dims": corpus.dims,
        "prefix": site.dims,
        "distance": corpus.distance,
        "queries": len(corpus.queries),
        "queries_equal_to_a_row": corpus.same,
        "corpus": corpus.name,
    }


@dataclass(slots=True)
class _Run:
    """A benchmark on its way."""

    request: BenchRequest
    site: Site
    result: BenchResult
    say: OnProgress
    started: float
    contenders: list[Contender] = field(default_factory=list)
    best: dict[str, FrontPoint] = field(default_factory=dict)

    @property
    def corpus(self) -> Corpus:
        return self.site.corpus

    def step(self, what: str) -> None:
        self.say(Progress(what))

    def build(self) -> None:
        """Build the contenders that can take part."""
        request = self.request
        some = chosen(entrants(self.site), request.only, request.without)
        if not some:
            raise InvalidSetting(
                f"only={request.only}, without={request.without}: no contender is left"
            )
        for contender in some:
            why = contender.missing()
            if why is None and self.late():
                why = f"not built, because {self.over}"
            if why is not None:
                self.result.skipped.append((contender.name, why))
                continue
            self.step(f"building {contender.name}")
            self.contenders.append(contender)
            with self.timed(f"building {contender.name}"):
                costs = contender.build()
            self.result.entries.append(
                BenchEntry(
                    contender.name, contender.two_passes, contender.version, costs
                )
            )

    def late(self) -> bool:
        minutes = self.request.minutes
        return minutes is not None and time.monotonic() - self.started > 60 * minutes

    def measure(self) -> None:
        """Every section that was asked for, in order, while there is time."""
        self.step("finding the true answers")
        asked = ask(self.corpus, self.request.k)
        sections: dict[Section, Callable[[Asked], None]] = {
            "fronts": self.fronts,
            "clients": self.clients,
            "filters": self.filters,
            "inserts": self.inserts,
            "updates": self.updates,
            "deletes": self.deletes,
        }
        with self.timed(f"fronts, k = {asked.k}"):
            self.front(asked)
        for name in self.request.sections:
            if self.late():
                self.result.left_out.append((name, self.over))
            else:
                with self.timed(name):
                    sections[name](asked)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Keep how long a part of the work takes."""
        start = time.monotonic()
        yield
        self.result.section_seconds[what] = time.monotonic() - start

    @property
    def over(self) -> str:
        """Why something was left out that came too late."""
        return f"{self.request.minutes:g} minutes were over"

    def entry(self, name: str) -> BenchEntry:
        return next(entry for entry in self.result.entries if entry.name == name)

    def front(self, asked: Asked) -> None:
        """The fronts of the first k, which tell the effort for the other sections."""
        request = self.request
        found = fronts(self.contenders, asked, request.pace, self.step)
        for name, points in found.items():
            self.entry(name).fronts[asked.k] = points
            point = cheapest(points, request.target)
            if point is not None:
                self.best[name] = point

    def fronts(self, asked: Asked) -> None:
        """The fronts of the other k."""
        for k in self.request.ks[1:]:
            other = ask(self.corpus, k)
            found = fronts(self.contenders, other, self.request.pace, self.step)
            for name, points in found.items():
                self.entry(name).fronts[k] = points

    def clients(self, asked: Asked) -> None:
        """Several clients at once."""
        counts, pace = self.request.clients, self.request.pace
        found = with_clients(self.contenders, self.best, counts, asked, pace, self.step)
        for name, points in found.items():
            self.entry(name).clients = points

    def filters(self, asked: Asked) -> None:
        """Fronts of searches for rows of which few pass a filter."""
        able = [contender for contender in self.contenders if contender.filters]
        for percent in self.request.percents:
            filtered = ask(self.corpus, asked.k, percent)
            found = fronts(
                able, filtered, self.request.pace, self.step, self.request.target
            )
            for name, points in found.items():
                self.entry(name).filtered[percent] = points

    def inserts(self, asked: Asked) -> None:
        """Rows per second with each index alone."""
        seconds = 3 * self.request.pace.seconds
        for contender, client in self.writers():
            self.step(f"inserting with {contender.name}")
            found = inserts(client, contender.table, self.corpus, seconds)
            self.entry(contender.name).inserts = found

    def updates(self, asked: Asked) -> None:
        """Searches after many updates."""
        request = self.request
        change = swap(self.corpus, request.changed, asked.k, request.source.seed)
        for entry, client, table, effort in self.changing("updates"):
            entry.updated = updated(client, table, effort, change, request.pace)

    def deletes(self, asked: Asked) -> None:
        """Searches after many deletes."""
        request = self.request
        change = removal(self.corpus, request.changed, asked.k, request.source.seed)
        for entry, client, table, effort in self.changing("deletes"):
            entry.deleted = deleted(client, table, effort, change, request.pace)

    def changing(
        self, what: str
    ) -> Iterator[tuple[BenchEntry, ServerClient, str, BenchEffort]]:
        """Those that have an effort for it, each with a client, while there is time."""
        for contender, client in self.writers():
            if contender.name not in self.best:
                continue
            if self.late():
                left_out = f"{what} with {contender.name}", self.over
                self.result.left_out.append(left_out)
                continue
            self.step(f"{what} with {contender.name}")
            effort = self.best[contender.name].effort
            yield self.entry(contender.name), client, contender.table, effort

    def writers(self) -> Iterator[tuple[Contender, ServerClient]]:
        """A client of each contender on the server, one per index."""
        indexes = set[str]()
        for contender in self.contenders:
            with contender.clients(1) as (client,):
                if isinstance(client, ServerClient) and client.index not in indexes:
                    indexes.add(client.index)
                    yield contender, client

    def squeeze(self, own: OwnServer) -> None:
        """The server with less and less memory, if that was asked for."""
        if not self.request.memory or self.late():
            if self.request.memory:
                self.result.left_out.append(("memory", self.over))
            return
        with self.timed("memory"):
            self.squeeze_in_time(own)

    def squeeze_in_time(self, own: OwnServer) -> None:
        costs = [
            entry.costs.index_bytes + entry.costs.heap_bytes
            for entry in single(self.result.entries)
        ]
        inside = [c for c in self.contenders if c.on_server and c.name in self.best]
        if not costs or not inside:
            why = "no contender searches in one pass, or none reached the recall"
            self.result.left_out.append(("memory", why))
            return
        wanted = min(costs)
        for share in self.request.memory:
            if share * wanted < LEAST_BYTES:
                why = f"{share * wanted / 1e6:.0f} MB are too few for any server"
                self.result.left_out.append((f"memory {share:.0%}", why))
        self.step("starting the server in a memory group")
        limit = own.squeeze()
        found = squeeze(
            inside,
            {contender.name: self.best[contender.name] for contender in inside},
            wanted,
            self.request.memory,
            limit.set,
            ask(self.corpus, self.request.k),
            self.request.pace,
            self.step,
        )
        for name, points in found.items():
            self.entry(name).memory = points
        self.result.about["memory_bytes_wanted"] = wanted
