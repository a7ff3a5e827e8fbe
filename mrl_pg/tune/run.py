"""`tune`: reads, predicts, tries what could win and recommends. Changes nothing."""

from collections.abc import Sequence
from contextlib import ExitStack
from os import PathLike

from mrl_pg.catalog.facts import Facts
from mrl_pg.exchange import Conn, cursors
from mrl_pg.exchange.progress import OnProgress
from mrl_pg.kinds import Distance, Kind
from mrl_pg.layout import IndexLayout
from mrl_pg.recall.nested import Nested
from mrl_pg.tune.advice.examples import (
    columns_to_show,
    examples,
    read_listed,
    to_show,
)
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
from mrl_pg.tune.rows.sample_table import SampleTable, sample_table
from mrl_pg.tune.rows.stream import Sample
from mrl_pg.tune.rows.table import TableFacts
from mrl_pg.tune.transactions import short_transactions
from mrl_pg.tune.trial.scratch import check_may_create, scratch
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
    """The best size, kind and settings for the rows of a table, and the figures.

    Reads about `sample_rows` rows at most, once, and computes the recall of every kind
    and size (`sizes`, or the sizes of `model`, or `models.ladder`). Unless `plan` is
    true, it copies these rows and builds the `tries` indexes that could win on the
    copy. With `rival` it also builds an index over full vectors (default: if that index
    fits `effective_cache_size`). With `storage` it times the best settings on a second
    copy that keeps full vectors in the row, if they are in TOAST and fit the row
    (default: if the second copy takes 2 GB at most). The copies live in a schema of
    their own, which is dropped, so nothing is written to the table.

    Rows are read in short transactions, some pages at a time, into a temporary table.
    So no lock on the table and no snapshot is held for longer than it takes to read
    them. A row that is updated meanwhile is read once at most, and may be missed.

    The queries are the vectors `queries`, or at most `sample` vectors of a file that
    `mrl_pg.load` reads (`queries_file`), or the first `sample` vectors that
    `queries_sql` selects, or, with `real_queries`, at most `sample` of the queries that
    `MatryoshkaIndex.keep_query` kept. Otherwise `sample` rows are held out as queries.
    Examples name rows by primary key; `show` adds columns. `progress` is called with a
    `Progress` while the work goes on.

    Raises InvalidSetting, InvalidVector or InvalidFile for wrong arguments, and what
    `known_facts` raises. The connection must not be in a transaction.
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
    with short_transactions(conn), ExitStack() as stack:
        return _tune(conn, request, stack)


def _tune(conn: Conn, request: TuneRequest, stack: ExitStack) -> Tuning:
    """The five steps; the stack closes what they open."""
    goal, column = request.goal, request.layout.column
    facts, known = tables.read(conn, request.layout)
    shown = columns_to_show(facts, request.show)
    if not request.plan:
        check_may_create(known)
    forms = request.forms(facts.full_dims)
    queries = choose_queries(conn, facts, known, request)
    drawn = Sample.of(known.rows, request.sample_rows, request.seed)
    keep = None
    if not request.plan:
        keep = stack.enter_context(sample_table(conn, facts))
    example_queries = ExampleQueries(
        queries, forms, goal.k, goal.distance, request.seed
    )
    truth, judgement, read = read_rows(
        conn,
        facts,
        known,
        column,
        goal,
        drawn,
        queries,
        forms,
        example_queries,
        keep,
        request.progress,
    )
    # now, before rows move: the trials may take long
    listed = read_listed(conn, facts, shown, example_queries)
    predicted = options(
        truth.curves,
        known,
        goal,
        kinds=request.kinds,
        share=read.share,
        growth=read.growth,
    )
    trials = Trials()
    if keep is not None:
        picked = could_win(predicted, request.tries)
        trials = _try(conn, facts, known, request, keep, queries, truth, picked)
        seconds = {index.name: index.seconds for index in trials.built}
        predicted = scaled(predicted, seconds, truth.rows, goal)
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
        tuple(truth.curves),
        predicted,
        trials.built,
        trials.points,
        advice,
        examples(listed, example_queries, sizes_shown),
        trials.storage,
    )


def _try(
    conn: Conn,
    facts: Facts,
    known: TableFacts,
    request: TuneRequest,
    sample: SampleTable,
    queries: Queries,
    truth: Nested,
    picked: Sequence[Option],
) -> Trials:
    """Build the picked options on a copy of the rows, and measure them."""
    fits = rival_fits(known, request.goal)
    rival = fits if request.rival is None else request.rival
    with scratch(conn, facts, known, request.goal) as place:
        return try_options(
            place,
            request.layout.column,
            sample,
            queries,
            truth,
            picked,
            rival,
            request.storage,
            request.progress,
        )


@in_thread(tune)
def tune_async() -> None:
    """Run `tune` in a thread, on a second connection with the parameters of `conn`.

    Most of the work is arithmetic, which would block the event loop. The second
    connection is a new session, so pass `schema` if `conn` has its own search path.
    `progress` is called from the thread.
    """
