"""Inputs for upsert, delete, get and set_model: rows, keys and names of models."""

import asyncio
import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any

from mrl_pg import MatryoshkaColumn
from mrl_pg.embed import set_model, set_model_async
from support.hostile import values
from support.hostile.draw import Argument, Draw
from support.hostile.ground import Place
from support.hostile.inputs import Input
from support.hostile.judge import Answer
from support.hostile.session import State, session, session_async, state
from support.hostile.tables import WORLDS, Table
from support.hostile.values import value

METHODS = {"upsert": 50, "delete": 20, "get": 20, "set_model": 15}
IF_EXISTS = ("'update'", "'skip'", "'refuse'")
ROWS = [
    *("[]", "{}", "None", "[{}]", "[{}, {}]", "[[]]", "[5]", "'rows'", "[None]"),
    *("[{'id': 1}, {}]", "[{'id': 1}, {'n': 2}]", "{'id': 5}", "{'id': [1], 'n': []}"),
    *("{'id': []}", "{'id': many(3)}", "{'id': np.arange(3), 'n': [nan] * 3}"),
    *("[{5: 1}]", "[{None: 1}]", "[{'': 1}]", "[{b'id': 1}]", "[OrderedDict(id=1)]"),
    *("Everything()", "BadIter()", "BadLen()", "(x for x in ({'id': 1},))", "boom"),
    *("[{'id': 1, 'embedding': [1] * 7}]", "[{'id': 10**30}]", "[{'id': True}]"),
    *("[{'ctid': '(0,1)', 'id': 1}]", "[{'id': 1, 'tableoid': 1}]", "[Everything()]"),
    *("{'id': np.zeros((2, 2))}", "{'embedding': np.zeros((2, 8))}"),
]
"""Rows that nobody should write."""

KEYS = [
    *("[]", "None", "5", "'1'", "[None]", "[[]]", "[()]", "[(1, 2)]", "[1.5]", "[nan]"),
    *("[10**30]", "['x']", "[b'1']", "[1, 1, 1]", "{}", "{1: 2}", "many(3)", "boom"),
    *(
        "[object()]",
        "[BadRepr()]",
        "BadIter()",
        "Everything()",
        "[True]",
        "np.zeros(2)",
    ),
]
"""Keys that nobody should ask for."""


def draw(draw: Draw, world: str) -> Input:
    """One call of one of them."""
    table = draw.table(WORLDS[world])
    method = draw.weighted(METHODS)
    given = draw.arguments(_arguments(draw, table, method))
    chosen = state(draw, secured=table.secured)
    is_async = draw.chance(0.35)
    schema = "" if table.schema == "public" else table.schema
    searched = f"MatryoshkaColumn({table.name!r}, {table.column!r}, {schema!r})"
    listed = ", ".join(f"{name}={text}" for name, text in given.items())
    return Input(
        "rows",
        world,
        f"{method}{'_async' * is_async}: {searched}, {listed}\n[{chosen}]",
        partial(_act, table, schema, method, given, chosen, is_async),
        filtered="filter" in given,
        changes=method != "get",
    )


def _arguments(draw: Draw, table: Table, method: str) -> Mapping[str, Argument]:
    if method == "set_model":
        names = ("'openai:text-embedding-3-small'", "'mine'", "None")
        return {"model": Argument(lambda: draw.one(names), values.TEXTS)}
    some = Argument(lambda: _keys(draw, table), [*KEYS, *values.QUERIES])
    if method == "get":
        columns = Argument(lambda: "['title']", values.COLUMNS, 0.4)
        return {"keys": some, "columns": columns}
    if method == "delete":
        if draw.chance(0.5):
            return {"keys": some}
        given = draw.filter(table)
        return {
            "filter": Argument(lambda: given.python, [given.python]),
            "params": Argument(lambda: given.params or "None", ["None", "[1]", "{}"]),
        }
    return {
        "rows": Argument(lambda: _rows(draw, table), [*ROWS, *_odd_rows(draw, table)]),
        "if_exists": Argument(lambda: draw.one(IF_EXISTS), values.TEXTS, 0.6),
    }


def _keys(draw: Draw, table: Table) -> str:
    known = [row.key for row in table.rows] or [1]
    return repr([draw.one(known) for _ in range(draw.one((0, 1, 2, 5)))])


def _row(draw: Draw, table: Table, place: int) -> dict[str, str]:
    """The columns of a row, as expressions."""
    known = [row.key for row in table.rows] or [1]
    key = draw.one(known) if draw.chance(0.6) else None
    parts = key if isinstance(key, tuple) else [key] * len(table.keys)
    new = f"'new {place}'" if "text" in table.key_type else str(9000 + place)
    row = {
        name: new if part is None else repr(part)
        for name, part in zip(table.keys, parts, strict=False)
    }
    row[table.column] = str(draw.numbers())
    if draw.chance(0.5):
        row["title"] = "'written'"
    return row


def _written(row: Mapping[str, str]) -> str:
    return f"{{{', '.join(f'{name!r}: {text}' for name, text in row.items())}}}"


def _rows(draw: Draw, table: Table) -> str:
    made = [_row(draw, table, place) for place in range(draw.one((1, 2, 5)))]
    alike = [row for row in made if row.keys() == made[0].keys()]
    return f"[{', '.join(map(_written, alike))}]"


def _odd_rows(draw: Draw, table: Table) -> list[str]:
    """Rows of which one value, or the name of one column, is hostile."""
    row, other = _row(draw, table, 0), _row(draw, table, 1)
    name = draw.one([*row])
    strange = draw.one([*values.NUMBERS, *values.TEXTS, *values.VECTORS])
    odd = [f"[{_written({**row, name: strange})}]"]
    odd.append(f"[{_written(other)}, {_written({**row, name: strange})}]")
    named = _written(row)[:-1]
    odd.append(f"[{named}, {draw.one(values.TEXTS)}: 1}}]")
    return odd


def _act(
    table: Table,
    schema: str,
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
    searched = MatryoshkaColumn(table.name, table.column, schema)
    if is_async:
        asyncio.run(_call(place, chosen, searched, method, arguments))
        return Answer()
    with session(place.url, chosen) as opened:
        if method == "set_model":
            set_model(opened.conn, searched, **arguments)
        else:
            str(getattr(searched, method)(opened.conn, **arguments))
    return Answer()


async def _call(
    place: Place,
    chosen: State,
    searched: MatryoshkaColumn,
    method: str,
    arguments: Mapping[str, Any],
) -> None:
    async with session_async(place.url, chosen) as opened:
        if method == "set_model":
            await set_model_async(opened.conn, searched, **arguments)
        else:
            await getattr(searched, f"{method}_async")(opened.conn, **arguments)
