"""Compare, per size, a Matryoshka model with what one does without one, in PostgreSQL.

    pip install 'mrl_pg[cli,embedded,train]'
    python benchmarks/models.py --pairs arxiv.jsonl --anchor title --positive text \\
        --work models

Static models (a vector for each word, whose mean is the vector of a text) are trained
on the same pairs, in as many steps: one with a Matryoshka loss, one at the full size
alone (`ordinary`), and one at each short size alone (`separate`). Then each short form
gets a table, a short column and its HNSW index:

- prefixes and sign bits of the Matryoshka model
- its vectors after a rotation by PCA, and after a random rotation
- prefixes of the ordinary model: as they are, after a rotation by PCA, and after a
  projection that `mrl-pg train` fits; and its sign bits
- the vectors of the separate models; their candidates are ranked again by full vectors
  of the ordinary model, which are stored beside them

Queries are anchors that no model learnt from. `short` is the share of the ten nearest
rows by full vectors among the first ten of the short index, `two` among the ten that
two passes answer. `hits` is the share of queries whose own document is among the ten:
of the short pass, and of two passes. The last lines are indexes of full vectors.

`--exact` searches in NumPy instead, exactly and without a server, which takes a minute.
`--work` keeps the trained models and the lines that are measured, so that the same
command goes on after an interruption. Without `--pairs`, words and glosses of the
demo's WordNet.
"""

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psycopg
from numpy.typing import NDArray

import mrl_pg
from mrl_pg import MatryoshkaIndex
from mrl_pg.bench.own_server import own_server
from mrl_pg.demo.corpus import glosses
from mrl_pg.embed import Projection, SentenceTransformerModel
from mrl_pg.kinds import Kind
from mrl_pg.load import load_blocks
from mrl_pg.recall.score import three_digits
from mrl_pg.recall.truth import nearest
from mrl_pg.rotation import fit as fit_rotation
from mrl_pg.train import (
    Nesting,
    Pairs,
    PairVectors,
    Schedule,
    read_pairs,
    train_model,
    train_projection,
)
from mrl_pg.train.pairs import parted
from mrl_pg.vectors import normalise

Floats = NDArray[np.float32]

K = 10
EF_SEARCH = 200
"""Wide enough that the graph loses little, because short forms are compared here."""

WORD = r"[a-z]+|[0-9]+"


@dataclass(frozen=True, slots=True)
class Texts:
    """Pairs, the documents of the table, and queries, whose answers come first."""

    pairs: Pairs
    documents: list[str]
    queries: list[str]


@dataclass(frozen=True, slots=True)
class ShortForm:
    """What one short form finds, and the size of its index.

    Of full vectors there is one pass only, so `two` is that of the index itself.
    """

    model: str
    form: str
    dims: int
    bytes: int
    short: float
    two: float | None
    short_hits: float
    two_hits: float | None
    index_mb: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Full:
    """Vectors of queries and documents, and the true rows of each query."""

    queries: Floats
    documents: Floats
    true: NDArray[np.int64]

    @classmethod
    def of(cls, vectors: tuple[Floats, Floats]) -> "Full":
        """Two matrices, searched exactly."""
        queries, documents = (normalise(each) for each in vectors)
        return cls(queries, documents, nearest(documents, queries, k=K).rows)


def main() -> None:
    """Train, load, search, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=Path, help=".jsonl, .csv or .parquet")
    parser.add_argument("--anchor", default="anchor")
    parser.add_argument("--positive", default="positive")
    parser.add_argument("--learn", type=int, default=40_000, help="pairs to use")
    parser.add_argument("--rows", type=int, default=20_000, help="rows of the table")
    parser.add_argument("--queries", type=int, default=1000, help="not learnt from")
    parser.add_argument("--asked", type=int, help="of these, by default all")
    parser.add_argument("--words", type=int, default=100, help="words of a text used")
    parser.add_argument("--vocabulary", type=int, default=30_000, help="words known")
    parser.add_argument("--full", type=int, default=512)
    parser.add_argument("--sizes", default="16,32,64,128,256")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--candidates", type=int, default=40)
    parser.add_argument("--exact", action="store_true", help="without PostgreSQL")
    parser.add_argument("--work", type=Path, default=Path("models"))
    args = parser.parse_args()
    sizes = [int(size) for size in args.sizes.split(",")]
    args.work.mkdir(exist_ok=True)
    texts = read(args)
    count = len(texts.pairs)
    print(
        f"{count:,} pairs, {len(texts.documents):,} rows, {len(texts.queries)} queries"
    )
    loaded = {
        name: train(args, texts, name, nesting)
        for name, nesting in {
            "matryoshka": Nesting((*sizes, args.full)),
            "ordinary": Nesting((args.full,)),
            **{f"separate-{size}": Nesting((size,)) for size in sizes},
        }.items()
    }
    if args.exact:
        print(table(list(measure(None, args, texts, loaded, sizes, ()))))
        return
    kept = args.work / "result.jsonl"
    lines = kept.read_text().splitlines() if kept.exists() else []
    found = [ShortForm(**json.loads(line)) for line in lines]
    with own_server(18) as own, kept.open("a") as file:
        with psycopg.connect(own.url, autocommit=True) as conn:
            mrl_pg.install(conn)
            for form in measure(conn, args, texts, loaded, sizes, found):
                file.write(f"{json.dumps(asdict(form))}\n")
                file.flush()
                found.append(form)
    print(table(found))


def read(args: argparse.Namespace) -> Texts:
    """The same pairs, rows and queries each time."""
    if args.pairs:
        pairs = read_pairs(args.pairs, anchor=args.anchor, positive=args.positive)
    else:
        known = glosses()
        pairs = Pairs([row.label for row in known], [row.text for row in known], [])
    cut = [
        [" ".join(re.findall(WORD, text.lower())[: args.words]) for text in column]
        for column in (pairs.anchors, pairs.positives)
    ]
    usable = [place for place in range(len(pairs)) if cut[0][place] and cut[1][place]]
    # a document that occurs twice would have two rows and one right answer
    usable = list({cut[1][place]: place for place in usable}.values())
    drawn = np.random.default_rng(0).permutation(len(usable))[: args.learn]
    places = [usable[place] for place in drawn]
    pairs = Pairs([cut[0][p] for p in places], [cut[1][p] for p in places], [])
    parts = parted(np.arange(len(pairs)), args.queries, 0)
    others = np.concatenate([parts.choose, parts.learn])
    rows = [*parts.judge, *others[: args.rows - len(parts.judge)]]
    return Texts(
        pairs,
        [pairs.positives[row] for row in rows],
        [pairs.anchors[row] for row in parts.judge[: args.asked]],
    )


def train(
    args: argparse.Namespace, texts: Texts, name: str, nesting: Nesting
) -> tuple[Floats, Floats]:
    """Vectors of queries and documents by a model, which is trained if need be."""
    folder = args.work / name
    if not folder.exists():
        began = time.process_time()
        base = args.work / f"base-{nesting.sizes[-1]}"
        if not base.exists():
            make_base(base, texts, nesting.sizes[-1], args.vocabulary)
        train_model(
            texts.pairs,
            folder,
            model=str(base),
            nesting=nesting,
            schedule=Schedule(epochs=args.epochs, batch=args.batch),
            held_out=args.queries,
            device="cpu",
        )
        seconds = time.process_time() - began
        print(f"  {name}: trained in {seconds:.0f} s of CPU", flush=True)
    model = SentenceTransformerModel(str(folder), normalise=True, device="cpu")
    return model.embed_queries(texts.queries), model.embed_documents(texts.documents)


def make_base(folder: Path, texts: Texts, dims: int, vocabulary: int) -> None:
    """A static model with random vectors for the words of the pairs."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import StaticEmbedding
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    counted: Counter[str] = Counter()
    for text in (*texts.pairs.anchors, *texts.pairs.positives):
        counted.update(text.split())
    words = ["[UNK]", *(word for word, _ in counted.most_common(vocabulary))]
    tokenizer = Tokenizer(
        models.WordLevel(
            {word: row for row, word in enumerate(words)}, unk_token="[UNK]"
        )
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(
        Regex(WORD), behavior="removed", invert=True
    )
    random = np.random.default_rng(0).normal(size=(len(words), dims))
    static = StaticEmbedding(tokenizer, embedding_weights=random.astype(np.float32))
    SentenceTransformer(modules=[static], device="cpu").save_pretrained(str(folder))


def measure(
    conn: psycopg.Connection | None,
    args: argparse.Namespace,
    texts: Texts,
    loaded: dict[str, tuple[Floats, Floats]],
    sizes: Sequence[int],
    found: Sequence[ShortForm],
) -> Iterator[ShortForm]:
    """Every short form that is not found yet, by the server if there is one."""
    done = {(form.model, form.form, form.dims) for form in found}
    axes = np.linalg.qr(np.random.default_rng(1).normal(size=(args.full, args.full)))[0]
    random = axes.astype(np.float32)
    matryoshka, ordinary = loaded["matryoshka"], loaded["ordinary"]
    forms: dict[tuple[str, str], Callable[[], tuple[Floats, Floats]]] = {
        ("matryoshka", "prefix"): lambda: matryoshka,
        ("matryoshka", "bits"): lambda: matryoshka,
        ("matryoshka", "PCA"): lambda: rotated(matryoshka),
        ("matryoshka", "random rotation"): lambda: turned(matryoshka, random),
        ("ordinary", "prefix"): lambda: ordinary,
        ("ordinary", "bits"): lambda: ordinary,
        ("ordinary", "PCA"): lambda: rotated(ordinary),
        ("ordinary", "projection"): lambda: turned(
            ordinary, projection(args, texts, sizes).matrix
        ),
    }
    for (model, form), made in forms.items():
        kind: Kind = "bit" if form == "bits" else "halfvec"
        wanted = (*sizes, args.full) if form == "bits" else sizes
        missing = [size for size in wanted if (model, form, size) not in done]
        if not missing:
            continue
        full = Full.of(made())
        if conn is not None:
            load(conn, full.documents)
        for size in missing:
            if conn is None:
                short = cut(full.queries, size, kind), cut(full.documents, size, kind)
                yield exactly(args, short, full, model, form, size)
            else:
                yield two_passes(conn, args, full, model, form, size, kind)
    behind = Full.of(ordinary)
    for size in sizes:
        if ("separate", "all", size) not in done:
            short = loaded[f"separate-{size}"]
            yield (
                exactly(args, short, behind, "separate", "all", size)
                if conn is None
                else one_index(conn, args, short, behind, "separate", size)
            )
    for name in ("matryoshka", "ordinary"):
        if (name, "all", args.full) not in done:
            own = Full.of(loaded[name])
            yield (
                exactly(args, loaded[name], own, name, "all", args.full)
                if conn is None
                else one_index(conn, args, loaded[name], own, name, args.full)
            )


def projection(
    args: argparse.Namespace, texts: Texts, sizes: Sequence[int]
) -> Projection:
    """A projection of the ordinary model, trained on the pairs that it learnt from."""
    model = SentenceTransformerModel(
        str(args.work / "ordinary"), normalise=True, device="cpu"
    )
    pairs = PairVectors(
        model.embed_queries(texts.pairs.anchors),
        model.embed_documents(texts.pairs.positives),
        np.arange(len(texts.pairs)),
    )
    trained = train_projection(
        pairs, nesting=Nesting((*sizes, args.full)), held_out=args.queries
    )
    print(f"  projection of ordinary: {trained.report}", flush=True)
    return trained.projection


def turned(vectors: tuple[Floats, Floats], matrix: Floats) -> tuple[Floats, Floats]:
    """Queries and documents multiplied by a matrix."""
    return vectors[0] @ matrix, vectors[1] @ matrix


def rotated(vectors: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """Both after a rotation by PCA of the documents."""
    return turned(vectors, fit_rotation(vectors[1]).matrix.T)


def load(conn: psycopg.Connection, rows: Floats) -> None:
    """A new table with these vectors."""
    conn.execute("drop table if exists docs cascade")
    load_blocks(conn, rows, "docs", columns={"id": list(range(len(rows)))})


def two_passes(
    conn: psycopg.Connection,
    args: argparse.Namespace,
    full: Full,
    model: str,
    form: str,
    size: int,
    kind: Kind,
) -> ShortForm:
    """The answers over a short column of that size."""
    index = MatryoshkaIndex("docs", "embedding", dims=size, kind=kind)
    index.create(conn)
    found = []
    for candidates in (K, args.candidates):
        answers = [
            [
                int(hit.key)
                for hit in index.search(
                    conn, query, k=K, candidates=candidates, ef_search=EF_SEARCH
                )
            ]
            for query in full.queries
        ]
        found.append((shared(answers, full.true), hits(answers)))
    short = ShortForm(
        model,
        form,
        size,
        size // 8 if kind == "bit" else size * 2,
        *(found[0][0], found[1][0], found[0][1], found[1][1]),
        megabytes(conn, index.name),
    )
    index.drop(conn)
    return short


def one_index(
    conn: psycopg.Connection,
    args: argparse.Namespace,
    vectors: tuple[Floats, Floats],
    full: Full,
    model: str,
    size: int,
) -> ShortForm:
    """The answers of an index over all that a model gives; two passes if it is short.

    The second pass is exact, so it makes no difference that it is not done by SQL.
    """
    load(conn, vectors[1])
    conn.execute(
        "create index docs_one on docs using hnsw "
        f"((embedding::halfvec({size})) halfvec_cosine_ops)"
    )
    conn.execute(f"set hnsw.ef_search = {EF_SEARCH}")
    statement = (
        f"select id from docs order by embedding::halfvec({size}) <=> "
        f"%s::halfvec({size}) limit {args.candidates}"
    )
    candidates = [
        [row[0] for row in conn.execute(statement, [str(query.tolist())])]
        for query in vectors[0]
    ]
    conn.execute("reset hnsw.ef_search")
    mb = megabytes(conn, "docs_one")
    return form_of(args, candidates, full, model, "all", size, mb)


def exactly(
    args: argparse.Namespace,
    vectors: tuple[Floats, Floats],
    full: Full,
    model: str,
    form: str,
    size: int,
) -> ShortForm:
    """The answers of an exact search over short vectors, and of a second pass."""
    rows = nearest(vectors[1], vectors[0], k=args.candidates).rows
    return form_of(args, rows.tolist(), full, model, form, size, None)


def form_of(
    args: argparse.Namespace,
    candidates: Sequence[Sequence[int]],
    full: Full,
    model: str,
    form: str,
    size: int,
    mb: float | None,
) -> ShortForm:
    """What candidates hold, before and after full vectors rank them again."""
    first = [rows[:K] for rows in candidates]
    again = []
    for rows, query in zip(candidates, full.queries, strict=True):
        best = np.argsort(-(full.documents[list(rows)] @ query), kind="stable")[:K]
        again.append([rows[place] for place in best])
    alone = (form, size) == ("all", args.full)
    return ShortForm(
        *(model, form, size, size // 8 if form == "bits" else size * 2),
        shared(first, full.true),
        None if alone else shared(again, full.true),
        hits(first),
        None if alone else hits(again),
        mb,
    )


def cut(vectors: Floats, size: int, kind: Kind) -> Floats:
    """Prefixes, or signs, whose order by cosine is that of bits by Hamming distance."""
    short = vectors[:, :size]
    return np.where(short > 0, 1, -1).astype(np.float32) if kind == "bit" else short


def shared(answers: Sequence[Sequence[object]], true: NDArray[np.int64]) -> float:
    """The mean share of the true rows that the answers hold."""
    rows = zip(answers, true, strict=True)
    return float(np.mean([len({*found} & {*row.tolist()}) / K for found, row in rows]))


def hits(answers: Sequence[Sequence[object]]) -> float:
    """The share of queries whose own document, of the same number, is found."""
    return float(np.mean([number in found for number, found in enumerate(answers)]))


def megabytes(conn: psycopg.Connection, index: str) -> float:
    """The size of an index."""
    row = conn.execute(
        "select pg_relation_size(%s::regclass)", [f'"{index}"']
    ).fetchone()
    assert row is not None
    return float(row[0]) / 1e6


def table(found: Sequence[ShortForm]) -> str:
    """The figures in Markdown."""
    lines = [
        "| model | short form | dims | bytes | short | two | hits short | hits two "
        "| MB |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for form in found:
        shares = (form.short, form.two, form.short_hits, form.two_hits)
        cells = ["" if share is None else three_digits(share) for share in shares]
        mb = "" if form.index_mb is None else f"{form.index_mb:.1f}"
        named = [form.model, form.form, str(form.dims), str(form.bytes)]
        lines.append(f"| {' | '.join([*named, *cells, mb])} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
