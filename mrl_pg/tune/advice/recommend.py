"""The recommendation: a setting, the reasons, and the commands of each interface."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mrl_pg.index import MatryoshkaIndex
from mrl_pg.layout import IndexLayout
from mrl_pg.recall.judgement import Judgement
from mrl_pg.recall.score import three_digits
from mrl_pg.search.effort import candidates_read
from mrl_pg.search.options import MAX_EF_SEARCH
from mrl_pg.tune.advice.commands import Commands, QueryOrigin, commands
from mrl_pg.tune.advice.not_yet import NotYet, not_yet
from mrl_pg.tune.advice.rotation import rotated_column
from mrl_pg.tune.option import Goal, Option
from mrl_pg.tune.predict.cost_model import graph_ef
from mrl_pg.tune.predict.growth import grown
from mrl_pg.tune.predict.index_size import graph_bytes, index_bytes
from mrl_pg.tune.predict.rotation import RotationTest
from mrl_pg.tune.predict.shortlist import could_win
from mrl_pg.tune.rows.table import TableFacts
from mrl_pg.tune.trial.front import cheapest
from mrl_pg.tune.trial.memory import Memory, full_index
from mrl_pg.tune.trial.point import Point
from mrl_pg.tune.trial.storage import (
    WIDEST,
    Storage,
    concerns,
    row_bytes,
    unmeasured,
)


@dataclass(frozen=True, slots=True)
class Recommendation:
    """An index and how to search it; the fields are None if there is none.

    `measured` says whether the index was tried on these rows, or is only predicted.
    With `rotated`, all rows are rotated first, into a column of their own.
    `reasons` are plain sentences. `against` are the reasons against a short index.
    `not_yet` comes first: with it, a short index would not make searches faster yet.
    `rerank` of the candidates are read in full, None if all are.
    """

    name: str | None
    dims: int | None
    kind: str | None
    candidates: int | None
    ef_search: int | None
    measured: bool
    reasons: tuple[str, ...]
    against: tuple[str, ...]
    commands: Commands | None
    not_yet: NotYet | None = None
    rerank: int | None = None
    rotated: bool = False

    @property
    def first_pass(self) -> str:
        """`300 candidates (60 read)`; empty if there is no index."""
        count = self.candidates
        return "" if count is None else candidates_read(count, self.rerank)

    @property
    def worth_it(self) -> bool:
        """Whether a short index is recommended and nothing speaks against it."""
        return self.name is not None and not self.against and self.not_yet is None

    def as_dict(self) -> dict[str, Any]:
        """All fields as types that JSON has."""
        plain = asdict(self)
        plain["reasons"], plain["against"] = list(self.reasons), list(self.against)
        return {"worth_it": self.worth_it, **plain}


def recommend(
    layout: IndexLayout,
    table: TableFacts,
    goal: Goal,
    share: float,
    judgement: Judgement | None,
    options: Sequence[Option],
    points: Sequence[Point],
    storage: Storage | None = None,
    *,
    source: QueryOrigin | None = None,
    memory: Memory | None = None,
    rotation: RotationTest | None = None,
    notes: Sequence[str] = (),
) -> Recommendation:
    """The best measured setting, or the best predicted setting if none was measured.

    The commands calibrate with the queries of `source`. `notes` are further reasons.
    With `memory`, the times of `points` are those with that memory. `rotation` says
    what rotated rows would find.
    """
    against = _against(goal, judgement, options)
    verdict = not_yet(table, goal, share, points, storage)
    best_point: Point | None = None
    rerank: int | None = None
    short = [point for point in points if point.option is not None]
    if short:
        point, sure = cheapest(short, goal)
        if point is None:
            best = max(short, key=lambda p: p.recall.mean)
            strict = ""
            if goal.rows_as_queries:
                strict = f", which is {goal.wanted:.4g} with rows as queries"
            against.append(
                f"no setting that was tried reaches recall {goal.recall:g}{strict}. "
                f"The best is {best}. Try a larger --m and --ef-construction, which "
                "make a better graph"
            )
            return _nothing([*against, *notes], verdict)
        chosen = point.option
        best_point = point
        reason = [str(point)]
        if not sure:
            reason.append(
                f"the mean reaches {goal.recall:g}, but the lower end of the interval "
                "does not. Use more queries to be sure"
            )
        candidates, ef, rerank = point.candidates, point.ef_search, point.rerank
    else:
        able = [option for option in options if option.candidates is not None]
        if not able:
            return _nothing([*against, *notes], verdict)
        chosen = could_win(able, 1)[0]
        candidates = chosen.candidates
        ef = max(candidates or 0, graph_ef(goal))
        reason = [
            f"predicted, not measured: {candidates} candidates of "
            f"{chosen.name} hold {three_digits(goal.prefix_recall)} of the true "
            f"top {goal.k} if the index misses none of them"
        ]
    if chosen is None or candidates is None or ef is None:
        return _nothing([*against, *notes], verdict)
    if short and share < 1:
        reads = rerank or candidates
        more = min(grown(reads, goal.k, share, chosen.growth), MAX_EF_SEARCH)
        ef = min(round(ef * more / reads), MAX_EF_SEARCH)
        what = "candidates are" if rerank is None else "rows read in full are"
        reason.append(
            f"on the sample {reads} {what} enough. For all rows we "
            f"predict {more}. Calibrate the index after you build it"
        )
        candidates = min(round(candidates * more / reads), MAX_EF_SEARCH)
        rerank = rerank and more
    if rerank is not None:
        reason.append(_reads_some(candidates, max(ef, candidates), rerank, memory))
    if source is not None and source.repeats:
        reason.append(
            "the commands calibrate with the queries that chose this setting, which "
            "flatters it. Give the calibration other queries, if you have some"
        )
    reason.extend(notes)
    # after trials, the option in `options` has a build time scaled by real builds
    scaled = next((option for option in options if option.name == chosen.name), chosen)
    reason.extend(_costs(table, goal, scaled))
    if memory is not None:
        reason.extend(_with_memory(memory, best_point, table, scaled, goal, layout))
    if memory is not None and memory.compares_rows:
        pass
    elif storage is not None:
        reason.extend(storage.said())
    elif concerns(table, [chosen]) and row_bytes(table, chosen) <= WIDEST:
        reason.append(
            "searches may be faster with full vectors in the row instead of TOAST. "
            "Run tune without --plan to measure this"
        )
    built = goal.with_graph(chosen.graph)
    if chosen.rotated:
        reason.extend(_rotated(layout, table, rotation))
        # it is said of rows as they are
        against = _against(goal, None, options)
    index = MatryoshkaIndex(
        layout.table,
        rotated_column(layout.column) if chosen.rotated else layout.column,
        dims=chosen.dims,
        kind=chosen.kind,
        distance=goal.distance,
        m=built.m,
        ef_construction=built.ef_construction,
        schema=layout.schema,
    )
    return Recommendation(
        chosen.name,
        chosen.dims,
        chosen.kind,
        candidates,
        max(ef, candidates),
        bool(short),
        tuple(reason),
        tuple(against),
        commands(
            index,
            table,
            goal.k,
            goal.recall,
            source or QueryOrigin(),
            rotate=layout if chosen.rotated else None,
        ),
        verdict,
        rerank,
        chosen.rotated,
    )


def _reads_some(
    candidates: int, ef_search: int, rerank: int, memory: Memory | None
) -> str:
    """What a search does that leaves candidates unread, and who takes it."""
    said = (
        f"of {candidates} candidates it reads only {rerank} full vectors: those that "
        "come first by their bits and the query (`rerank`). That needs bits in a "
        "column, not an index on an expression. "
    )
    if memory is None:
        return said + "A search with a recall decides by the calibration"
    return said + (
        "A calibration times searches in memory. If it takes another one, give "
        f"candidates={candidates}, ef_search={ef_search}, rerank={rerank} instead of "
        "a recall"
    )


def _rotated(
    layout: IndexLayout, table: TableFacts, rotation: RotationTest | None
) -> list[str]:
    """What it means to rotate all rows, and what is kept."""
    size = _mb(table.rows * table.full_bytes)
    to = rotated_column(layout.column)
    said = [
        f"all rows are rotated into the column {to}, which adds {size} until you drop "
        f"the column {layout.column}. Every full distance stays as it is, and mrl_pg "
        f"rotates the queries. Searches use {layout.column} until you say "
        f"`mrl-pg switch {layout.table} {layout.column} --to {to}`"
    ]
    return said if rotation is None else [rotation.reason, *said]


def _with_memory(
    memory: Memory,
    point: Point | None,
    table: TableFacts,
    option: Option,
    goal: Goal,
    layout: IndexLayout,
) -> list[str]:
    """Sentences about the memory that was asked for."""
    if point is not None:
        return memory.said(point, unmeasured(table, layout.column, "").command)
    full = full_index(table, goal)
    said = (
        f"with {memory.given} of memory we predict that {option.from_disk or 0:.0%} of "
        "the pages that a search touches come from disk"
    )
    if full is not None:
        said += f", and {full.share:.0%} for one pass over full vectors"
    return [f"{said}. Times are {memory.head}"]


def _nothing(against: list[str], verdict: NotYet | None) -> Recommendation:
    return Recommendation(
        None, None, None, None, None, False, (), tuple(against), None, verdict
    )


def _costs(table: TableFacts, goal: Goal, option: Option) -> list[str]:
    full = index_bytes("halfvec", table.full_dims, table.rows, goal.m)
    sentences = [
        f"the index will take about {_mb(option.index_bytes)}, "
        f"{full / option.index_bytes:.1f} times less than an index over full vectors "
        f"as halfvec. The column will add {_mb(option.column_bytes)} to the table"
    ]
    if option.build_scaled_by:
        sentences.append(
            f"the build will take about {option.build_seconds:,.0f} s, judging by the "
            f"builds of {' and '.join(option.build_scaled_by)} in this run"
        )
    links = goal.with_graph(option.graph).m
    graph = graph_bytes(option.kind, option.dims, table.rows, links)
    if graph > table.build_bytes:
        sentences.append(
            f"set maintenance_work_mem above {_mb(graph)} for the build "
            f"(now {_mb(table.build_bytes)}), because a graph that does not fit takes "
            "several times longer to build"
        )
    return sentences


def _against(
    goal: Goal, judgement: Judgement | None, options: Sequence[Option]
) -> list[str]:
    sentences = []
    if judgement is not None and judgement.verdict == "no gain":
        sentences.append(
            f"{judgement.reason}. On these rows, prefixes lose more than necessary, "
            "but signs of all dimensions (bit) may work"
        )
    if options and all(option.candidates is None for option in options):
        sentences.append(
            f"no prefix reaches recall {goal.recall:g} within 1000 candidates. Index "
            "the full vectors (halfvec up to 4000 dimensions), or lower the recall"
        )
    return sentences


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB" if size >= 1e7 else f"{size / 1e6:,.1f} MB"
