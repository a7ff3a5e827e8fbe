"""The arguments of `tune` as one value that checks them."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

from mrl_pg import arguments
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.kinds import KINDS, Kind, Stored
from mrl_pg.layout import IndexLayout
from mrl_pg.models import find, ladder
from mrl_pg.search.options import check_count
from mrl_pg.tune.option import Goal
from mrl_pg.tune.predict.shortlist import FEWEST_BITS
from mrl_pg.vectors import VectorLike


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneRequest:
    """The checked arguments of `tune`; the docstring of `tune` explains each.

    Raises InvalidSetting for an argument of the wrong type or value, before anything
    is read.
    """

    goal: Goal
    layout: IndexLayout
    model: str | None
    sizes: Sequence[int] | None
    kinds: Sequence[Kind]
    plan: bool
    tries: int
    rival: bool | None
    better_graph: bool | None
    storage: bool | None
    rotation: bool | None
    sample: int
    queries: Sequence[VectorLike] | None
    queries_file: "str | PathLike[str] | None"
    queries_sql: str | None
    real_queries: bool | None
    sample_rows: int
    seed: int
    minutes: float | None
    memory: str | None
    show: Sequence[str]
    progress: OnProgress

    def __post_init__(self) -> None:
        """Check every argument, and keep the checked values."""
        checked: dict[str, Any] = {
            "kinds": _kinds(self.kinds),
            "tries": check_count("tries", self.tries),
            "sample": check_count("sample", self.sample),
            "sample_rows": check_count("sample_rows", self.sample_rows),
            "seed": arguments.check_whole(
                "seed", self.seed, 0, 2**63 - 1, "a random generator"
            ),
        }
        for name in (
            "plan",
            "real_queries",
            "rival",
            "better_graph",
            "storage",
            "rotation",
        ):
            value = getattr(self, name)
            checked[name] = None if value is None else arguments.flag(name, value)
        checked["minutes"] = None if self.minutes is None else _minutes(self.minutes)
        if self.memory is not None:
            arguments.memory_size("memory", self.memory)
        show = self.show
        checked["show"] = (
            (show,) if isinstance(show, str) else arguments.names("show", show)
        )
        checked["sizes"] = None if self.sizes is None else _sizes(self.sizes)
        arguments.check_callable("progress", self.progress)
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        self._check_queries()
        _published(self.model, self.sizes)

    @property
    def memory_bytes(self) -> int | None:
        """The memory in bytes, if it was given."""
        given = self.memory
        return None if given is None else arguments.memory_size("memory", given)

    def _check_queries(self) -> None:
        if self.queries_file is not None:
            arguments.check_path("queries_file", self.queries_file)
        if self.queries_sql is not None:
            arguments.check_text("queries_sql", self.queries_sql)
        sources = (self.queries, self.queries_file, self.queries_sql)
        given = [source is not None for source in sources]
        if sum([*given, bool(self.real_queries)]) > 1:
            raise InvalidSetting(
                "pass only one of queries, queries_file, queries_sql and real_queries"
            )

    def forms(self, full: int) -> list[tuple[Stored, int]]:
        """The ways to store, and the sizes, to predict for vectors of size `full`."""
        sizes = self.sizes
        published = _published(self.model, sizes)
        forms = forms_of(sizes, full)
        if published is not None:
            # a column that holds prefixes already may be shorter than every size
            known = [size for size in published if size < full]
            forms += [form for form in forms_of(known or [full], full)]
        return list(dict.fromkeys(forms))


def silent(_progress: Progress) -> None:
    """Ignore progress."""


def _kinds(kinds: Sequence[Kind]) -> tuple[Kind, ...]:
    """The kinds in the order of KINDS, without repeats; raises InvalidSetting."""
    chosen = arguments.names("kinds", kinds)
    if not chosen or any(kind not in KINDS for kind in chosen):
        raise InvalidSetting(f"kinds={list(chosen)}. Choose from {', '.join(KINDS)}")
    return tuple(kind for kind in KINDS if kind in chosen)


def _minutes(minutes: float) -> float:
    given = arguments.number("minutes", minutes)
    if not 0 < given < float("inf"):
        raise InvalidSetting(
            f"minutes={arguments.shown(minutes)} is not above 0. Pass a number of "
            "minutes, or none for no limit"
        )
    return given


def _sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    try:
        listed = tuple(sizes)
    except Exception as error:
        raise InvalidSetting(
            f"sizes={arguments.shown(sizes)} is not a list. Pass whole numbers"
        ) from error
    return tuple(arguments.whole("sizes", size) for size in listed)


def _published(
    model: str | None, sizes: Sequence[int] | None
) -> tuple[int, ...] | None:
    """The published sizes of a model; None if no model is named."""
    if model is None:
        return None
    arguments.check_text("model", model)
    if sizes is not None:
        raise InvalidSetting("sizes and model both give sizes. Pass only one of them")
    known = find(model)
    if known is None:
        raise InvalidSetting(
            f"mrl_pg.models does not know model {model!r}. Write the name as its maker "
            "does, or pass sizes"
        )
    return ladder(known)


def forms_of(sizes: Sequence[int] | None, full: int) -> list[tuple[Stored, int]]:
    """What to predict: prefixes by values and by signs, the whole vector by signs."""
    chosen = ladder(full) if sizes is None else tuple(sizes)
    if not chosen or min(chosen) < 1 or max(chosen) > full:
        raise InvalidSetting(
            f"sizes={arguments.shown(list(chosen))}. Pass sizes from 1 to {full}"
        )
    # without sizes: a few dimensions find nothing, a few bits even less, and an index
    # over more than half of the dimensions is hardly smaller
    least = {"floats": full // 24, "bits": full // 8} if sizes is None else {}
    most = full // 2 if sizes is None else full - 1
    floats = [size for size in chosen if most >= size >= least.get("floats", 0)]
    bits = [size for size in chosen if size >= max(FEWEST_BITS, least.get("bits", 0))]
    return [
        *(("floats", size) for size in floats),
        *(("bits", size) for size in {*bits, full}),
    ]
