"""Inputs for MatryoshkaColumn: queries for each of two models, and switches."""

import asyncio
import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any

from mrl_pg import MatryoshkaColumn
from mrl_pg.search.result import SearchResult
from support.hostile import values
from support.hostile.by_python import in_text
from support.hostile.draw import Argument, Draw
from support.hostile.ground import Place
from support.hostile.inputs import Input
from support.hostile.judge import Answer, Expected
from support.hostile.session import State, session, session_async, state
from support.hostile.tables import MODELS, SECOND
from support.hostile.values import value

METHODS = {
    "search": 40,
    "search_many": 20,
    "plan": 6,
    "index": 4,
    "switch": 20,
    "remodel_status": 10,
}
MAPPINGS = [
    *("{}", "{'embedding': None}", "{5: [1] * 8}", "{b'embedding': [1] * 8}"),
    *("{'embedding': {'embedding': [1] * 8}}", "OrderedDict()", "{'': [1] * 8}"),
    *("OrderedDict(embedding=[1] * 7, second=[1] * 8)", "{'second': [nan] * 8}"),
    *("{'embedding': Everything()}", "{'embedding': BadIter(), 'second': BadLen()}"),
    *("{None: None}", "{'embedding': 'kept'}", "{'second': [[1] * 8]}"),
    *("{'embedding': [[1] * 8], 'second': []}", "{'embedding': (x for x in ())}"),
]
"""Queries by column that nobody should send."""


def draw(draw: Draw, world: str) -> Input:
    """One call of one method."""
    column = "'embedding'"
    if draw.chance(0.1):
        column = draw.one([repr(SECOND), *values.TEXTS])
    method = draw.weighted(METHODS)
    given = draw.arguments(_arguments(draw, method))
    chosen = state(draw)
    is_async = draw.chance(0.35)
    listed = ", ".join(f"{name}={text}" for name, text in given.items())
    call = f"{method}{'_async' * is_async}(conn{', ' * bool(given)}{listed})"
    return Input(
        "MatryoshkaColumn",
        world,
        f"MatryoshkaColumn({MODELS.name!r}, {column}).{call}\n[{chosen}]",
        partial(_act, column, method, given, chosen, is_async),
        changes=method == "switch",
    )


def _arguments(draw: Draw, method: str) -> Mapping[str, Argument]:
    def queries(count: int) -> str:
        # the same for both, because both columns hold the same vectors
        given = str([draw.numbers() for _ in range(count)] if count else draw.numbers())
        both = f"{{'embedding': {given}, {SECOND!r}: {given}}}"
        return both if draw.chance(0.8) else given

    if method in ("switch", "remodel_status"):
        to = Argument(lambda: repr(SECOND), ["'embedding'", *values.TEXTS])
        missing = Argument(lambda: "True", values.FLAGS, 0.3)
        return {"to": to} | ({"allow_missing": missing} if method == "switch" else {})
    options = {
        "k": Argument(draw.count, values.NUMBERS, 0.7),
        "candidates": Argument(lambda: "400", values.NUMBERS, 0.6),
        "exact": Argument(lambda: "True", values.FLAGS, 0.08),
    }
    if method in ("search", "plan"):
        hostile = [*MAPPINGS, *values.VECTORS]
        return {"query": Argument(lambda: queries(0), hostile), **options}
    if method == "search_many":
        hostile = [*MAPPINGS, *values.QUERIES]
        several = Argument(lambda: queries(draw.one((1, 2, 5))), hostile)
        return {"queries": several, **options}
    return {}


def _act(
    column: str,
    method: str,
    given: Mapping[str, str],
    chosen: State,
    is_async: bool,
    place: Place,
) -> Answer:
    with warnings.catch_warnings():
        # warnings of the expressions themselves
        warnings.simplefilter("ignore")
        arguments = {name: value(text) for name, text in given.items()}
        searched = MatryoshkaColumn(MODELS.name, value(column))
    if is_async:
        result = asyncio.run(_call(place, chosen, searched, method, arguments))
    else:
        with session(place.url, chosen) as opened:
            result = getattr(searched, method)(opened.conn, **arguments)
    str(result)
    if method not in ("search", "search_many"):
        return Answer()
    # read again, because an iterator is read once
    asked = value(given["query" if method == "search" else "queries"])
    asked = asked["embedding"] if isinstance(asked, dict) else asked
    results = [result] if method == "search" else result
    whole = Answer()
    for query, found in zip(
        [asked] if method == "search" else asked, results, strict=True
    ):
        whole.more.append(_answer(query, found))
    whole.flagged = any(each.flagged for each in whole.more)
    return whole


async def _call(
    place: Place,
    chosen: State,
    searched: MatryoshkaColumn,
    method: str,
    arguments: Mapping[str, Any],
) -> Any:
    async with session_async(place.url, chosen) as opened:
        return await getattr(searched, f"{method}_async")(opened.conn, **arguments)


def _answer(query: Any, found: SearchResult) -> Answer:
    """The answer that a result is checked as."""
    candidates = None if found.scan == "exact" else found.candidates
    expected = Expected(MODELS, query, "cosine", found.k, candidates, lambda _: True)
    hits = [(in_text(hit.key), hit.distance) for hit in found]
    return Answer(hits, expected, found.cut_short)
