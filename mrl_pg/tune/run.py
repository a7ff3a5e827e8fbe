"""`tune`: reads, predicts, tries what could win and recommends. Changes nothing."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from os import PathLike

from mrl_pg.catalog.facts import Facts
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange import Conn, cursors
from mrl_pg.exchange.progress import OnProgress
from mrl_pg.index import MatryoshkaIndex
from mrl_pg.kinds import KINDS, Distance, Kind
from mrl_pg.layout import IndexLayout
from mrl_pg.recall.nested import Nested
from mrl_pg.rotation import Rotation
from mrl_pg.tune.advice.better_graph import bought
from mrl_pg.tune.advice.commands import QueryOrigin
from mrl_pg.tune.advice.examples import (
    columns_to_show,
    examples,
    read_listed,
    to_show,
)
from mrl_pg.tune.advice.recommend import recommend
from mrl_pg.tune.advice.rotation import turned
from mrl_pg.tune.budget import Budget
from mrl_pg.tune.in_thread import in_thread
from mrl_pg.tune.option import Goal, Option
from mrl_pg.tune.predict.better_graph import FEWEST_ROWS
from mrl_pg.tune.predict.cost_model import scaled
from mrl_pg.tune.predict.rotation import SpreadRows, judge_rotation
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
from mrl_pg.tune.trial.front import reaches
from mrl_pg.tune.trial.memory import Memory, finalists, predict
from mrl_pg.tune.trial.point import Point
from mrl_pg.tune.trial.run_settings import exact
from mrl_pg.tune.trial.scratch import check_may_create, scratch
from mrl_pg.tune.trial.try_options import Trials, rival_fits, try_options
from mrl_pg.tune.trial.under_limit import measure, not_here
from mrl_pg.tune.trial.walk import walked
from mrl_pg.vectors import VectorLike

SMALL_BYTES = 200_000_000
"""The most bytes of full vectors for which `--plan` times an exact search."""


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
    better_graph: bool | None = None,
    storage: bool | None = None,
    rotation: bool | None = None,
    sample: int = 500,
    queries: Sequence[VectorLike] | None = None,
    queries_file: "str | PathLike[str] | None" = None,
    queries_sql: str | None = None,
    real_queries: bool | None = None,
    sample_rows: int = 200_000,
    seed: int = 0,
    minutes: float | None = None,
    memory: str | None = None,
    show: Sequence[str] = (),
    progress: OnProgress | None = None,
) -> Tuning:
    """The best size, kind and settings for the rows of a table, and the figures.

    Reads about `sample_rows` rows at most, once, and computes the recall of every kind
    and size (`sizes`, or `models.ladder` and the sizes of `model`). Unless `plan` is
    true, it copies these rows and builds the `tries` indexes that could win on the
    copy. With `rival` it also builds an index over full vectors (default: if that index
    fits `effective_cache_size`). With `better_graph` it builds the fastest of them once
    more, with more links per node, as far as that takes no longer than an index over
    full vectors (default: from 10,000 rows). With `storage` it times the best settings
    on a second copy that keeps full vectors in the row, if they are in TOAST and fit
    the row (default: if the second copy takes 2 GB at most). With `rotation` it also
    fits a rotation on some of the rows and judges on others whether their prefixes find
    more when they are rotated; if so, it predicts sizes of rotated rows and tries them
    on a copy that is rotated (default: up to 4,096 dimensions). The copies live in a
    schema of their own, which is dropped, so nothing is written to the table.

    Rows are read in short transactions, some pages at a time, into a temporary table.
    So no lock on the table and no snapshot is held for longer than it takes to read
    them. A row that is updated meanwhile is read once at most, and may be missed.

    The queries are the vectors `queries`, or at most `sample` vectors of a file that
    `mrl_pg.load` reads (`queries_file`), or the first `sample` vectors that
    `queries_sql` selects, or, with `real_queries`, at most `sample` of the queries that
    `MatryoshkaIndex.keep_query` kept. By default the queries are those that were kept,
    if there are at least 100. Otherwise, and with `real_queries=False`, `sample` rows
    are held out as queries. Rows are easier to find than what people ask, so the goal
    is stricter then: see `mrl_pg.calibration.margin`.

    After `minutes` no further index is built and no further query measured. The result
    is then the best that was found so far. The pass over the rows is not cut short.
    With `memory`, such as "3GB", it chooses for a server that has so much memory for
    the table and its indexes: it predicts which share of the pages that a search
    touches comes from disk. As root on Linux, if the server is on this machine, it also
    measures the best searches under a limit, on an embedded server of its own.
    `Tuning.memory` says which it was.

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
        better_graph=better_graph,
        storage=storage,
        rotation=rotation,
        sample=sample,
        queries=queries,
        queries_file=queries_file,
        queries_sql=queries_sql,
        real_queries=real_queries,
        sample_rows=sample_rows,
        seed=seed,
        minutes=minutes,
        memory=memory,
        show=show,
        progress=silent if progress is None else progress,
    )
    cursors.check(conn, waits=False)
    with short_transactions(conn), ExitStack() as stack:
        return _tune(conn, request, stack)


def _tune(conn: Conn, request: TuneRequest, stack: ExitStack) -> Tuning:
    """The five steps; the stack closes what they open."""
    goal, column = request.goal, request.layout.column
    budget = Budget.of(request.minutes)
    facts, known = tables.read(conn, request.layout, request.memory_bytes)
    shown = columns_to_show(facts, request.show)
    if not request.plan:
        check_may_create(known)
    forms = request.forms(facts.full_dims)
    kinds = _kinds(request, facts)
    queries = choose_queries(conn, facts, known, request)
    drawn = Sample.of(known.rows, request.sample_rows, request.seed)
    keep = None
    if not request.plan:
        keep = stack.enter_context(sample_table(conn, facts))
    example_queries = ExampleQueries(
        queries, forms, goal.k, goal.distance, request.seed
    )
    spread = SpreadRows(round(known.rows * drawn.share))
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
        spread,
        request.progress,
    )
    if queries.held is not None or read.finds_itself:
        goal = replace(goal, rows_as_queries=True)
    # now, before rows move: the trials may take long
    listed = read_listed(conn, facts, shown, example_queries)
    predicted = options(
        truth.curves,
        known,
        goal,
        kinds=kinds,
        share=read.share,
        growth=read.growth,
    )
    rotation = None
    if request.rotation is not False and facts.rotation is None:
        rows = spread.drawn(request.seed)
        rotation = judge_rotation(rows, queries.vectors, forms, goal)
    if rotation is not None and rotation.verdict == "gain":
        predicted += options(
            rotation.rotated,
            known,
            goal,
            kinds=kinds,
            share=min(1.0, rotation.rows / max(1, known.rows)),
            growth=read.growth,
            rotated=True,
        )
    trials = Trials()
    points: Sequence[Point] = ()
    if keep is None:
        points = _exact(conn, facts, known, request, queries, truth)
    else:
        picked = could_win(predicted, request.tries)
        trials = _try(
            conn,
            facts,
            known,
            request,
            goal,
            keep,
            queries,
            truth,
            picked,
            read.share,
            budget,
            None if rotation is None else rotation.rotation,
        )
        if trials.better is not None:
            predicted = (*predicted, trials.better)
        seconds = {index.name: index.seconds for index in trials.built}
        predicted = scaled(predicted, seconds, truth.rows, goal)
    under = trials.memory
    if under is None and known.memory_bytes is not None:
        under = _memory(
            conn, request, known, goal, read.share, points, len(queries.vectors)
        )
    deciding = under.points() if under is not None else []
    fits = known.memory_bytes is None or known.bytes <= known.memory_bytes
    # an exact search that reads from disk is never fast enough
    exact_points = [p for p in trials.points or points if p.exact and fits]
    advice = recommend(
        request.layout,
        known,
        goal,
        read.share,
        judgement,
        predicted,
        [*deciding, *exact_points] if under else trials.points or points,
        trials.storage,
        source=QueryOrigin.of(request, queries.origin),
        memory=under,
        rotation=rotation,
        notes=[
            *bought(trials.built, trials.points, goal),
            *turned(rotation, trials.points, goal),
            *_left_out(request, trials, budget),
        ],
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
        trials.noise,
        under,
        rotation,
    )


def _kinds(request: TuneRequest, facts: Facts) -> Sequence[Kind]:
    """The kinds to predict: no bits of rotated rows, which `create` refuses."""
    if facts.rotation is None:
        return request.kinds
    kinds = [kind for kind in request.kinds if KINDS[kind].stored != "bits"]
    if not kinds:
        raise InvalidSetting(
            f"kinds={list(request.kinds)}, but {request.layout.column} is rotated, and "
            "sign bits of rotated rows find a third less. Pass halfvec or vector"
        )
    return kinds


def _exact(
    conn: Conn,
    facts: Facts,
    known: TableFacts,
    request: TuneRequest,
    queries: Queries,
    truth: Nested,
) -> list[Point]:
    """The exact search of a small table itself, which needs no right but to select."""
    if known.rows * known.full_bytes > SMALL_BYTES:
        return []
    if facts.rotation is not None:
        # the search rotates them again
        queries = replace(queries, vectors=facts.rotation.undo(queries.vectors))
    layout = request.layout
    bare = MatryoshkaIndex(
        layout.table,
        layout.column,
        dims=1,
        distance=layout.distance,
        schema=layout.schema,
    )
    return [exact(conn, bare, queries, truth, request.goal.k)]


def _left_out(request: TuneRequest, trials: Trials, budget: Budget) -> list[str]:
    """A sentence about what the time that was given left out."""
    if request.plan or not budget.limited or (trials.built and not trials.left_out):
        return []
    known = f"the {request.minutes:g} minutes that were given are over"
    if not trials.built:
        return [f"{known}, and no index was tried in time"]
    return [f"{known}: measured were {trials.left_out}. This is the best found so far"]


def _try(
    conn: Conn,
    facts: Facts,
    known: TableFacts,
    request: TuneRequest,
    goal: Goal,
    sample: SampleTable,
    queries: Queries,
    truth: Nested,
    picked: Sequence[Option],
    share: float,
    budget: Budget,
    rotation: Rotation | None,
) -> Trials:
    """Build the picked options on a copy of the rows, and measure them."""
    if budget.up:
        return Trials()
    fits = rival_fits(known, goal)
    rival = fits if request.rival is None else request.rival
    better_graph = request.better_graph
    if better_graph is None:
        better_graph = truth.rows >= FEWEST_ROWS
    with scratch(conn, facts, known, goal) as place:
        place = replace(place, rotation=rotation)
        trials = try_options(
            place,
            request.layout.column,
            sample,
            queries,
            truth,
            picked,
            better_graph and bool(picked),
            rival,
            request.storage,
            budget,
            request.progress,
        )
        if known.memory_bytes is None:
            return trials
        reach = [p for p in trials.points if p.option and reaches(p, goal, sure=False)]
        walks = {p.setting: walked(place, p, queries) for p in reach}
        memory = _memory(
            conn,
            request,
            known,
            goal,
            share,
            trials.points,
            len(queries.vectors),
            walks,
        )
        best = finalists(memory, goal)
        if memory.measured and best and not budget.up:
            memory = measure(
                place, memory, best, queries, share, budget, request.progress
            )
        elif memory.measured:
            reason = "the time was up" if best else "no setting reaches the recall"
            memory = replace(memory, why_not=reason)
        return replace(trials, memory=memory)


def _memory(
    conn: Conn,
    request: TuneRequest,
    known: TableFacts,
    goal: Goal,
    share: float,
    points: Sequence[Point],
    queries: int,
    walks: Mapping[str, float | None] | None = None,
) -> Memory:
    """What is predicted for the memory, and why nothing can be measured, if so."""
    return predict(
        request.memory or "",
        known.memory_bytes or 0,
        points,
        known,
        goal,
        share,
        {name: count for name, count in (walks or {}).items() if count is not None},
        not_here(conn, known, share, plan=request.plan, queries=queries),
    )


@in_thread(tune)
def tune_async() -> None:
    """Run `tune` in a thread, on a second connection with the parameters of `conn`.

    Most of the work is arithmetic, which would block the event loop. The second
    connection is a new session, so pass `schema` if `conn` has its own search path.
    `progress` is called from the thread.
    """
