"""Inputs for MatryoshkaIndex and its async methods."""

import asyncio
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from mrl_pg import MatryoshkaIndex
from mrl_pg.search.result import SearchResult
from support.hostile import values
from support.hostile.draw import Argument, Draw
from support.hostile.filters import Filter
from support.hostile.ground import Place
from support.hostile.inputs import Input
from support.hostile.judge import Answer, Expected
from support.hostile.session import Session, State, session, session_async, state
from support.hostile.tables import WORLDS, Row, Table
from support.hostile.values import value

METHODS = {
    "search": 50,
    "search_many": 14,
    "plan": 6,
    "recall": 6,
    "calibrate": 5,
    "history": 2,
    "keep_query": 5,
    "create": 7,
    "drop": 4,
    "switch": 3,
    "resize": 3,
}
CHANGING = (
    *("create", "drop", "switch", "resize", "calibrate", "recall", "keep_query"),
)

FORMS = ("{}", "np.array({})", "np.array({}, 'f4')", "Vector({})", "tuple({})")

BETWEEN = {
    "": 80,
    "discard all": 5,
    "deallocate all": 5,
    "reset all": 3,
    "set search_path = pg_catalog": 3,
    "set hnsw.ef_search = 999": 4,
}
"""Statements that the connection runs between the first call and the last."""


def draw(draw: Draw, world: str) -> Input:
    """One call of one method."""
    table = draw.table(WORLDS[world])
    layout = draw.layout(table)
    of_layout = _layout(draw, layout)
    method = draw.weighted(METHODS)
    condition = draw.filter(table) if draw.chance(0.4) else None
    given = draw.arguments(_arguments(draw, table, method))
    if condition is not None and method in ("search", "search_many", "plan", "recall"):
        given["filter"] = condition.python
        given["params"] = (
            draw.params() if draw.chance(0.15) else condition.params or "None"
        )
    if method == "create":
        of_layout |= {"dims": str(draw.one((1, 2, 3, 5, 8)))}
        of_layout |= {"kind": repr(draw.one(("vector", "halfvec", "bit")))}
    chosen = state(draw, secured=table.secured)
    again = chosen.block != "pipeline" and draw.chance(0.25)
    between = ""
    # a reset also removes the caller's role
    if again and chosen.autocommit and not chosen.block and not chosen.reader:
        between = draw.weighted(BETWEEN)
    is_async = draw.chance(0.35)
    call = _call(method + "_async" * is_async, given)
    text = f"MatryoshkaIndex({_listed(of_layout)}).{call}"
    if again:
        text = f"6 times {text}\n{between}\n{text}"
    act = partial(
        _act,
        of_layout,
        method,
        given,
        chosen,
        table,
        condition,
        again,
        between,
        is_async,
    )
    return Input(
        "Python",
        world,
        f"{text}\n[{chosen}]",
        act,
        filtered="filter" in given,
        changes=method in CHANGING,
        in_steps=again,
    )


def _layout(draw: Draw, layout: MatryoshkaIndex) -> dict[str, str]:
    """Arguments of MatryoshkaIndex: in some inputs one of them is hostile."""
    fields = {
        "table": layout.table,
        "column": layout.column,
        "dims": layout.dims,
        "kind": layout.kind,
        "distance": layout.distance,
        **({"schema": layout.schema} if layout.schema else {}),
    }
    given = {name: repr(value) for name, value in fields.items()}
    if layout.schema == "" and draw.chance(0.3):
        given["schema"] = "'public'"
    if draw.chance(0.12):
        name = draw.one([*fields, "m", "ef_construction", "schema", "short", "name"])
        numbers = name in ("dims", "m", "ef_construction")
        given[name] = draw.one(values.NUMBERS if numbers else values.TEXTS)
    return given


def _arguments(draw: Draw, table: Table, method: str) -> Mapping[str, Argument]:
    def query() -> str:
        return draw.one(FORMS).format(draw.numbers())

    k = Argument(draw.count, values.NUMBERS, 0.7)
    # the same number for each table; covers all tables but one
    candidates = Argument(
        lambda: draw.count((400, 400, 401, 999, 1000, 1500, 10)), values.NUMBERS, 0.6
    )
    search = {
        "k": k,
        "candidates": candidates,
        "ef_search": Argument(lambda: draw.count((1000, 400)), values.NUMBERS, 0.1),
        "max_scan_tuples": Argument(
            lambda: draw.count((1, 100, 20000, 2**31 - 1)), values.NUMBERS, 0.1
        ),
        "rerank": Argument(lambda: draw.count((400, 1000)), values.NUMBERS, 0.1),
        "columns": Argument(lambda: "['title']", values.COLUMNS, 0.2),
        "exact": Argument(lambda: "True", values.FLAGS, 0.08),
        "recall": Argument(lambda: draw.one(("0.9", "0.99", "1")), values.NUMBERS, 0.1),
        "quantile": Argument(lambda: "0.9", values.NUMBERS, 0.05),
    }
    vectors = Argument(query, values.VECTORS)
    several = Argument(
        lambda: (
            f"[{', '.join(str(draw.numbers()) for _ in range(draw.one((1, 2, 5))))}]"
        ),
        values.QUERIES,
    )
    some = Argument(lambda: draw.count((1, 3, 8)), values.NUMBERS)
    maybe = Argument(several.usual, values.QUERIES, 0.3)
    if method in ("search", "plan"):
        return {"query": vectors, **search}
    if method == "search_many":
        return {"queries": several, **search}
    if method == "recall":
        measured = {
            name: search[name] for name in search if name not in ("columns", "exact")
        }
        keep = Argument(lambda: "True", values.FLAGS, 0.2)
        return {"sample": some, "queries": maybe, "keep": keep, **measured}
    if method == "calibrate":
        return {"k": k, "sample": some, "queries": maybe}
    if method == "keep_query":
        return {"query": vectors}
    if method == "resize":
        return {
            "dims": Argument(lambda: draw.one(("1", "3", "7")), values.NUMBERS),
            "kind": Argument(lambda: "'bit'", values.TEXTS, 0.3),
            "calibrate": Argument(lambda: "False", values.FLAGS, 0.8),
            "k": k,
            "sample": some,
            "switch": Argument(lambda: "True", values.FLAGS, 0.5),
            "drop_old": Argument(lambda: "True", values.FLAGS, 0.3),
        }
    if method == "create":
        return {
            "workers": Argument(lambda: "0", values.NUMBERS, 0.1),
            "maintenance_work_mem": Argument(
                lambda: "'64MB'", ["''", "'x'", "'0'", "'-1MB'", *values.TEXTS], 0.1
            ),
        }
    return {}


def _listed(given: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={text}" for name, text in given.items())


def _call(method: str, given: Mapping[str, str]) -> str:
    return f"{method}(conn{', ' * bool(given)}{_listed(given)})"


def _act(
    of_layout: Mapping[str, str],
    method: str,
    given: Mapping[str, str],
    chosen: State,
    table: Table,
    condition: Filter | None,
    again: bool,
    between: str,
    is_async: bool,
    place: Place,
) -> Answer:
    def arguments() -> dict[str, Any]:
        with warnings.catch_warnings():
            # warnings of the expressions themselves
            warnings.simplefilter("ignore")
            return {name: value(text) for name, text in given.items()}

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fields = {name: value(text) for name, text in of_layout.items()}
    index = MatryoshkaIndex(**fields)
    passes = passing(table, condition, given, chosen)
    answered = partial(_answer, method, table, passes, index, arguments)
    if is_async:
        return asyncio.run(
            _asynchronously(
                place, index, method, arguments, chosen, again, between, answered
            )
        )
    with session(place.url, chosen) as opened:
        call = partial(getattr(index, method), opened.conn)
        if again:
            for _ in range(6):
                call(**arguments())
            if between:
                opened.conn.execute(between.encode())
                opened.ready_again()
        result = call(**arguments())
        return answered(opened, result)


async def _asynchronously(
    place: Place,
    index: MatryoshkaIndex,
    method: str,
    arguments: Callable[[], dict[str, Any]],
    chosen: State,
    again: bool,
    between: str,
    answered: Callable[[Session, Any], Answer],
) -> Answer:
    async with session_async(place.url, chosen) as opened:
        call = partial(getattr(index, f"{method}_async"), opened.conn)
        if again:
            for _ in range(6):
                await call(**arguments())
            if between:
                await opened.conn.execute(between.encode())
                opened.ready_again()
        result = await call(**arguments())
        return answered(opened, result)


def _answer(
    method: str,
    table: Table,
    passes: Callable[[Row], bool] | None,
    index: MatryoshkaIndex,
    arguments: Callable[[], dict[str, Any]],
    opened: Session,
    result: Any,
) -> Answer:
    """The answer that a result is checked as."""
    str(result)
    if method not in ("search", "search_many") or table.bad:
        return Answer(flagged=opened.flagged)
    results: Sequence[SearchResult] = [result] if method == "search" else result
    given = arguments()
    queries = [given["query"]] if method == "search" else list(given["queries"])
    whole = Answer()
    for query, found in zip(queries, results, strict=True):
        expected = Expected(
            table,
            query,
            index.distance,
            found.k,
            None if found.scan == "exact" else found.candidates,
            passes,
        )
        # the connection's loaders decide the type of keys
        hits = [(in_text(hit.key), hit.distance) for hit in found]
        whole.more.append(Answer(hits, expected, found.cut_short))
    whole.flagged = any(each.flagged for each in whole.more)
    return whole


def in_text(key: Any) -> Any:
    """A key whose text may have come as bytes."""
    if isinstance(key, tuple):
        return tuple(map(in_text, key))
    return key.decode() if isinstance(key, bytes) else key


def passing(
    table: Table, condition: Filter | None, given: Mapping[str, str], chosen: State
) -> Callable[[Row], bool] | None:
    """A test for rows that a call may answer; None if the filter is unknown."""
    mine = [visible(table, chosen)]
    if "filter" in given:
        usual = condition is not None and given["params"] == (
            condition.params or "None"
        )
        if condition is None or condition.passes is None or not usual:
            return None
        mine.append(condition.passes)
    return lambda row: all(passes(row) for passes in mine)


def visible(table: Table, chosen: State) -> Callable[[Row], bool]:
    """A test for rows that the connection's role may see."""
    if table.secured and chosen.reader:
        return lambda row: row.tenant == 1
    return lambda _: True
