"""The result of `tune` as one value, for people, JSON and reports."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from mrl_pg.kinds import Stored
from mrl_pg.recall.curve import Curve
from mrl_pg.recall.judgement import Judgement
from mrl_pg.recall.score import three_digits
from mrl_pg.tune.advice.examples import Example
from mrl_pg.tune.advice.recommend import Recommendation
from mrl_pg.tune.option import Goal, Option, smallest_alike
from mrl_pg.tune.predict.growth import Growth
from mrl_pg.tune.predict.rotation import RotationTest
from mrl_pg.tune.predict.shortlist import STEPS, needed
from mrl_pg.tune.rows.table import TableFacts
from mrl_pg.tune.trial.front import front
from mrl_pg.tune.trial.memory import Memory
from mrl_pg.tune.trial.noise import Noise
from mrl_pg.tune.trial.point import Point
from mrl_pg.tune.trial.scratch import TrialIndex
from mrl_pg.tune.trial.storage import Storage


@dataclass(frozen=True, slots=True)
class Read:
    """What was read from the table, and the queries.

    `share` is the share of the table's rows that were read, 1 if all were; `seed` says
    which. `zero_rows` have no direction, so no cosine index has them. `zero_queries`
    were left out. `themselves` counts queries with a row at distance 0: if they are
    rows of the table, they find themselves and recall looks too good. `growth` says how
    the needed candidates grow with the rows, if the sample was large enough to measure
    that. `sign_rows` different rows have `sign_codes` different combinations of signs,
    over all dimensions. `note` says which better queries could be had.
    """

    rows: int
    share: float
    seed: int
    zero_rows: int
    queries: int
    origin: str
    zero_queries: int
    themselves: int
    seconds: float
    growth: Growth = field(default_factory=dict)
    sign_rows: int = 0
    sign_codes: int = 0
    note: str = ""

    @property
    def finds_itself(self) -> bool:
        """Whether so many queries have a row at distance 0 that they may be rows."""
        return self.themselves > self.queries // 10

    @property
    def signs_tell(self) -> bool:
        """Whether enough rows differ in their signs for kind `bit` to be of use."""
        return 2 * self.sign_codes >= self.sign_rows


@dataclass(frozen=True, slots=True)
class Tuning:
    """The result of `tune`; `str(tuning)` is what the command line prints.

    `curves` come from one pass over the rows, and `options` are predicted from them.
    `built` and `points` are empty unless indexes were tried, on a copy of the rows
    read. `examples` are a few queries, drawn at random, with the answer of each size.
    `rotation` is None if nothing tells what rotated rows would find.
    """

    table: TableFacts
    column: str
    goal: Goal
    read: Read
    judgement: Judgement | None
    curves: tuple[Curve, ...]
    options: tuple[Option, ...]
    built: tuple[TrialIndex, ...]
    points: tuple[Point, ...]
    recommendation: Recommendation
    examples: tuple[Example, ...] = ()
    storage: Storage | None = None
    noise: Noise | None = None
    memory: Memory | None = None
    rotation: RotationTest | None = None

    def curve_of(self, option: Option) -> Curve | None:
        """The curve of an option over the rows read; None of rotated rows."""
        return None if option.rotated else self._known[option.stored, option.dims]

    @property
    def _known(self) -> dict[tuple[Stored, int], Curve]:
        return {(curve.stored, curve.dims): curve for curve in self.curves}

    @property
    def warnings(self) -> list[str]:
        """What makes the figures less sure, in plain sentences."""
        read, goal = self.read, self.goal
        sentences = []
        if read.finds_itself:
            sentences.append(
                f"{read.themselves:,} queries have a row at distance 0. If they are "
                "rows of the table, recall looks better than it is"
            )
        if goal.rows_as_queries:
            sentences.append(
                "the queries are rows, which are easier to find than what people ask. "
                f"So the target is recall {goal.wanted:.4g} on rows, with ef_search "
                f"{goal.least_ef} or more. That may not be enough. Real queries are "
                "better: --queries FILE, or `mrl-pg queries`"
            )
        if read.note:
            sentences.append(read.note)
        return sentences

    @property
    def front(self) -> tuple[Point, ...]:
        """Settings that no other beats in both recall and time, fastest first."""
        return front(self.points)

    @property
    def build_times(self) -> str:
        """Where predicted build times come from: a guess, or measured builds."""
        known = {name for option in self.options for name in option.build_scaled_by}
        names = " and ".join(sorted(known))
        return f"scaled by the builds of {names}" if known else "a rough guess"

    def as_dict(self) -> dict[str, Any]:
        """The whole result as types that JSON has; see `curve_as_dict` for curves."""
        return {
            "table": asdict(self.table),
            "column": self.column,
            "goal": asdict(self.goal),
            "read": asdict(self.read),
            "judgement": self.judgement and self.judgement.as_dict(),
            "rotation": self.rotation and self.rotation.as_dict(),
            "curves": [curve_as_dict(curve, self.goal) for curve in self.curves],
            "options": [option.as_dict() for option in self.options],
            "built": [asdict(built) for built in self.built],
            "points": [point.as_dict() for point in self.points],
            "storage": self.storage and self.storage.as_dict(),
            "noise": self.noise and self.noise.as_dict(),
            "memory": self.memory and self.memory.as_dict(),
            "front": [point.as_dict() for point in self.front],
            "recommendation": self.recommendation.as_dict(),
            "examples": [example.as_dict() for example in self.examples],
        }

    def __str__(self) -> str:
        """The whole result as text, with the recommendation last."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield from self._head()
        yield ""
        yield from self._predicted()
        if self.built:
            yield ""
            yield from self._measured()
        yield ""
        yield from self._recommended()

    def _head(self) -> Iterator[str]:
        table, read, goal = self.table, self.read, self.goal
        share = "all" if read.share >= 1 else f"{read.share:.1%} of {table.rows:,}"
        yield (
            f"{table.name}.{self.column}: {table.full_type}({table.full_dims}); "
            f"{read.rows:,} rows read ({share}), {read.queries:,} queries "
            f"({read.origin}), k = {goal.k}, {goal.distance}, recall {goal.recall:g}"
        )
        if read.zero_rows:
            yield f"{read.zero_rows:,} rows of zeros: no cosine index has or finds them"
        if read.zero_queries:
            yield f"{read.zero_queries:,} queries of zeros were left out"
        yield from self.warnings
        if self.judgement is not None:
            yield self.judgement.reason
        if self.rotation is not None:
            yield self.rotation.reason
        if not read.signs_tell:
            yield (
                f"signs are of no use here: {read.sign_rows:,} different rows have "
                f"{read.sign_codes:,} different signs, so no size of kind bit can tell "
                "them apart. Image features and unsigned integers are often like that"
            )

    def _predicted(self) -> Iterator[str]:
        yield f"Predicted for the whole table; build times are {self.build_times}:"
        if self.memory is not None:
            yield (
                f"Disk is the share of the pages a search touches that come from there "
                f"with {self.memory.given} of memory."
            )
        width = max(16, *(len(option.name) + 1 for option in self._shown()))
        yield (
            f"{'':{width}}{'recall of exact prefix search at':>30}{'':10}"
            f"{'needed':>8}{'index':>9}{'column':>9}{'build':>8}"
            + ("" if self.memory is None else f"{'disk':>9}")
        )
        at = (40, 160, 640)
        yield f"{'':{width}}" + "".join(f"{count:>13}" for count in at)
        for option in self._shown():
            curve = self.curve_of(option)
            # rotated rows were judged on fewer rows, of which any size finds more
            shares = "".join(
                f"{three_digits(curve.recall(count).mean) if curve else '-':>13}"
                for count in at
            )
            yield (
                f"{option.name:{width}}{shares} {option.candidates or '-':>8}"
                f"{option.index_bytes / 1e6:>6,.0f} MB"
                f"{option.column_bytes / 1e6:>6,.0f} MB{option.build_seconds:>6,.0f} s"
                + self._disk(option)
            )

    def _disk(self, option: Option) -> str:
        if self.memory is None:
            return ""
        return "        -" if option.from_disk is None else f"{option.from_disk:>9.0%}"

    def _shown(self) -> list[Option]:
        """The options without `vector` where `halfvec` of the same size is shown."""
        return smallest_alike(self.options)

    def _measured(self) -> Iterator[str]:
        yield f"Built on a copy of the {self.read.rows:,} rows, which no longer exists:"
        for built in self.built:
            yield f"  {built.name}: {built.seconds:.1f} s, {built.bytes / 1e6:,.1f} MB"
        yield "Settings that no other setting beats in both recall and time:"
        for point in self.front:
            yield f"  {point}"
        for pair in self.storage.pairs if self.storage else ():
            yield (
                f"With full vectors in the row, {pair.toast.setting} took {pair.share} "
                "that it takes with TOAST"
            )
        if self.noise is not None:
            yield f"Noise: {self.noise}"
        if self.memory is not None:
            yield from self._squeezed(self.memory)

    def _squeezed(self, memory: Memory) -> Iterator[str]:
        yield f"With {memory.given} of memory, {memory.head}:"
        for search in memory.fastest(self.goal):
            yield (
                f"  {search.name}: {search.ms:.1f} ms "
                f"(in memory {search.point.median_ms:.2f} ms), "
                f"{search.from_disk:.0%} of the pages from disk by prediction"
            )

    def _recommended(self) -> Iterator[str]:
        advice = self.recommendation
        if advice.not_yet is not None:
            yield f"{advice.not_yet}"
            yield ""
        if advice.name is None:
            yield "No short index is recommended."
        else:
            what = "Recommended" if advice.not_yet is None else "The best short index"
            yield (
                f"{what}: {advice.name}, {advice.first_pass}, "
                f"ef_search {advice.ef_search}"
            )
        for reason in advice.reasons:
            yield f"  {reason}"
        for reason in advice.against:
            yield f"  But: {reason}"
        if advice.commands is not None:
            for text in asdict(advice.commands).values():
                yield ""
                yield text


def curve_as_dict(curve: Curve, goal: Goal) -> dict[str, Any]:
    """A curve as types that JSON has: recall, with its interval, at each of STEPS."""
    steps = [count for count in STEPS if count >= goal.k]
    candidates, sure = needed(curve, goal)
    return {
        "dims": curve.dims,
        "stored": curve.stored,
        "needed": candidates,
        "sure": sure,
        "at": [{"candidates": n, **asdict(curve.recall(n))} for n in steps],
    }
