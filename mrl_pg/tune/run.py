"""`tune`: reads, predicts, tries what could win, recommends; changes nothing."""

from collections.abc import Sequence
from os import PathLike

from mrl_pg.catalog.facts import Facts
from mrl_pg.exchange import Conn, cursors
from mrl_pg.exchange.progress import OnProgress
from mrl_pg.kinds import Distance, Kind
from mrl_pg.layout import IndexLayout
from mrl_pg.recall.nested import Nested
from mrl_pg.tune.advice.examples import columns_to_show, examples, to_show
from mrl_pg.tune.advice.recommend import recommend
from mrl_pg.tune.in_thread import in_thread
from mrl_pg.tune.option import Goal, Option
from mrl_pg.tune.predict.cost_model import scaled
from mrl_pg.tune.predict.shortlist import EVERY_KIND, could_win, options
from mrl_pg.tune.queries import Queries, choose_queries
from mrl_pg.tune.report import Tuning
from mrl_pg.tune.request import TuneRequest, silent
from mrl_pg.tune.rows import table as tables
from mrl_pg.tune.rows.example_queries import ExampleQueries
from mrl_pg.tune.rows.read_rows import read_rows
from mrl_pg.tune.rows.stream import Sample
from mrl_pg.tune.rows.table import TableFacts
from mrl_pg.tune.trial.scratch import check_may_create, scratch, snapshot
from mrl_pg.tune.trial.try_options import Trials, rival_fits, try_options
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
    request = TuneRequest(
        goal=Goal(k, recall, distance, m, ef_construction),
        layout=IndexLayout(
            table,
            column,
            dims=1,
            distance=distance,
            m=m,
            ef_construction=ef_construction,
            schema=schema,
        ),
        model=model,
        sizes=sizes,
        kinds=kinds,
        plan=plan,
        tries=tries,
        rival=rival,
        storage=storage,
        sample=sample,
        queries=queries,
        queries_file=queries_file,
        queries_sql=queries_sql,
        real_queries=real_queries,
        sample_rows=sample_rows,
        seed=seed,
        show=show,
        progress=silent if progress is None else progress,
    )
    cursors.check(conn, waits=False)
    with snapshot(conn):
        return _tune(conn, request)


def _tune(conn: Conn, request: TuneRequest) -> Tuning:
    """The five steps, in one transaction: places are those of the rows it reads."""
    goal, column = request.goal, request.layout.column
    facts, known = tables.read(conn, request.layout)
    shown = columns_to_show(facts, request.show)
    if not request.plan:
        check_may_create(known)
    forms = request.forms(facts.full_dims)
    queries = choose_queries(conn, facts, known, request)
    drawn = Sample.of(known.rows, request.sample_rows, request.seed)
    watched = ExampleQueries(queries, forms, goal.k, goal.distance, request.seed)
    found, judgement, read = read_rows(
        conn,
        facts,
        known,
        column,
        goal,
        drawn,
        queries,
        forms,
        watched,
        request.progress,
    )
    predicted = options(
        found.curves,
        known,
        goal,
        kinds=request.kinds,
        share=read.share,
        growth=read.growth,
    )
    trials = Trials()
    if not request.plan:
        picked = could_win(predicted, request.tries)
        trials = _try(conn, facts, known, request, drawn, queries, found, picked)
        seconds = {index.name: index.seconds for index in trials.built}
        predicted = scaled(predicted, seconds, found.rows, goal)
    advice = recommend(
        request.layout,
        known,
        goal,
        read.share,
        judgement,
        predicted,
        trials.points,
        trials.storage,
    )
    built = [index.name for index in trials.built]
    sizes_shown = to_show(predicted, advice, built)
    return Tuning(
        known,
        column,
        goal,
        read,
        judgement,
        tuple(found.curves),
        predicted,
        trials.built,
        trials.points,
        advice,
        examples(conn, facts, shown, watched, sizes_shown),
        trials.storage,
    )


def _try(
    conn: Conn,
    facts: Facts,
    known: TableFacts,
    request: TuneRequest,
    drawn: Sample,
    queries: Queries,
    found: Nested,
    picked: Sequence[Option],
) -> Trials:
    """Build the picked options on a copy of the rows, and measure them."""
    fits = rival_fits(known, request.goal)
    rival = fits if request.rival is None else request.rival
    with scratch(conn, facts, known, request.goal) as place:
        return try_options(
            place,
            request.layout.column,
            drawn,
            queries,
            found,
            picked,
            rival,
            request.storage,
            request.progress,
        )


@in_thread(tune)
def tune_async() -> None:
    """The same beside an event loop: in a thread, on a second connection like `conn`.

    Most of it is arithmetic, which would keep the loop waiting. The second connection
    is a new session: give `schema` if this one has a search path of its own. `progress`
    is called from the thread.
    """
