"""Inputs for SQLAlchemy: a search made from a Select, by three drivers."""

import asyncio
import re
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from typing import Any

from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    Float,
    Integer,
    MetaData,
    Text,
    Uuid,
    bindparam,
    create_engine,
    func,
    literal,
    select,
    text,
    union_all,
)
from sqlalchemy import Table as SaTable
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import StaticPool

from mrl_pg.sqlalchemy import Matryoshka, distance, registered, search, seen
from support.hostile import values
from support.hostile.by_python import visible
from support.hostile.draw import Argument, Draw
from support.hostile.filters import HOSTILE
from support.hostile.ground import Place
from support.hostile.inputs import Input
from support.hostile.judge import Answer, Expected, Leaked, Unsent
from support.hostile.session import (
    FREE,
    SETTINGS,
    State,
    known,
    script,
    session,
    session_async,
    state,
)
from support.hostile.tables import WORLDS, Row, Table
from support.hostile.values import NAMES, value

DRIVERS = {"psycopg": 45.0, "psycopg, async": 30.0, "asyncpg": 25.0}

CONDITIONS: Mapping[str, Callable[[Row, int], bool]] = {
    "t.c[n] < {0}": lambda row, edge: row.n < edge,
    "t.c[n].in_([{0}, 3])": lambda row, edge: row.n in (edge, 3),
    "t.c.title.like('title {0}%')": lambda row, edge: row.title.startswith(
        f"title {edge}"
    ),
    "(t.c[n] == {0}) | (t.c.tenant == 2)": lambda row, edge: (
        row.n == edge or row.tenant == 2
    ),
    "text('tenant <> 1')": lambda row, _: row.tenant != 1,
    "literal(True)": lambda _, __: True,
    "text('false')": lambda _, __: False,
    "t.c.tenant == bindparam(None, {0})": lambda row, edge: row.tenant == edge,
}
STRANGE_CONDITIONS = [
    *("None", "5", "'true'", "b'true'", "[]", "True"),
    *("t.c.nope == 1", "func.count() > 1", "distance < 1", "seen > 0", "object()"),
    *("t.c.tenant == 2**70", "t.c.tenant == 'x'", "t.c.tenant == object()", "nan"),
    *(
        "t.c.title == 'a\\0b'",
        "t.c.title == '\\udcff'",
        "t.c.tenant == nan",
        "t.c.title > 5",
    ),
    *("t.c.tenant.in_([])", "t.c.tenant == None", "bindparam('missing')", "BadEq()"),
    *(f"text({given!r})" for given in HOSTILE if len(given) < 200),
]
STATEMENTS = [
    *(
        "None",
        "text('select 1')",
        "select(1)",
        "select(t).limit(5)",
        "select(t).offset(1)",
    ),
    *(
        "select(t).group_by(t.c[n])",
        "select(t).distinct()",
        "select(t).order_by(t.c[n])",
    ),
    *(
        "union_all(select(t), select(t))",
        "select(func.count()).select_from(t)",
        "5",
        "'x'",
    ),
    *("select(t.alias())", "select(t).where(t.c[n] < 5).subquery()", "t", "t.insert()"),
    *(
        "select(t).with_for_update()",
        "select(t, t.alias('o'))",
        "object()",
        "Everything()",
    ),
    *(
        "select(func.max(t.c[n])).having(func.count() > 1)",
        "select(t.c[n], func.count())",
    ),
    *(
        "select(t).join(t.alias('o'), literal(True))",
        "select(literal('x')).select_from(t)",
    ),
    *("select(func.generate_series(1, t.c[n]))", "select(t).add_columns(text('1'))"),
    *(
        "select(t).prefix_with('/* x */')",
        "select(t).correlate(t)",
        "select(MetaData())",
    ),
]
TARGETS = [
    *(
        "None",
        "'embedding'",
        "t.c[n]",
        "t",
        "5",
        "t.alias().c[n]",
        "literal([1])",
        "object()",
    ),
    *(
        "func.abs(t.c[n])",
        "other.c.embedding",
        "Everything()",
        "text('embedding')",
        "[]",
    ),
    *(
        "Column('embedding')",
        "Column('embedding', VECTOR(8))",
        "VECTOR(8)",
        "bindparam('x')",
    ),
]
INDEXES = ["5", "'docs'", "object()", "Everything()", "[]", "BadEq()", "Matryoshka(4)"]


def always(_: Row, __: int) -> bool:
    """Lets every row through."""
    return True


def draw(draw: Draw, world: str) -> Input:
    """A search of one Select by one driver; sometimes something else."""
    table = draw.table(WORLDS[world])
    layout = draw.layout(table)
    declared = {
        "dims": str(layout.dims),
        "kind": repr(layout.kind),
        "distance": repr(layout.distance),
    }
    if draw.chance(0.1):
        name = draw.one((*declared, "m", "ef_construction", "short", "name"))
        numbers = name in ("dims", "m", "ef_construction")
        declared[name] = draw.one(values.NUMBERS if numbers else values.TEXTS)
    edge = draw.one(range(-1, 11))
    condition = draw.one([*CONDITIONS]) if draw.chance(0.4) else ""
    where = condition.format(edge)
    if draw.chance(0.12):
        condition, where = "", draw.one(STRANGE_CONDITIONS)
    statement = f"select(*keys, distance, seen){f'.where({where})' * bool(where)}"
    usual = True
    target = "t.c[full]"
    if draw.chance(0.08):
        statement, usual = draw.one(STATEMENTS), False
    if draw.chance(0.05):
        target, usual = draw.one(TARGETS), False
    given = draw.arguments(_arguments(draw))
    driver = draw.weighted(DRIVERS)
    if driver == "asyncpg" and find_spec("asyncpg") is None:
        driver = "psycopg"
    chosen = known(world, state(draw, secured=table.secured))
    listed = ", ".join(f"{name}={text}" for name, text in declared.items())
    options = "".join(f", {name}={text}" for name, text in given.items())
    line = f"search({statement}, {target}{options})"
    reflected = draw.chance(0.04)
    passes = None
    # SQLAlchemy writes a text as it is, so a text that is no condition changes the rest
    if not condition and re.search(r"--|/\*|\).*\(", where.removeprefix("text(")):
        usual = False
    if not where or condition:
        holds = CONDITIONS.get(condition, always)

        def passes(row: Row) -> bool:
            return visible(table, chosen)(row) and holds(row, edge)

    shown = line if not reflected else "registered(connection)"
    act = partial(
        _act,
        table,
        declared,
        line,
        given,
        passes if usual else None,
        usual,
        driver,
        chosen,
        reflected,
    )
    return Input(
        "SQLAlchemy",
        world,
        f"{table.quoted()}: {driver}: Matryoshka({listed})\n{shown}\n[{chosen}]",
        act,
        filtered=not usual
        or (bool(where) and not condition)
        # nobody gives it a value
        or given.get("query") == "bindparam('q')",
    )


def _arguments(draw: Draw) -> dict[str, Argument]:
    def query() -> str:
        form = draw.one(("{}", "np.array({})", "Vector({})", "bindparam('q', {})"))
        return form.format(draw.numbers())

    return {
        "query": Argument(
            query, [*values.VECTORS, "bindparam('q')", "bindparam('q', 5)"]
        ),
        "k": Argument(draw.count, values.NUMBERS, 0.7),
        "candidates": Argument(
            lambda: draw.count((400, 400, 401, 999, 1000, 1500, 10)),
            values.NUMBERS,
            0.6,
        ),
        "ef_search": Argument(lambda: draw.count((1000, 400)), values.NUMBERS, 0.1),
        "max_scan_tuples": Argument(
            lambda: draw.count((1, 100, 20000, 2**31 - 1)), values.NUMBERS, 0.1
        ),
        "rerank": Argument(lambda: draw.count((400, 1000)), values.NUMBERS, 0.1),
        "exact": Argument(lambda: "True", values.FLAGS, 0.08),
        "recall": Argument(lambda: draw.one(("0.9", "0.99", "1")), values.NUMBERS, 0.1),
        "quantile": Argument(lambda: "0.9", values.NUMBERS, 0.05),
        "index": Argument(lambda: "None", INDEXES, 0.0),
    }


def model(table: Table, declared: Any) -> SaTable:
    """The table as a model would declare it."""
    full: Any = {"vector": VECTOR, "halfvec": HALFVEC}[table.full_type](table.dims)
    if table.name == "numbers":
        full = ARRAY(Float)
    types: dict[str, Any] = {"a": Integer, "b": Text, "n": Integer}
    typed = {key: types.get(key, BigInteger) for key in table.keys}
    if table.key_type == "uuid":
        typed = {"id": Uuid}
    names = dict.fromkeys((*table.keys, table.n, "tenant", "title"))
    columns = [
        Column(
            name,
            typed.get(name) or (Text if name == "title" else Integer),
            primary_key=name in table.keys,
        )
        for name in names
    ]
    schema = None if table.schema == "public" else table.schema
    return SaTable(
        table.name,
        MetaData(),
        *columns,
        Column(table.column, full, declared),
        schema=schema,
    )


def _act(
    table: Table,
    declared: Mapping[str, str],
    line: str,
    given: Mapping[str, str],
    passes: Callable[[Row], bool] | None,
    usual: bool,
    driver: str,
    chosen: State,
    reflected: bool,
    place: Place,
) -> Answer:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fields = {name: value(text) for name, text in declared.items()}
        arguments = {name: eval(text, _names()) for name, text in given.items()}
    matryoshka = Matryoshka(**fields)
    made = model(table, matryoshka)
    names = _names() | {
        "t": made,
        "n": table.n,
        "full": table.column,
        "keys": [made.c[key] for key in table.keys],
        "other": model(table, Matryoshka(4)),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            statement, target = eval(f"({_first_two(line)})", names)
        except Exception as error:
            raise Unsent from error
    found = search(statement, target, **arguments)

    def read(connection: Any) -> list[Any]:
        if reflected:
            return [str(each) for each in registered(connection)]
        for _ in range(2):
            answered = connection.execute(found).all()
        return answered  # type: ignore[no-any-return]

    path = place.world.extension
    if driver == "psycopg":
        with session(place.url, chosen, path) as opened:
            engine = create_engine(
                "postgresql+psycopg://",
                creator=lambda: opened.conn,
                poolclass=StaticPool,
                pool_reset_on_return=None,
            )
            opened.handlers += 1
            with engine.connect() as connection:
                rows = read(connection)
    elif driver == "asyncpg":
        rows = asyncio.run(_asyncpg(place.url, chosen, path, read))
    else:
        rows = asyncio.run(_async(place.url, chosen, path, read))
    if reflected or not usual or table.bad or "index" in given:
        return Answer()
    return _answer(table, fields, arguments, passes, chosen, rows)


def _first_two(line: str) -> str:
    """`statement, column` of a call's text."""
    inner = line.removeprefix("search(").removesuffix(")")
    for name in ("query", "k", "candidates", "ef_search", "max_scan_tuples", "exact"):
        inner = inner.split(f", {name}=")[0]
    for name in ("rerank", "recall", "quantile", "index"):
        inner = inner.split(f", {name}=")[0]
    return inner


def _names() -> dict[str, Any]:
    """Names for evaluating the expressions of this interface."""
    return {
        **NAMES,
        "Column": Column,
        "MetaData": MetaData,
        "Matryoshka": Matryoshka,
        "VECTOR": VECTOR,
        "bindparam": bindparam,
        "distance": distance,
        "func": func,
        "literal": literal,
        "search": search,
        "seen": seen,
        "select": select,
        "text": text,
        "union_all": union_all,
    }


async def _async(
    url: str, chosen: State, path: str | None, read: Callable[[Any], list[Any]]
) -> list[Any]:
    async with session_async(url, chosen, path) as opened:

        async def creator() -> Any:
            return opened.conn

        engine = create_async_engine(
            "postgresql+psycopg://", async_creator=creator, pool_reset_on_return=None
        )
        opened.handlers += 1
        async with engine.connect() as connection:
            return await connection.run_sync(read)


async def _asyncpg(
    url: str, chosen: State, path: str | None, read: Callable[[Any], list[Any]]
) -> list[Any]:
    import asyncpg

    conn = await asyncpg.connect(url)
    try:
        for line in script(chosen, path):
            await conn.execute(line.decode())

        async def creator() -> Any:
            return conn

        engine = create_async_engine(
            "postgresql+asyncpg://", async_creator=creator, pool_reset_on_return=None
        )
        before = {row[0]: row[1] for row in await conn.fetch(SETTINGS.decode())}
        try:
            async with engine.connect() as connection:
                return await connection.run_sync(read)
        finally:
            if conn.is_in_transaction():
                await conn.execute("rollback")
            now = {row[0]: row[1] for row in await conn.fetch(SETTINGS.decode())}
            changed = [
                name
                for name, setting in now.items()
                if before.get(name, setting) != setting and name not in FREE
            ]
            if changed:
                raise Leaked(f"{changed}")
    finally:
        conn.terminate()


def _answer(
    table: Table,
    fields: Mapping[str, Any],
    given: Mapping[str, Any],
    passes: Callable[[Row], bool] | None,
    chosen: State,
    rows: list[Any],
) -> Answer:
    """The answer that the rows are checked as."""
    keys = len(table.keys)
    k = int(given.get("k", 10))
    candidates = given.get("candidates")
    if not isinstance(candidates, int):
        # exact search uses neither
        candidates = max(160, 8 * k)
    query = given["query"]
    if hasattr(query, "effective_value"):
        query = query.effective_value
    hits = [(row[0] if keys == 1 else tuple(row[:keys]), row[keys]) for row in rows]
    bounded = "max_scan_tuples" in given or "max_scan_tuples" in chosen.before
    exact = bool(given.get("exact"))
    # a caller who limits the scan checks `seen`
    flagged = bounded and (not rows or (rows[0][-1] or 0) < candidates)
    expected = Expected(
        table,
        query,
        fields["distance"],
        k,
        None if exact else candidates,
        passes,
    )
    return Answer(hits, expected, flagged)
