"""The options of a search: as keywords, explained; as one checked value; the checks."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from operator import index
from typing import Any, SupportsIndex, TypeAlias, TypedDict, TypeVar, cast
from uuid import UUID

from mrl_pg import arguments
from mrl_pg.arguments import shown
from mrl_pg.errors import InvalidSetting
from mrl_pg.kinds import KINDS, Kind
from mrl_pg.search.filter import Filter, Params, check_filter
from mrl_pg.search.promise import check_quantile, check_recall

MAX_ROWS = 1_000_000_000
"""The most rows that a search may return; PostgreSQL's integers end at twice that."""

MAX_EF_SEARCH = 1000
"""pgvector's upper limit of `hnsw.ef_search`."""


Tenant: TypeAlias = str | int | UUID | date
"""The key of a tenant; any other type as PostgreSQL writes it, as text."""


class EffortKeywords(TypedDict, total=False):
    """How many rows to return, and how hard to search for them.

    - `k` (10): the most rows to return.
    - `candidates` (160, or 8 k if that is more): rows that the short index passes
      on for exact ranking. Above 1000 the index scan is iterative.
    - `ef_search` (candidates, at most 1000): a larger value searches more of the
      graph.
    - `max_scan_tuples` (the session's, 20000, or twice the candidates): how many
      rows a scan with a filter may visit. Raise it if the result is `cut_short`;
      above about 250,000 raise `work_mem`, too.
    - `rerank` (all candidates), for kind bit: how many candidates are read in full.
      The first pass then chooses the best by their bits and more of the query than its
      signs.
    - `recall`, such as 0.95: uses the cheapest search that reached this recall in
      `calibrate`, unless you give `candidates`. The result's `promise` says whether
      the calibration supports it.
    - `quantile`, such as 0.95, with a `recall`: so large a share of the queries is
      to find that recall, each by itself; otherwise only their mean is.
    """

    k: int
    candidates: int | None
    ef_search: int | None
    max_scan_tuples: int | None
    rerank: int | None
    recall: float | None
    quantile: float | None


class FilteredKeywords(EffortKeywords, total=False):
    """The same, and a filter.

    - `filter`, with its values in `params`: a condition on the table's columns in
      SQL, for the first pass.
    - `probes` (all parts), for a table that is partitioned by likeness: how many
      partitions are searched, those nearest to the query. Each is walked as far as
      `ef_search` says, which may be below `candidates` here. `docs/parts.md` says how
      a table gets them.
    """

    filter: Filter
    params: Params
    probes: int | None


class SearchKeywords(FilteredKeywords, total=False):
    """The keywords of every search: the same, and a few more.

    - `columns` (none): columns to return with each hit.
    - `exact` (False): compares every row instead of using the index.
    - `dims`, `kind` (those of the index in use): which short column of a column that
      has several. A small one is cheaper and a large one finds more.
    - `tenant` (none): the key of a tenant, whose rows alone are searched: by its own
      index if it has one, else exactly. `docs/tenants.md` says how it gets one.
    """

    columns: Sequence[str]
    exact: bool
    dims: int | None
    kind: Kind | None
    tenant: Tenant | None


Method = TypeVar("Method", bound=Callable[..., Any])


def explains_options(method: Method) -> Method:
    """Add what each option means, as declared above, to the help of a method."""
    parts = (EffortKeywords, FilteredKeywords, SearchKeywords)
    lists = [
        inspect.cleandoc(each.__doc__ or "").partition("\n\n")[2] for each in parts
    ]
    told = inspect.cleandoc(method.__doc__ or "")
    method.__doc__ = "\n\n".join([told, "\n".join(lists)])
    return method


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """The options of a search, checked; the fields are those of SearchKeywords."""

    k: int = 10
    candidates: int | None = None
    ef_search: int | None = None
    max_scan_tuples: int | None = None
    rerank: int | None = None
    recall: float | None = None
    quantile: float | None = None
    filter: Filter = None
    params: Params = None
    probes: int | None = None
    columns: Sequence[str] = ()
    exact: bool = False
    dims: int | None = None
    kind: Kind | None = None
    tenant: Tenant | None = None

    def __post_init__(self) -> None:
        """Raise InvalidSetting or InvalidFilter for options that no search takes."""
        taken = {
            "k": check_count("k", self.k),
            "columns": arguments.names("columns", self.columns),
            "exact": arguments.flag("exact", self.exact),
        }
        for field, most in (
            ("candidates", MAX_ROWS),
            ("ef_search", MAX_EF_SEARCH),
            ("max_scan_tuples", MAX_ROWS),
            ("rerank", MAX_ROWS),
            ("probes", MAX_ROWS),
        ):
            value = getattr(self, field)
            taken[field] = value if value is None else check_count(field, value, most)
        if self.dims is not None:
            taken["dims"] = check_count("dims", self.dims)
        if self.kind is not None:
            arguments.check_choice("kind", self.kind, KINDS)
        if self.recall is not None:
            taken["recall"] = check_recall(self.recall)
        if self.quantile is not None:
            taken["quantile"] = check_quantile(self.quantile, self.recall)
        if self.rerank is not None and self.wants_promise:
            raise InvalidSetting(
                f"rerank={self.rerank} with recall={self.recall}: the calibration "
                "decides how many candidates are read; leave rerank out, or "
                "give candidates instead of recall"
            )
        if self.probes is not None and self.wants_promise:
            raise InvalidSetting(
                f"probes={self.probes} with recall={self.recall}: the calibration "
                "measured searches of all parts; leave one of the two out, and measure "
                "a search with probes by the method recall"
            )
        if self.tenant is not None:
            taken["tenant"] = self._check_tenant()
        check_filter(self.filter, self.params, of_tenant=self.tenant is not None)
        for field, value in taken.items():
            object.__setattr__(self, field, value)

    def _check_tenant(self) -> str:
        """The key of the tenant as text."""
        for name in ("dims", "kind", "probes"):
            if (value := getattr(self, name)) is not None:
                raise InvalidSetting(
                    f"{name}={shown(value)} with tenant={shown(self.tenant)}: the "
                    "tenant's index is the one that set_tenants describes; leave it "
                    "out, and for more recall raise candidates or give exact=True"
                )
        return check_tenant(self.tenant)

    @property
    def searches_parts(self) -> bool:
        """Whether the first pass reads some parts only; an exact search reads all."""
        return self.probes is not None and not self.exact

    @property
    def wants_promise(self) -> bool:
        """Whether the recall decides the effort.

        Candidates that the caller gives win, and an exact search needs no recall.
        """
        return self.recall is not None and self.candidates is None and not self.exact


def options_of(keywords: EffortKeywords, known: type = SearchKeywords) -> SearchOptions:
    """The keywords of a method as one value; TypeError for an unknown keyword."""
    names = known.__annotations__
    for name in keywords.keys() - names.keys():
        raise TypeError(
            f"{name!r} is not an option here: the options are {', '.join(names)}"
        )
    return SearchOptions(**cast("dict[str, Any]", keywords))


def check_tenant(tenant: object) -> str:
    """The key of a tenant as text; raises InvalidSetting for what is no key."""
    if isinstance(tenant, bool) or not isinstance(
        tenant, (str, UUID, SupportsIndex, date)
    ):
        raise InvalidSetting(
            f"tenant={shown(tenant)} is no key: give one of text, a number, a UUID or "
            "a date, as the column of keys has it"
        )
    text = tenant if isinstance(tenant, (str, UUID, date)) else index(tenant)
    if reason := arguments.unfit(str(text)):
        raise InvalidSetting(f"tenant={shown(tenant)} {reason}")
    return str(text)


def check_count(what: str, value: int, most: int = MAX_ROWS) -> int:
    """A whole number from 1 to `most`; raises InvalidSetting."""
    number = arguments.whole(what, value)
    if number < 1:
        raise InvalidSetting(
            f"{what}={shown(value)} is below 1: ask for at least one row"
        )
    if number > most:
        raise InvalidSetting(
            f"{what}={shown(value)} is above {most}, the largest value"
        )
    return number
