"""What `tune` is asked for, as one value, and what is refused."""

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
    """The arguments of `tune`, checked; `tune` explains each.

    Raises InvalidSetting for what cannot be asked, before anything is read.
    """

    goal: Goal
    layout: IndexLayout
    model: str | None
    sizes: Sequence[int] | None
    kinds: Sequence[Kind]
    plan: bool
    tries: int
    rival: bool | None
    storage: bool | None
    sample: int
    queries: Sequence[VectorLike] | None
    queries_file: "str | PathLike[str] | None"
    queries_sql: str | None
    real_queries: bool
    sample_rows: int
    seed: int
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
        for name in ("plan", "real_queries", "rival", "storage"):
            value = getattr(self, name)
            checked[name] = None if value is None else arguments.flag(name, value)
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

    def _check_queries(self) -> None:
        if self.queries_file is not None:
            arguments.check_path("queries_file", self.queries_file)
        if self.queries_sql is not None:
            arguments.check_text("queries_sql", self.queries_sql)
        sources = (self.queries, self.queries_file, self.queries_sql)
        given = [source is not None for source in sources]
        if sum([*given, self.real_queries]) > 1:
            raise InvalidSetting(
                "queries are vectors, or come from a file, from a statement, or are "
                "the real ones that were kept: give one of them"
            )

    def forms(self, full: int) -> list[tuple[Stored, int]]:
        """What is predicted for vectors of `full` dimensions."""
        sizes = self.sizes
        published = _published(self.model, sizes)
        if published is not None:
            # of a column that holds prefixes already, none may be shorter
            sizes = [size for size in published if size < full] or [full]
        return forms_of(sizes, full)


def silent(_progress: Progress) -> None:
    """Report progress to nobody."""


def _kinds(kinds: Sequence[Kind]) -> tuple[Kind, ...]:
    """The kinds, each once there; raises InvalidSetting."""
    chosen = arguments.names("kinds", kinds)
    if not chosen or any(kind not in KINDS for kind in chosen):
        raise InvalidSetting(f"kinds={list(chosen)}: choose from {', '.join(KINDS)}")
    return tuple(kind for kind in KINDS if kind in chosen)


def _sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    try:
        asked = tuple(sizes)
    except Exception as error:
        raise InvalidSetting(
            f"sizes={arguments.shown(sizes)} is no list: pass a list of whole numbers"
        ) from error
    return tuple(arguments.whole("sizes", size) for size in asked)


def _published(
    model: str | None, sizes: Sequence[int] | None
) -> tuple[int, ...] | None:
    """The sizes of a model; None when none is named."""
    if model is None:
        return None
    arguments.check_text("model", model)
    if sizes is not None:
        raise InvalidSetting("sizes and a model both name sizes: give one of them")
    known = find(model)
    if known is None:
        raise InvalidSetting(
            f"model {model!r} is none that mrl_pg.models knows: name it as its maker "
            "does, or give sizes"
        )
    return ladder(known)


def forms_of(sizes: Sequence[int] | None, full: int) -> list[tuple[Stored, int]]:
    """What is predicted: prefixes, and their signs; of the whole vector its signs."""
    asked = ladder(full) if sizes is None else tuple(sizes)
    if not asked or min(asked) < 1 or max(asked) > full:
        raise InvalidSetting(
            f"sizes={arguments.shown(list(asked))}: give some from 1 to {full}"
        )
    # by itself: a few dimensions find nothing, fewer bits even less, and of more than
    # half of them the index is hardly smaller
    least = {"floats": full // 24, "bits": full // 8} if sizes is None else {}
    most = full // 2 if sizes is None else full - 1
    floats = [size for size in asked if most >= size >= least.get("floats", 0)]
    bits = [size for size in asked if size >= max(FEWEST_BITS, least.get("bits", 0))]
    return [
        *(("floats", size) for size in floats),
        *(("bits", size) for size in {*bits, full}),
    ]
