"""What a build will do and need, said before it starts."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from mrl_pg.arguments import flag
from mrl_pg.build import create, definitions, settings
from mrl_pg.catalog.distribution import refuse_spread
from mrl_pg.catalog.read import read_facts
from mrl_pg.exchange import AnyConn, Exchange, Row, Send, transaction
from mrl_pg.layout import IndexLayout

NOT_PREDICTED = (
    "its rows are on other machines, where nothing can be counted from here: run "
    "create, which builds each shard concurrently, or a preflight on a local table of "
    "as many rows as a shard has"
)


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A statement of a build, its lock on the table, and for how long it holds it.

    `step` is its name in reports; None for a statement that reports leave out.
    `seconds` is a rough estimate; None if nothing could be measured.
    """

    step: str | None
    statement: str
    lock: str
    held: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class OtherIndex:
    """Another index of the table, and what the build does to it, in words."""

    name: str
    method: str
    bytes: int
    effect: str


@dataclass(frozen=True, slots=True)
class OldTransaction:
    """A transaction that a concurrent build has to wait for.

    `pid` is None for a prepared transaction. PostgreSQL hides `since` of other roles'
    transactions from ordinary roles; then it is None. `why` is in words.
    """

    pid: int | None
    role: str | None
    since: str | None
    why: str


@dataclass(frozen=True, slots=True)
class Preflight:
    """What a build will do and need; nothing was changed.

    `index_bytes` and `graph_bytes`, the memory of the graph, are close if most short
    values differ. The graph fits if `maintenance_work_mem`, in bytes, is at least
    `memory_needed`, such as "96MB". `column_bytes` is the most that a new column adds
    to the table. `rewritten_bytes` is the second copy of the table and its indexes that
    a generated column needs. `workers` are the parallel workers that the build can get
    now, and `limited_by` says what limits them. `seconds` is a rough estimate; None if
    nothing could be measured. `says` has all of it in sentences, each about the word
    in `topics`.
    """

    layout: IndexLayout
    changes: bool
    refused: bool
    concurrent: bool
    kept_as: str
    why: str
    steps: tuple[PlannedStep, ...] = ()
    rows: int = 0
    index_bytes: int = 0
    column_bytes: int = 0
    rewritten_bytes: int = 0
    graph_bytes: int = 0
    maintenance_work_mem: int = 0
    memory_needed: str = ""
    workers: int = 0
    limited_by: str = ""
    seconds: float | None = None
    other_indexes: tuple[OtherIndex, ...] = ()
    waits_for: tuple[OldTransaction, ...] = ()
    says: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()

    def short(self) -> tuple[str, ...]:
        """The sentences without statements, and without what stays as it is."""
        return tuple(
            says
            for topic, says in zip(self.topics, self.says, strict=True)
            if topic != "step"
            and not (topic == "index" and says.endswith("stays as it is"))
        )

    @property
    def disk_bytes(self) -> int:
        """Bytes that the build needs on the disk, without the log."""
        return self.index_bytes + self.column_bytes + self.rewritten_bytes

    @property
    def fits(self) -> bool:
        """Whether the graph fits `maintenance_work_mem`."""
        megabytes = int(self.memory_needed.removesuffix("MB") or 0)
        return self.maintenance_work_mem >= megabytes * 1024 * 1024

    def as_dict(self) -> dict[str, Any]:
        """All figures by name, as `mrl-pg create --dry-run --json` prints them."""
        figures = {**asdict(self), "disk_bytes": self.disk_bytes, "fits": self.fits}
        layout = self.layout
        figures["layout"] = {
            "table": layout.table,
            "column": layout.column,
            "dims": layout.dims,
            "kind": layout.kind,
            "distance": layout.distance,
            "index": layout.name,
        }
        return figures

    def __str__(self) -> str:
        """Sentences, one a line."""
        return "\n".join((f"{self.layout}", *self.says))


def preflight(
    conn: AnyConn,
    layout: IndexLayout,
    *,
    rebuild: bool = False,
    concurrently: bool | None = None,
    workers: int | None = None,
    maintenance_work_mem: str | None = None,
) -> Exchange[Preflight]:
    """What `create` with the same arguments would do and need; changes nothing."""
    chosen = create.settings_of(workers, maintenance_work_mem)
    facts = create.check(layout, (yield from read_facts(layout)))
    refuse_spread(facts.where, facts.distribution, NOT_PREDICTED)
    rebuild = flag("rebuild", rebuild)
    # what is refused is said, not raised
    plan = yield from create.decide(conn, layout, facts, True, concurrently)
    online = plan.online
    if not (online and plan.steps):
        yield from create.read(layout, facts, True, concurrent=online)
    query = definitions.call(
        "preflight",
        replace(layout, schema=facts.schema),
        concurrent=online,
        rebuild=rebuild,
    )
    rows = yield from transaction(settings.local(chosen, _rows(query.as_string())))
    return _value(layout, rows)


def _rows(query: str) -> Exchange[list[Row]]:
    rows: list[Row] = yield Send(query)
    return rows


def _value(layout: IndexLayout, rows: list[Row]) -> Preflight:
    """One value from the rows of `mrl.preflight`."""
    by_topic: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_topic.setdefault(row["topic"], []).append(row["facts"])
    single = {
        name: value
        for topic in ("plan", "rows", "disk", "memory", "workers", "time")
        for facts in by_topic.get(topic, [])
        for name, value in facts.items()
    }
    if "needed" in single:
        single["memory_needed"] = single["needed"]
    known = Preflight.__dataclass_fields__
    return Preflight(
        layout=layout,
        steps=tuple(PlannedStep(**facts) for facts in by_topic.get("step", [])),
        other_indexes=tuple(OtherIndex(**facts) for facts in by_topic.get("index", [])),
        waits_for=tuple(
            OldTransaction(**facts) for facts in by_topic.get("waits_for", [])
        ),
        says=tuple(row["says"] for row in rows),
        topics=tuple(row["topic"] for row in rows),
        **{name: value for name, value in single.items() if name in known},
    )
