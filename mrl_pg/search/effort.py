"""Decides how hard to search: candidates, settings and the kind of scan."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from mrl_pg.errors import InvalidSetting
from mrl_pg.kinds import KINDS
from mrl_pg.layout import IndexLayout
from mrl_pg.search.options import (
    MAX_EF_SEARCH,
    MAX_ROWS,
    SearchOptions,
    check_count,
)
from mrl_pg.search.promise import Promise

TUPLES_IN_WORK_MEM = 4000
"""Rows that an iterative scan may visit for each 4 MB of `work_mem`. We measured 23,000
rows at 64 dimensions of `bit`; a fifth of that leaves room for links and filters."""

MAX_SCAN_MEMORY = 64
"""The most times `work_mem` that we allow a scan: 256 MB at the default of 4 MB."""

SCAN_TUPLES = 20_000
"""Rows that an iterative scan of pgvector visits at most by default."""

MOST_PROMISED = 4000
"""The most candidates that a calibration measures."""

SAFEST = 64
"""The most candidates for each of the k answers, if there is no calibration."""

SAFE_CANDIDATES = 160
"""Candidates without a calibration. On 100,000 sentences of 1536 dimensions, recall at
k = 10 was .957 (256 dimensions of halfvec) to .980 (1536 of bit). See
benchmarks/passes.py."""

Scan: TypeAlias = Literal["single", "iterative", "exact"]
"""An index scan that stops at ef_search, or that goes on to enough rows, or no scan."""


@dataclass(frozen=True, slots=True)
class AtLeast:
    """A value of a setting, unless the session's own is larger."""

    value: int


@dataclass(frozen=True, slots=True)
class Effort:
    """How many rows each pass returns, and how widely the index is searched.

    `candidates` and `ef_search` are None for an exact search. `rerank` is None if every
    candidate is read in full. `max_scan_tuples` is None
    unless the caller gave it. `fetch` is how many rows the search hands on if others
    choose the k from them. With a `recall` the statement reads the calibration
    itself, by the `quantile` if there is one, and `candidates` is the most that it may
    use.
    """

    k: int
    candidates: int | None
    ef_search: int | None
    scan: Scan
    max_scan_tuples: int | None
    recall: float | None = None
    quantile: float | None = None
    rerank: int | None = None
    fetch: int | None = None

    @property
    def limit(self) -> int:
        """How many rows the statement answers."""
        return self.fetch or self.k

    def fetching(self, rows: int) -> "Effort":
        """The same search that hands on so many rows; raises its candidates if needed.

        As hard as the search for k rows, because the first of them decide.
        """
        effort = replace(self, fetch=rows)
        if self.candidates is None or self.ef_search is None:
            return effort
        return effort.wider(self.candidates, self.ef_search, self.rerank)

    def at_once(self) -> "Effort":
        """The same by a scan that ends after ef_search rows."""
        return replace(self, scan="single")

    def without_bits(self) -> "Effort":
        """The same for rows without a column of bits: every candidate is read."""
        return replace(self, rerank=None)

    @property
    def settings(self) -> Mapping[str, str | AtLeast]:
        """The settings of the scan, by the slots of the template `gate`."""
        visited = max(self.candidates or 0, self.max_scan_tuples or 0)
        return {
            "ef_search": str(self.ef_search),
            "iterative_scan": "relaxed_order" if self.scan == "iterative" else "off",
            "scan_tuples": (
                str(self.max_scan_tuples)
                if self.max_scan_tuples
                else AtLeast(2 * (self.candidates or 0))
            ),
            "scan_memory": AtLeast(scan_memory(visited)),
        }

    def on_a_shard(self, width: int, shards: int | None) -> Mapping[str, str]:
        """The settings of the scan of one of several shards, by pgvector's names.

        The session's own settings are those of another machine, so pgvector's defaults
        count. All shards together visit as many rows as one index would.
        """
        if self.scan == "single":
            return {"ef_search": str(width), "iterative_scan": "off"}
        most = self.max_scan_tuples or max(SCAN_TUPLES, 2 * (self.candidates or 0))
        part = -(-most // (shards or 1))
        return {
            "ef_search": str(width),
            "iterative_scan": "relaxed_order",
            "max_scan_tuples": str(part),
            "scan_mem_multiplier": str(scan_memory(part)),
        }

    def wider(
        self, candidates: int, ef_search: int, rerank: int | None = None
    ) -> "Effort":
        """The same search with other numbers, and a scan that brings so many rows."""
        goes_on = self.scan == "iterative"
        candidates = max(candidates, self.limit)
        ef_search = max(ef_search, min(candidates, MAX_EF_SEARCH))
        return replace(
            self,
            candidates=candidates,
            ef_search=ef_search,
            # only rows that were read can be handed on
            rerank=rerank and max(rerank, self.limit),
            scan=_scan(candidates, goes_on),
        )


def scan_memory(visited: int) -> int:
    """How many times `work_mem` a scan needs to visit so many rows."""
    return min(-(-visited // TUPLES_IN_WORK_MEM), MAX_SCAN_MEMORY)


def candidates_read(candidates: int, rerank: int | None) -> str:
    """`300 candidates (60 read)`, or `160 candidates` if all are read."""
    return f"{candidates} candidates" + (f" ({rerank} read)" if rerank else "")


def default_candidates(k: int) -> int:
    """Candidates if the caller gives none: 160, or 8 k if that is more."""
    return min(max(SAFE_CANDIDATES, 8 * k), MAX_ROWS)


def decide_effort(
    options: SearchOptions, *, goes_on: bool, promise: Promise | None = None
) -> Effort:
    """Candidates and settings, from the promise if there is one, else from the options.

    An `ef_search` of the options replaces the promise's, unless exact search was
    promised, which has neither. `goes_on`: the scan continues
    past ef_search if that brings too few rows. Raises InvalidSetting.
    """
    if promise is None:
        return _effort(options, options.candidates, options.ef_search, goes_on)
    if promise.candidates is None:
        options = replace(options, exact=True)
    ef_search = options.ef_search or promise.ef_search
    effort = _effort(options, promise.candidates, ef_search, goes_on)
    return replace(effort, rerank=promise.rerank)


def promised_effort(options: SearchOptions) -> Effort:
    """The effort of a statement that reads the calibration itself.

    Raises InvalidSetting.
    """
    most = max(MOST_PROMISED, SAFEST * options.k)
    chosen = _effort(options, most, options.ef_search, goes_on=True)
    return replace(chosen, recall=options.recall, quantile=options.quantile)


def _effort(
    options: SearchOptions,
    candidates: int | None,
    ef_search: int | None,
    goes_on: bool,
) -> Effort:
    if options.exact:
        candidates = ef_search = None
    else:
        candidates = candidates or default_candidates(options.k)
        ef_search = ef_search or min(candidates, MAX_EF_SEARCH)
        # of several parts the scans go on, each as far as it is worth it
        least = 1 if options.searches_parts else min(candidates, MAX_EF_SEARCH)
        _check_breadth(options.k, candidates, ef_search, least)
        _check_rerank(options.k, candidates, options.rerank)
    return Effort(
        k=options.k,
        candidates=candidates,
        ef_search=ef_search,
        scan=_scan(candidates, goes_on),
        max_scan_tuples=options.max_scan_tuples,
        rerank=None if options.exact else options.rerank,
    )


def rows_to_fetch(options: SearchOptions, fetch: int | None, least: int) -> int:
    """How many rows to choose k from: `fetch`, or `least`, or 4 k if that is more.

    Without a `fetch` no more than the candidates that the caller gave, and those that
    are read. Raises InvalidSetting for a `fetch` that does not fit.
    """
    k, limits = options.k, [n for n in (options.candidates, options.rerank) if n]
    if fetch is None:
        return max(k, min([max(least, 4 * k), *limits]))
    rows = check_count("fetch", fetch)
    if rows < k:
        raise InvalidSetting(
            f"fetch={rows} is below k={k}: the k answers are chosen from so many rows; "
            "raise fetch or leave it out"
        )
    if limits and rows > min(limits):
        raise InvalidSetting(
            f"fetch={rows} is above the {min(limits)} rows that this search reads in "
            "full: raise candidates or rerank, or lower fetch"
        )
    return rows


def check_kind(options: SearchOptions, layout: IndexLayout) -> None:
    """Raise InvalidSetting for a `rerank` on an index that the caller described so.

    An index that stands in for it, or that is in use of a column, reads all candidates.
    """
    if options.rerank is None or options.exact or has_bits(layout):
        return
    raise InvalidSetting(
        f"rerank={options.rerank} is for kind bit, and {layout} is not: the first pass "
        "of other kinds finds candidates in their best order; leave rerank out, or "
        f"give candidates={options.rerank} with a larger ef_search"
    )


def check_size(options: SearchOptions, layout: IndexLayout) -> None:
    """Raise InvalidSetting for a size or kind beside an index, which has its own."""
    for field in ("dims", "kind"):
        if (value := getattr(options, field)) is not None:
            raise InvalidSetting(
                f"{field}={value!r} chooses among the indexes of a column, and this is "
                f"a search of {layout}: leave it out, or search "
                f"MatryoshkaColumn({layout.table!r}, {layout.column!r})"
            )


def has_bits(layout: IndexLayout) -> bool:
    """Whether short values are sign bits."""
    return KINDS[layout.kind].stored == "bits"


def _check_rerank(k: int, candidates: int, rerank: int | None) -> None:
    if rerank is None:
        return
    if rerank < k:
        raise InvalidSetting(
            f"rerank={rerank} is below k={k}: a search can return only rows that it "
            "read in full; raise rerank or leave it out"
        )
    if rerank > candidates:
        raise InvalidSetting(
            f"rerank={rerank} is above candidates={candidates}: only candidates are "
            "read in full; raise candidates or lower rerank"
        )


def _check_breadth(k: int, candidates: int, ef_search: int, least: int) -> None:
    if candidates < k:
        raise InvalidSetting(
            f"candidates={candidates} is below k={k}: the second pass can answer "
            "only rows that the first hands over; raise candidates"
        )
    if ef_search < least:
        raise InvalidSetting(
            f"ef_search={ef_search} is below candidates={candidates}: the index "
            "would return fewer rows without an error; raise ef_search or leave it out"
        )


def _scan(candidates: int | None, goes_on: bool) -> Scan:
    if candidates is None:
        return "exact"
    return "iterative" if goes_on or candidates > MAX_EF_SEARCH else "single"
