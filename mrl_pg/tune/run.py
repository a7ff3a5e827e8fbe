"""`tune`: reads, predicts, tries what could win, recommends; changes nothing."""

from collections.abc import Sequence
from os import PathLike

from mrl_pg import arguments
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange import Conn, cursors
from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.kinds import KINDS, Distance, Kind, Stored
from mrl_pg.layout import IndexLayout
from mrl_pg.models import find, ladder
from mrl_pg.search.options import check_count
from mrl_pg.tune.advice.examples import columns_to_show, examples, to_show
from mrl_pg.tune.advice.recommend import recommend
from mrl_pg.tune.in_thread import beside
from mrl_pg.tune.option import Goal
from mrl_pg.tune.predict.cost_model import scaled
from mrl_pg.tune.predict.shortlist import EVERY_KIND, FEWEST_BITS, could_win, options
from mrl_pg.tune.queries import from_file, from_kept, from_sql, from_vectors, held_out
from mrl_pg.tune.report import Tuning
from mrl_pg.tune.rows import table as tables
from mrl_pg.tune.rows.example_queries import Watch
from mrl_pg.tune.rows.read_rows import look
from mrl_pg.tune.rows.stream import Sample
from mrl_pg.tune.trial.scratch import check_may_create, scratch, snapshot
from mrl_pg.tune.trial.try_options import Attempt, attempt, rival_fits
from mrl_pg.vectors import VectorLike


def tune(
    conn: Conn,
    table: str,
    column: str,
    *,
    k: int = 10,
    recall: float = 0.99,
    distance: Distance = "cosine",
    schema: str = "",
    model: str | None = None,
    sizes: Sequence[int] | None = None,
    kinds: Sequence[Kind] = EVERY_KIND,
    m: int = 16,
    ef_construction: int = 64,
    plan: bool = False,
    tries: int = 3,
    rival: bool | None = None,
    storage: bool | None = None,
    sample: int = 500,
    queries: Sequence[VectorLike] | None = None,
    queries_file: "str | PathLike[str] | None" = None,
    queries_sql: str | None = None,
    real_queries: bool = False,
    sample_rows: int = 200_000,
    seed: int = 0,
    show: Sequence[str] = (),
    progress: OnProgress | None = None,
) -> Tuning:
    """The best size, kind and settings for the rows of a table, with what they rest on.

    Reads at most about `sample_rows` rows once and works out the recall of every kind
    and size (`sizes`, or those of `model`, or `models.ladder`). Unless `plan`, builds
    the `tries` that could win on a copy of those rows, and beside them one pass over
    full vectors (`rival`; default: if its index fits `effective_cache_size`). Where
    they are in TOAST and fit the row, the best settings are timed both ways, on a
    second copy (`storage`; default: if it takes 2 GB at most). All in one transaction
    that is rolled back: the table is not written to, nothing stays.

    The queries are vectors (`queries`), or at most `sample` of a file that
    `mrl_pg.load` reads, the first `sample` that `queries_sql` selects, or with
    `real_queries` those that `MatryoshkaIndex.keep_query` kept. Without any of these,
    `sample` rows are held out. Examples name rows by primary key; `show` adds columns
    to that. `progress` is called with a `Progress` as the work goes on.

    Raises InvalidSetting and InvalidVector for what cannot be asked, InvalidFile, and
    what `known_facts` raises. The connection must be in no transaction.
    """
    goal = Goal(k, recall, distance, m, ef_construction)
    layout = IndexLayout(
        table,
        column,
        dims=1,
        distance=distance,
        m=m,
        ef_construction=ef_construction,
        schema=schema,
    )
    cursors.check(conn, waits=False)
    kinds = _kinds(kinds)
    tries, sample, sample_rows, seed = _counts(tries, sample, sample_rows, seed)
    plan, real_queries = (
        arguments.flag("plan", plan),
        arguments.flag("real_queries", real_queries),
    )
    rival = None if rival is None else arguments.flag("rival", rival)
    storage = None if storage is None else arguments.flag("storage", storage)
    show = (show,) if isinstance(show, str) else arguments.names("show", show)
    sizes = None if sizes is None else _sizes(sizes)
    progress = _silent if progress is None else progress
    arguments.check_callable("progress", progress)
    if queries_file is not None:
        arguments.check_path("queries_file", queries_file)
    if queries_sql is not None:
        arguments.check_text("queries_sql", queries_sql)
    given = [each is not None for each in (queries, queries_file, queries_sql)]
    if sum([*given, real_queries]) > 1:
        raise InvalidSetting(
            "queries are vectors, or come from a file, from a statement, or are the "
            "real ones that were kept: give one of them"
        )
    published = _published(model, sizes)
    with snapshot(conn):
        facts, known = tables.read(conn, layout)
        shown = columns_to_show(facts, show)
        if not plan:
            check_may_create(known)
        if published is not None:
            # of a column that holds prefixes already, none may be shorter
            short = [size for size in published if size < facts.full_dims]
            sizes = short or [facts.full_dims]
        forms = forms_of(sizes, facts.full_dims)
        if queries is not None:
            asked = from_vectors(queries, facts.full_dims)
        elif queries_file is not None:
            asked = from_file(
                queries_file, column, facts.full_dims, count=sample, seed=seed
            )
        elif queries_sql is not None:
            asked = from_sql(conn, facts, queries_sql, count=sample)
        elif real_queries:
            asked = from_kept(conn, facts, column, count=sample, seed=seed)
        else:
            asked = held_out(
                conn, facts, column, rows=known.rows, count=sample, seed=seed
            )
        drawn = Sample.of(known.rows, sample_rows, seed)
        watch = Watch(asked, forms, k, distance, seed)
        found, judgement, read = look(
            conn, facts, known, column, goal, drawn, asked, forms, watch, progress
        )
        predicted = options(
            found.curves,
            known,
            goal,
            kinds=kinds,
            share=read.share,
            growth=read.growth,
        )
        tried = Attempt()
        if not plan:
            picked = could_win(predicted, tries)
            full = rival_fits(known, goal) if rival is None else rival
            with scratch(conn, facts, known, goal) as place:
                tried = attempt(
                    place, column, drawn, asked, found, picked, full, storage, progress
                )
            seconds = {one.name: one.seconds for one in tried.built}
            predicted = scaled(predicted, seconds, found.rows, goal)
        advice = recommend(
            layout,
            known,
            goal,
            read.share,
            judgement,
            predicted,
            tried.points,
            tried.storage,
        )
        # as long as the snapshot is, places are those of the rows that were read
        sizes_shown = to_show(predicted, advice, [one.name for one in tried.built])
        told = examples(conn, facts, shown, watch, sizes_shown)
    return Tuning(
        known,
        column,
        goal,
        read,
        judgement,
        tuple(found.curves),
        predicted,
        tried.built,
        tried.points,
        advice,
        told,
        tried.storage,
    )


@beside(tune)
def tune_async() -> None:
    """The same beside an event loop: in a thread, on a second connection like `conn`.

    Most of it is arithmetic, which would keep the loop waiting. The second connection
    is a new session: give `schema` if this one has a search path of its own. `progress`
    is called from the thread.
    """


def _silent(_progress: Progress) -> None:
    """Tell nobody."""


def _kinds(kinds: Sequence[Kind]) -> tuple[Kind, ...]:
    """The kinds, each once there; raises InvalidSetting."""
    chosen = arguments.names("kinds", kinds)
    if not chosen or any(kind not in KINDS for kind in chosen):
        raise InvalidSetting(f"kinds={list(chosen)}: choose from {', '.join(KINDS)}")
    return tuple(kind for kind in KINDS if kind in chosen)


def _counts(
    tries: int, sample: int, sample_rows: int, seed: int
) -> tuple[int, int, int, int]:
    """How many of each, and where chance begins; raises InvalidSetting."""
    return (
        check_count("tries", tries),
        check_count("sample", sample),
        check_count("sample_rows", sample_rows),
        arguments.check_whole("seed", seed, 0, 2**63 - 1, "a random generator"),
    )


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
    """What to look at: prefixes, and their signs; of the whole vector its signs."""
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
