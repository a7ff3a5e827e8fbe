"""A result as text for a terminal."""

from collections.abc import Callable, Iterator, Sequence

from mrl_pg.bench.front import FrontPoint, Spread, rates_at, ratio_at
from mrl_pg.bench.result import TARGETS, BenchEntry, BenchResult, ours, single
from mrl_pg.bench.writes import Changed
from mrl_pg.recall.score import three_digits

NONE = "-"
Points = Sequence[FrontPoint]


def text(result: BenchResult) -> str:
    """The whole result, section by section."""
    return "\n\n".join(part for part in _parts(result) if part)


def _parts(result: BenchResult) -> Iterator[str]:
    about, entries = result.about, result.entries
    yield _heading(about)
    yield _costs(entries)
    ks = [k for entry in entries[:1] for k in entry.fronts]
    for k in ks:
        yield _fronts(
            f"Searches per second at a recall, k = {k}, one client",
            entries,
            lambda entry, k=k: entry.fronts.get(k, ()),  # type: ignore[misc]
        )
        yield _ratios(entries, k)
    yield _clients(entries)
    for percent in sorted({p for entry in entries for p in entry.filtered})[::-1]:
        yield _fronts(
            f"Searches per second at a recall, {percent:g} % of the rows pass a filter",
            entries,
            lambda entry, p=percent: entry.filtered.get(p, ()),  # type: ignore[misc]
        )
    yield _writes(entries)
    yield _memory(entries)
    yield _said("Took no part", result.skipped)
    yield _said("Not measured", result.left_out)


def _heading(about: dict[str, object]) -> str:
    request = about["request"]
    assert isinstance(request, dict)
    return (
        f"{about['corpus']}: {about['rows']:,} rows of {about['dims']} dimensions, "
        f"{about['queries']} queries that are no rows, {about['distance']}; "
        f"m {request['m']}, ef_construction {request['ef_construction']}, "
        f"storage {request['storage']}"
    )


def _costs(entries: Sequence[BenchEntry]) -> str:
    rows = [
        (
            entry.name,
            f"{entry.costs.load_seconds:.1f}" if entry.costs.load_seconds else NONE,
            f"{entry.costs.build_seconds:.1f}",
            _megabytes(entry.costs.index_bytes),
            _megabytes(entry.costs.heap_bytes),
        )
        for entry in entries
    ]
    return grid(("", "load s", "build s", "index MB", "rows MB"), rows)


def _fronts(
    title: str, entries: Sequence[BenchEntry], points: Callable[[BenchEntry], Points]
) -> str:
    rows = []
    for entry in entries:
        some = points(entry)
        if some:
            best = max(point.recall.mean for point in some)
            rates = [rates_at(some, target) for target in TARGETS]
            cells = (NONE if rate is None else _rate(rate) for rate in rates)
            rows.append((entry.name, *cells, three_digits(best)))
    heads = ("", *(three_digits(target)[:-1] for target in TARGETS), "best recall")
    return f"{title}\n{grid(heads, rows)}" if rows else ""


def _ratios(entries: Sequence[BenchEntry], k: int) -> str:
    """The fastest of mrl_pg against the fastest single pass, and the others."""
    rows = []
    for entry in entries:
        if entry in ours(entries):
            continue
        cells = []
        for target in TARGETS:
            found = best_ratio(ours(entries), [entry], k, target)
            cells.append(NONE if found is None else str(found[1]))
        rows.append((entry.name, *cells))
    if not ours(entries) or not rows:
        return ""
    heads = ("", *(three_digits(target)[:-1] for target in TARGETS))
    return (
        f"How many times faster the better index of mrl_pg is at the same recall, "
        f"k = {k}:\nmedian of the rounds, and their range\n{grid(heads, rows)}"
    )


def best_ratio(
    first: Sequence[BenchEntry], second: Sequence[BenchEntry], k: int, target: float
) -> tuple[tuple[str, str], Spread] | None:
    """The fastest of some against the fastest of others, at a recall."""
    fastest = [_fastest(some, k, target) for some in (first, second)]
    one, other = fastest
    if one is None or other is None:
        return None
    ratio = ratio_at(one.fronts[k], other.fronts[k], target)
    return None if ratio is None else ((one.name, other.name), ratio)


def _fastest(entries: Sequence[BenchEntry], k: int, target: float) -> BenchEntry | None:
    rated = []
    for entry in entries:
        rates = rates_at(entry.fronts.get(k, ()), target)
        if rates is not None:
            rated.append((Spread.of(rates).median, entry))
    return max(rated, key=lambda pair: pair[0])[1] if rated else None


def summary(result: BenchResult, target: float, k: int) -> str:
    """One sentence: the best of mrl_pg against the best single pass of pgvector."""
    entries = result.entries
    found = best_ratio(ours(entries), single(entries), k, target)
    if found is None:
        return f"At recall {three_digits(target)[:-1]} there is nothing to compare."
    (one, other), ratio = found
    word = "slower" if ratio.median < 1 else "faster"
    times = ratio if ratio.median >= 1 else Spread(*_inverse(ratio))
    return (
        f"At recall {three_digits(target)[:-1]}, {one} is {times} times {word} than "
        f"{other}, the best single pass."
    )


def _inverse(ratio: Spread) -> tuple[float, float, float]:
    return 1 / ratio.median, 1 / ratio.high, 1 / ratio.low


def _clients(entries: Sequence[BenchEntry]) -> str:
    rows = [
        (
            entry.name if i == 0 else "",
            str(point.effort) if i == 0 else "",
            three_digits(point.recall) if i == 0 else "",
            str(point.clients),
            _rate(point.rates),
            *(f"{ms:.2f}" for ms in (point.p50_ms, point.p95_ms, point.p99_ms)),
        )
        for entry in entries
        for i, point in enumerate(entry.clients)
    ]
    heads = ("", "effort", "recall", "clients", "searches/s", "p50 ms", "p95", "p99")
    return f"Several clients at once\n{grid(heads, rows)}" if rows else ""


def _writes(entries: Sequence[BenchEntry]) -> str:
    rows = []
    for entry in entries:
        done, updated, deleted = entry.inserts, entry.updated, entry.deleted
        if done is None and updated is None and deleted is None:
            continue
        rows.append(
            (
                entry.name,
                NONE if done is None else f"{done.per_second:.0f}",
                NONE if updated is None else f"{updated.writes.per_second:.0f}",
                *_after(entry, updated),
                *_after(entry, deleted),
            )
        )
    after = ("recall after updates", "searches/s", "after deletes", "searches/s")
    heads = ("", "inserts/s", "updates/s", *after)
    title = "With this index alone, in one transaction"
    return f"{title}\n{grid(heads, rows)}" if rows else ""


def _after(entry: BenchEntry, changed: Changed | None) -> tuple[str, str]:
    """Recall and rate of an effort before changes and after them."""
    if changed is None:
        return NONE, NONE
    front = next(iter(entry.fronts.values()))
    effort, after = changed.point.effort, changed.point
    before = next(point.recall.mean for point in front if point.effort == effort)
    return (
        f"{three_digits(before)} to {three_digits(after.recall.mean)}",
        f"{changed.before:.0f} to {after.rate.median:.0f}",
    )


def _memory(entries: Sequence[BenchEntry]) -> str:
    known = {each.share: each.limit_bytes for e in entries for each in e.memory}
    shares = sorted(known)
    rows = [
        (
            entry.name,
            *(
                next(
                    (
                        _rate(each.point.rates)
                        for each in entry.memory
                        if each.share == share
                    ),
                    NONE,
                )
                for share in shares
            ),
            three_digits(entry.memory[0].point.recall.mean),
        )
        for entry in entries
        if entry.memory
    ]
    heads = ("", *(f"{s:.0%}: {known[s] / 1e6:.0f} MB" for s in shares), "recall")
    title = (
        "Searches per second with less memory for the server, as shares of what the "
        "best\nsingle pass and its rows take"
    )
    return f"{title}\n{grid(heads, rows)}" if rows else ""


def _said(title: str, some: Sequence[tuple[str, str]]) -> str:
    if not some:
        return ""
    return "\n".join([f"{title}:", *(f"  {name}: {why}" for name, why in some)])


def _rate(rates: Sequence[float]) -> str:
    rate = Spread.of(rates).median
    return f"{rate:.0f}" if rate >= 10 else f"{rate:.1f}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.0f}" if size >= 1e7 else f"{size / 1e6:.1f}"


def grid(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lines with columns of equal width; all but the first end at the right."""
    every = [heads, *rows]
    widths = [max(len(line[i]) for line in every) for i in range(len(heads))]
    lines = []
    for line in every:
        first, *rest = (
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        lines.append("  ".join([first, *rest]).rstrip())
    return "\n".join(lines)
