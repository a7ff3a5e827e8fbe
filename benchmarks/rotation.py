"""Which rotation makes the prefixes of a model's vectors find most.

    python benchmarks/rotation.py ROWS.npy --queries QUERIES.npy
    python benchmarks/rotation.py ROWS.npy                        # rows as queries
    python benchmarks/rotation.py ROWS.npy --mix                  # a model in no order

In NumPy alone. Rows are drawn at random into three parts that share none: rows to fit,
rows to search, and, without --queries, 500 rows as queries. A second part of the
queries, if there are enough, is only for the rotations that are fitted on queries. For
each way to fit, the script prints the share of the true ten nearest rows (cosine, full
vectors) that an exact search of the prefix has among its first 40: the most that a
first pass with 40 candidates can find. Then the same for sign bits, and for PCA fitted
on fewer and on more rows. --mix first turns all vectors by a random rotation, which
keeps every distance and destroys the order of the dimensions.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mrl_pg.rotation import Provenance, Rotation, fit

Floats = NDArray[np.float32]
Wide = NDArray[np.float64]

K, CANDIDATES = 10, 40
QUERIES = 500
FIT_SIZES = (100, 200, 500, 1000, 2000, 5000)
TEMPERATURE = 0.05
STEPS, BATCH, RATE = 150, 192, 0.02


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", type=Path, help=".npy of shape (rows, dims)")
    parser.add_argument("--queries", type=Path, help="a second .npy: no rows of these")
    parser.add_argument("--fit", type=int, default=500, help="rows to fit (500)")
    parser.add_argument("--sizes", type=int, nargs="+", help="prefixes to measure")
    parser.add_argument("--mix", action="store_true", help="first a random rotation")
    parser.add_argument("--no-train", action="store_true", help="without the gradient")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    random = np.random.default_rng(args.seed)
    given = unit(np.load(args.rows))
    full = given.shape[1]
    order = random.permutation(len(given))
    pool = order[: min(max(FIT_SIZES), len(given) // 3)]
    rest = order[len(pool) :]
    if args.queries is None:
        asked, rest = given[rest[:QUERIES]], rest[QUERIES:]
        known = np.empty((0, full), np.float32)
    else:
        drawn = unit(np.load(args.queries))[
            random.permutation(len(np.load(args.queries)))
        ]
        known, asked = drawn[: len(drawn) // 3], drawn[len(drawn) // 3 :]
    corpus, to_fit = given[rest], given[pool]
    if args.mix:
        mixing = random_rotation(full, random)
        corpus, to_fit = corpus @ mixing, to_fit @ mixing
        asked, known = asked @ mixing, known @ mixing
    sizes = args.sizes or [
        s for s in (16, 32, 64, 128, 256, 384, 512) if s <= full // 2
    ]
    print(
        f"{args.rows.name}: {len(corpus):,} rows of {full} dimensions to search, "
        f"{len(asked)} queries, fitted on {args.fit} of {len(to_fit):,} other rows"
    )
    bench = Bench(corpus, asked, sizes)
    some = to_fit[: args.fit]
    ways: dict[str, Callable[[], Wide | Floats]] = {
        "as they are": lambda: np.eye(full),
        "random rotation": lambda: random_rotation(full, random).T,
        "PCA, not centred": lambda: fit(some).matrix,
        "PCA, centred": lambda: principal(some - some.mean(axis=0)),
        "PCA, the mean first": lambda: mean_first(some),
    }
    if len(known):
        ways["PCA, rows and queries"] = lambda: principal(rows_and_queries(some, known))
        ways["PCA, rows as queries see them"] = lambda: seen_by(some, known)
    if not args.no_train:
        ways["trained by gradient"] = lambda: trained(some, sizes, random)
        if args.fit < len(to_fit):
            ways[f"trained, {len(to_fit):,} rows"] = lambda: trained(
                to_fit, sizes, random
            )
    ways[f"PCA, {len(to_fit):,} rows"] = lambda: fit(to_fit).matrix
    print(f"\nvalues{'':26}" + "".join(f"{size:>8}" for size in sizes) + "  seconds")
    for name, way in ways.items():
        start = time.perf_counter()
        matrix = checked(way())
        seconds = time.perf_counter() - start
        print(f"{name:32}{bench.values(matrix)}{seconds:>9.1f}", flush=True)
    wide = [*sizes, full]
    signs: dict[str, Callable[[], Wide | Floats]] = {
        "as they are": lambda: np.eye(full),
        "PCA, not centred": lambda: fit(some).matrix,
        "PCA, then random in blocks": lambda: within_blocks(
            fit(some).matrix, sizes, random
        ),
        "PCA, then ITQ in blocks": lambda: within_blocks(
            fit(some).matrix, sizes, random, some
        ),
        "random rotation": lambda: random_rotation(full, random).T,
        "ITQ": lambda: itq(some, np.eye(full), random),
    }
    print(f"\nsigns{'':27}" + "".join(f"{size:>8}" for size in wide))
    for name, way in signs.items():
        print(f"{name:32}{bench.signs(checked(way()), wide)}", flush=True)
    print(f"\nPCA, rows fitted{'':16}" + "".join(f"{size:>8}" for size in sizes))
    for count in FIT_SIZES:
        if count <= len(to_fit):
            matrix = fit(to_fit[:count]).matrix
            print(f"{count:<32,}{bench.values(matrix)}", flush=True)


# -------------------------------------------------------------------- measuring


class Bench:
    """Rows, queries and the true nearest rows of each query."""

    def __init__(self, rows: Floats, queries: Floats, sizes: Sequence[int]) -> None:
        """Find the true rows, by cosine of full vectors."""
        self.rows, self.queries, self.sizes = rows, queries, sizes
        self.true = first(queries @ rows.T, K)

    def values(self, matrix: Floats) -> str:
        """Shares found by the prefixes of rotated rows, as cells."""
        rows, queries = self.rows @ matrix.T, self.queries @ matrix.T
        return "".join(
            self._cell(unit(queries[:, :size]) @ unit(rows[:, :size]).T)
            for size in self.sizes
        )

    def signs(self, matrix: Floats, sizes: Sequence[int]) -> str:
        """Shares found by the sign bits of rotated rows, as cells."""
        rows, queries = (
            np.where(vectors @ matrix.T > 0, np.float32(1), np.float32(-1))
            for vectors in (self.rows, self.queries)
        )
        return "".join(
            self._cell(queries[:, :size] @ rows[:, :size].T) for size in sizes
        )

    def _cell(self, scores: Floats) -> str:
        found = first(scores, CANDIDATES)
        hits = (found[:, :, None] == self.true[:, None, :]).any(axis=1)
        return f"{hits.mean():>8.3f}"


def first(scores: Floats, count: int) -> NDArray[np.intp]:
    """The places of the highest scores, (queries, count), in no order."""
    return np.argpartition(-scores, count, axis=1)[:, :count]


def unit(vectors: NDArray[np.floating]) -> Floats:
    """Rows of length 1; zero stays."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Floats = (vectors / np.maximum(lengths, 1e-30)).astype(np.float32)
    return scaled


def checked(matrix: NDArray[np.floating]) -> Floats:
    """The matrix, which has to be a rotation."""
    return Rotation(matrix.astype(np.float32), Provenance("benchmark", 0)).matrix


# ------------------------------------------------------------------ ways to fit


def principal(rows: NDArray[np.floating]) -> Wide:
    """Axes of the second moments, one a row."""
    wide = rows.astype(np.float64)
    axes: Wide = np.linalg.eigh(wide.T @ wide)[1].T[::-1]
    return axes


def mean_first(rows: Floats) -> Wide:
    """The direction of the mean, then the axes of what is at right angles to it."""
    mean = unit(rows.mean(axis=0, keepdims=True)).astype(np.float64)
    mean /= np.linalg.norm(mean)
    axes = principal(rows - (rows @ mean.T) @ mean)
    # also of few rows, which leave many axes open, all at right angles
    both: Wide = np.linalg.qr(np.vstack([mean, axes]).T)[0].T
    return both


def rows_and_queries(rows: Floats, queries: Floats) -> Floats:
    """Both, with the same total length."""
    return np.vstack([rows, queries * np.sqrt(len(rows) / len(queries))])


def seen_by(rows: Floats, queries: Floats) -> Wide:
    """Axes of the rows weighted by what queries hold of each direction.

    The best axes for inner products of these queries with these rows are those of
    the product of both second moments; here its symmetric part, so that the matrix
    stays orthogonal.
    """
    of_rows, of_queries = (v.T.astype(np.float64) @ v / len(v) for v in (rows, queries))
    both = of_rows @ of_queries
    axes: Wide = np.linalg.eigh(both + both.T)[1].T[::-1]
    return axes


def trained(rows: Floats, sizes: Sequence[int], random: np.random.Generator) -> Wide:
    """An orthogonal matrix trained so that prefixes order rows as full vectors do.

    Starts from PCA. The loss is, for each size, the divergence between the neighbours
    of a row by full cosine and by the prefix's cosine, both as a softmax. Each step
    follows its gradient along the rotations and comes back by a QR decomposition.
    """
    axes = principal(rows).T
    momentum = np.zeros_like(axes)
    for step in range(STEPS):
        drawn = random.choice(len(rows), min(BATCH, len(rows)), replace=False)
        batch = rows[drawn].astype(np.float64)
        wanted = softmax(batch @ batch.T)
        turned = batch @ axes
        gradient = np.zeros_like(turned)
        for size in sizes:
            part = turned[:, :size]
            lengths = np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-9)
            short = part / lengths
            error = (softmax(short @ short.T) - wanted) / len(batch) / TEMPERATURE
            slope = (error + error.T) @ short
            slope -= (slope * short).sum(axis=1, keepdims=True) * short
            gradient[:, :size] += slope / lengths
        downhill = batch.T @ gradient
        # only the part that turns, not the part that stretches
        downhill -= axes @ (downhill.T @ axes + axes.T @ downhill) / 2
        momentum = 0.9 * momentum + downhill
        rate = RATE * (1 - step / STEPS) / max(1e-9, np.abs(momentum).max())
        axes, upper = np.linalg.qr(axes - rate * momentum)
        axes *= np.sign(np.diag(upper))
    result: Wide = axes.T
    return result


def softmax(cosines: Wide) -> Wide:
    """Shares of neighbours in each row, without the row itself."""
    scaled = cosines / TEMPERATURE
    np.fill_diagonal(scaled, -np.inf)
    scaled = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shares: Wide = scaled / scaled.sum(axis=1, keepdims=True)
    return shares


def random_rotation(full: int, random: np.random.Generator) -> Floats:
    """A rotation that puts nothing first."""
    drawn: Floats = np.linalg.qr(random.standard_normal((full, full)))[0].astype(
        np.float32
    )
    return drawn


def within_blocks(
    matrix: Floats,
    sizes: Sequence[int],
    random: np.random.Generator,
    rows: Floats | None = None,
) -> Floats:
    """The matrix, turned within each block between two sizes, which keeps prefixes.

    Turned at random, or by ITQ on `rows`.
    """
    ends = [0, *sizes, len(matrix)]
    parts = []
    for start, end in pairwise(ends):
        axes = matrix[start:end]
        if rows is None:
            parts.append(random_rotation(end - start, random) @ axes)
        else:
            values = rows @ axes.T
            parts.append(itq(values, np.eye(end - start), random) @ axes)
    return np.vstack(parts)


def itq(rows: Floats, axes: Wide, random: np.random.Generator) -> Wide:
    """Iterative quantization (Gong and Lazebnik, 2011): values near their signs."""
    turn = random_rotation(rows.shape[1], random).astype(np.float64)
    values = rows @ axes.T
    for _ in range(30):
        signs = np.where(values @ turn > 0, 1.0, -1.0)
        left, _, right = np.linalg.svd(signs.T @ values)
        turn = (left @ right).T
    result: Wide = turn.T @ axes
    return result


if __name__ == "__main__":
    main()
