"""Inputs for the functions of the schema `mrl`, called from SQL."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from psycopg import sql

from mrl_pg import MatryoshkaIndex
from support.hostile.by_python import in_text, visible
from support.hostile.draw import Argument, Draw, literal
from support.hostile.filters import Filter
from support.hostile.ground import Place
from support.hostile.inputs import Input
from support.hostile.judge import Answer, Expected
from support.hostile.session import Session, session, state
from support.hostile.tables import MODELS, SECOND, WORLDS, Row, Table
from support.hostile.values import INJECTIONS, TEXTS, value

FUNCTIONS = {
    "search": 22,
    "search_keys": 14,
    "search_many": 10,
    "search_sql": 10,
    "create_search_function": 8,
    "create_index": 6,
    "create_index_sql": 4,
    "preflight": 3,
    "drop_index": 4,
    "switch_index": 4,
    "switch_column": 4,
    "in_use_column": 1,
    "recall": 5,
    "calibrate": 4,
    "sample_queries": 3,
    "keep_query": 4,
    "sample_distances": 2,
    "keep_distance": 3,
    "forget_queries": 2,
    "kept_queries": 2,
    "register": 3,
    "unregister": 2,
    "truncate": 3,
    "index_bytes": 1,
    "version": 1,
    "indexes": 1,
    "status": 3,
    "repair_sql": 3,
    "keep_as_sql": 3,
}
SEARCHES = (
    "search",
    "search_keys",
    "search_many",
    "search_sql",
    "create_search_function",
)
READING = (
    *SEARCHES[:4],
    *("create_index_sql", "preflight", "kept_queries", "truncate", "index_bytes"),
    *("status", "repair_sql", "keep_as_sql", "in_use_column"),
)

# SQL can hold neither NUL nor half a character
WORDS = [
    literal(text)
    for text in [value(text) for text in TEXTS if text[0] in "'\""]
    if isinstance(text, str) and text.isprintable() | ("\n" in text)
] + [
    "null",
    "5",
    "true",
    "1.5",
    "array['a']",
    "'x'::name",
    "current_user",
    "'{}'::jsonb",
]
NUMBERS = [
    *("0", "-1", "1", "2147483647", "-2147483648", "2147483648", "9223372036854775807"),
    *(
        "'5'",
        "1.5",
        "'x'",
        "null",
        "''",
        "true",
        "1e400",
        "'NaN'",
        "'Infinity'",
        "5::int8",
    ),
    *(
        "10000",
        "1000000000",
        "1000000001",
        "1001",
        "array[1]",
        "'1; select 1'",
        "5::int2",
    ),
    *(
        "'-0'::float8",
        "0.0",
        "' 7 '",
        "current_date",
        "'0x10'",
        "'1_000'",
        "1000::numeric",
    ),
]
FLOATS = [
    *NUMBERS,
    "'NaN'::float8",
    "'Infinity'::float8",
    "'-Infinity'::float8",
    "1e-300",
]
FLAGS = ["null", "'yes'", "'x'", "1", "''", "false"]
VECTORS = [
    *("null", "'[]'", "'[1]'", "'{1,2}'", "'[1,2,3,4,5,6,7]'", "'[1,2,3,4,5,6,7,8,9]'"),
    *("'[0,0,0,0,0,0,0,0]'", "'[NaN,1,1,1,1,1,1,1]'", "'[1e39,1,1,1,1,1,1,1]'", "5"),
    *("'[1e38,1e38,1e38,1e38,1e38,1e38,1e38,1e38]'", "'[0,0,0,0,1,1,1,1]'", "''"),
    *("'[1e-40,1e-40,1e-40,1e-40,0,0,0,0]'", "'[65520,1,1,1,1,1,1,1]'", "'[1e-46]'"),
    *(
        "'[1,2,3,4,5,6,7,8]'::halfvec",
        "'{1:1}/8'::sparsevec",
        "'x'",
        "array[1,2]::vector",
    ),
    *("array_fill(1::float4, array[8])", "array_fill(1::float4, array[8])::vector"),
    *("'11111111'::bit(8)", "'[1,2,3,4,5,6,7,8]'::text", "null::vector", "'[,]'"),
    *("(select embedding from docs limit 1)", "array_fill(1, array[16000])::vector"),
    *("'[1e20,1e20,1e20,1e20,1e20,1e20,1e20,1e20]'", "true", "'[null]'"),
]
TABLES = [
    *(
        "null",
        "0",
        "-1",
        "1259",
        "'nope'",
        "'public.docs.x'",
        "'\"'",
        "'pg_class'",
        "''",
    ),
    *(
        "'view'",
        "'keyless'",
        "'loose'",
        "'numbers'",
        "'docs_pkey'",
        "99999999::oid",
        "5.5",
    ),
    *(
        "'docs'::text",
        "'mrl.registry'",
        "'a.b.c.d'",
        "'parts_0'",
        "'child'",
        "'marker'",
    ),
    *("'docs'::name", "4294967295", "array['docs']", "'DOCS'", "' docs '", "'docs '"),
    *map(literal, INJECTIONS),
]
TYPES = [
    *(
        "null::int",
        "null",
        "'docs'",
        "null::docs[]",
        "null::pg_class",
        "null::record",
        "5",
    ),
    *(
        "row(1)",
        "null::text",
        "(select d from docs d limit 1)",
        "null::view",
        "null::vector",
    ),
    *(
        "null::mrl.registry",
        "null::pg_temp.docs",
        "null::parts_0",
        "null::child",
        "null::jsonb",
    ),
    *(
        "null::keyless",
        "null::loose",
        "null::numbers",
        "'{}'::jsonb",
        "null::anyelement",
    ),
    *(
        "null::numeric",
        "null::uuid",
        "null::bigint[]",
        "null::regclass",
        "null::bit(3)",
    ),
]
ARGS = [
    *(
        "'{}'",
        "array[null]",
        "array['a', 'b']",
        "array_fill('x'::text, array[17])",
        "'x'",
    ),
    *(
        "array[array['1']]",
        "'{{1},{2}}'",
        "array[5]",
        "null",
        "'[2:3]={1,2}'",
        "array['']",
    ),
    *(
        "array['1; select 1']",
        "array['NaN']",
        "array['99999999999999999999']",
        "5",
        "'{1'",
    ),
]
COLUMNS = [
    *(
        "array['nope']",
        "'{}'",
        "array['ctid']",
        "array[null]",
        "array['n', 'n']",
        "null",
        "'x'",
    ),
    *(
        "array['*']",
        "array['']",
        "array['embedding']",
        "array[array['n']]",
        "array['n, n']",
    ),
    *(f"array[{literal(text[:60])}]" for text in INJECTIONS[:3]),
]
PARAMETERS = [
    *(
        "array['a int; drop table docs']",
        "array['a int default 5']",
        "array['out a int']",
    ),
    *(
        "array['variadic a int[]']",
        "array['']",
        "array[null]",
        "array['a']",
        "array['a nope']",
    ),
    *(
        "array['\"x y\" int']",
        "array['k int']",
        "array['query int']",
        "array['a int, b int']",
    ),
    *(
        "array['int']",
        "array['a int = (select 1)']",
        "array['inout a int']",
        "array['a int[]']",
    ),
    *(
        "array_fill('a int'::text, array[2])",
        "array_fill('a int'::text, array[200])",
        "'{}'",
    ),
    *(
        "array['a vector']",
        "array['a record']",
        "array['a anyelement']",
        "array['a void']",
    ),
    *(
        "array['a int) returns int language sql as $$ select 1 $$; --']",
        "array['a setof int']",
    ),
    *(
        "array['a docs']",
        "array['a \"int\"']",
        "array['a int /* x */']",
        "array['a int -- x']",
    ),
    *(f"array[{literal(text)}]" for text in INJECTIONS),
]
QUERIES = [
    *("null", "'{}'", "array[null]::vector[]", "array['[1]']::vector[]", "'x'", "5"),
    *("array['[1,2,3,4,5,6,7,8]', null]::vector[]", "'[1,2,3,4,5,6,7,8]'::vector"),
    "array[array['[1,2,3,4,5,6,7,8]'], array['[1,2,3,4,5,6,7,9]']]::vector[]",
    *(
        "array['[1,2,3,4,5,6,7,8]', '[1,2]']::vector[]",
        "array['[0,0,0,0,0,0,0,0]']::vector[]",
    ),
    '\'[5:6]={"[1,2,3,4,5,6,7,8]","[2,2,3,4,5,6,7,8]"}\'::vector[]',
    *("array_fill('[1,2,3,4,5,6,7,8]'::vector, array[70])", "array[]::vector[]"),
    *(
        "array['[1,2,3,4,5,6,7,8]']::halfvec[]",
        "(select array_agg(embedding) from docs)",
    ),
]


def draw(draw: Draw, world: str) -> Input:
    """One call of one function."""
    table = draw.table(WORLDS[world])
    layout = draw.layout(table)
    function = draw.weighted(FUNCTIONS)
    condition = draw.filter(table) if draw.chance(0.4) else None
    if condition is not None and not _sendable(condition.sql):
        condition = None
    given = draw.arguments(_arguments(draw, table, layout, function))
    if function not in (*SEARCHES, "recall", "calibrate"):
        condition = None
    if condition is not None:
        given["filter"] = literal(condition.sql)
        if condition.args and function == "create_search_function":
            given.setdefault("parameters", f"array{['a int'] * len(condition.args)}")
            if "any ($1" in condition.sql:
                given["parameters"] = "array['a int[]']"
            elif len(condition.args) == 2:
                given["parameters"] = "array['a int', 'b int']"
        elif condition.args and function != "search_sql":
            given["args"] = literal([*condition.args]) + "::text[]"
            if draw.chance(0.1):
                given["args"] = draw.one(ARGS)
    chosen = state(draw, secured=table.secured)
    if "datestyle" in chosen.before:
        # psycopg cannot read it
        chosen = replace(chosen, before="")
    text = _text(function, table, given)
    known = condition is None or (
        condition.passes is not None
        and (
            function in ("search_sql", "create_search_function")
            or _usual_args(condition, given)
        )
    )
    passes: Callable[[Row], bool] | None = None
    if known:
        condition_passes = condition.passes if condition else None

        def passes(row: Row) -> bool:
            seen = visible(table, chosen)(row)
            return seen and (condition_passes is None or condition_passes(row))

    loose = condition is not None or any(
        given.get(name) in PARAMETERS or name == "function_name" for name in given
    )
    act = partial(_act, function, table, layout, given, text, passes, condition, chosen)
    return Input(
        "SQL",
        world,
        f"{text}\n[{chosen}]",
        act,
        # PostgreSQL calls these syntax errors
        filtered=loose or "'a.b.c.d'" in text or "null::record" in text,
        changes=function not in READING,
        in_steps=function == "create_search_function",
    )


def _sendable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _usual_args(condition: Filter, given: Mapping[str, str]) -> bool:
    if not condition.args:
        return "args" not in given
    return given.get("args") == literal([*condition.args]) + "::text[]"


def _arguments(
    draw: Draw, table: Table, layout: MatryoshkaIndex, function: str
) -> dict[str, Argument]:
    def vector() -> str:
        return f"'{draw.numbers()}'"

    name = Argument(lambda: literal(table.quoted()), TABLES)
    full = Argument(lambda: literal(table.column), WORDS)
    place = {"table_name": name, "full_column": full}
    dims = Argument(lambda: str(layout.dims), NUMBERS)
    kind = Argument(lambda: literal(layout.kind), WORDS)
    distance = Argument(lambda: literal(layout.distance), WORDS)
    index = Argument(lambda: literal(layout.name), WORDS)
    # dims and kind together, because either alone may mean two indexes
    which = {"index_name": index}
    k = Argument(draw.count, NUMBERS, 0.7)
    effort = {
        "candidates": Argument(
            lambda: draw.count((400, 400, 401, 999, 1000, 1500, 10)), NUMBERS, 0.5
        ),
        "ef_search": Argument(lambda: draw.count((1000, 400)), NUMBERS, 0.1),
        "max_scan_tuples": Argument(
            lambda: draw.count((1, 100, 20000, 2147483647)), NUMBERS, 0.1
        ),
        "rerank": Argument(lambda: draw.count((400, 1000)), NUMBERS, 0.1),
    }
    recall = Argument(lambda: draw.one(("0.9", "0.99", "1")), FLOATS, 0.1)
    search = {
        "k": k,
        **effort,
        **which,
        "exact": Argument(lambda: "true", FLAGS, 0.08),
        "recall": recall,
        "quantile": Argument(lambda: "0.9", FLOATS, 0.05),
    }
    if draw.chance(0.05):
        search["dims"] = Argument(lambda: str(layout.dims), NUMBERS, 0.5)
        search["kind"] = Argument(lambda: literal(layout.kind), WORDS, 0.5)
    query = Argument(vector, VECTORS)
    several = Argument(
        lambda: (
            literal([str(draw.numbers()) for _ in range(draw.one((1, 2, 5)))])
            + "::vector[]"
        ),
        QUERIES,
    )
    maybe = Argument(several.usual, QUERIES, 0.3)
    sample = Argument(lambda: draw.count((1, 3, 8)), NUMBERS)
    of_type = Argument(lambda: f"null::{table.quoted()}", TYPES)
    no_exact = {name: search[name] for name in search if name != "exact"}
    if function == "search":
        return {"of_type": of_type, "full_column": full, "query": query, **search}
    if function == "search_keys":
        key = Argument(lambda: f"null::{table.key_type}", TYPES)
        return {"of_type": key, **place, "query": query, **search}
    if function == "search_many":
        return {"of_type": of_type, "full_column": full, "queries": several, **search}
    if function == "search_sql":
        columns = Argument(lambda: "null", COLUMNS, 0.1)
        return {**place, **no_exact, "columns": columns}
    if function == "create_search_function":
        called = Argument(lambda: "'public.near'", WORDS)
        parameters = Argument(lambda: "'{}'", PARAMETERS, 0.0)
        return {"function_name": called, **place, **no_exact, "parameters": parameters}
    if function in ("create_index", "create_index_sql", "preflight"):
        return {
            **place,
            "dims": Argument(lambda: str(draw.one((1, 2, 3, 5, 8))), NUMBERS),
            "kind": kind,
            "distance": Argument(distance.usual, WORDS, 0.5),
            "m": Argument(lambda: "8", NUMBERS, 0.2),
            "ef_construction": Argument(lambda: "70", NUMBERS, 0.2),
            "short_column": Argument(lambda: "'short'", WORDS, 0.1),
            "index_name": Argument(lambda: "'index of it'", WORDS, 0.1),
            **(
                {"concurrent": Argument(lambda: "true", FLAGS, 0.3)}
                if function != "create_index"
                else {}
            ),
        }
    if function in ("switch_column", "in_use_column"):
        models = Argument(lambda: literal(MODELS.name), TABLES)
        first = Argument(lambda: literal(MODELS.column), WORDS)
        second = Argument(lambda: literal(SECOND), WORDS)
        allow = Argument(lambda: "true", FLAGS, 0.3)
        if function == "in_use_column":
            return {"table_name": models, "full_column": first}
        both = {"from_column": first, "to_column": second}
        return {"table_name": models, **both, "allow_missing": allow}
    if function in ("drop_index", "switch_index"):
        return {
            **place,
            "dims": Argument(dims.usual, NUMBERS, 0.7),
            "kind": Argument(kind.usual, WORDS, 0.7),
            "index_name": Argument(index.usual, WORDS, 0.3),
        }
    if function == "recall":
        keep = Argument(lambda: "true", FLAGS, 0.2)
        return {
            **place,
            "k": k,
            "sample": sample,
            **effort,
            **which,
            "queries": maybe,
            "keep": keep,
        }
    if function == "calibrate":
        return {**place, "k": k, "sample": sample, **which, "queries": maybe}
    if function == "keep_distance":
        return {**place, "k": k, "distance": Argument(lambda: "0.5", FLOATS)}
    if function in ("sample_queries", "sample_distances"):
        share = Argument(lambda: draw.one(("0", "1", "0.5")), FLOATS)
        return {**place, "share": share, "most": Argument(lambda: "5", NUMBERS, 0.5)}
    if function == "keep_query":
        return {**place, "query": query, "drawn": Argument(lambda: "true", FLAGS, 0.3)}
    if function == "forget_queries":
        dates = ["null", "'infinity'", "'x'", "'-infinity'", "'4714-11-24 BC'", "5"]
        return {**place, "before": Argument(lambda: "current_date", dates, 0.5)}
    if function == "kept_queries":
        return {**place, "sample": Argument(lambda: "5", NUMBERS, 0.5)}
    if function == "register":
        return {
            "table_id": name,
            "full_column": full,
            "short_column": Argument(lambda: literal(layout.short), WORDS),
            "index_name": index,
            "dims": dims,
            "kind": kind,
            "distance": distance,
        }
    if function == "unregister":
        return {"table_id": name, "index_name": index}
    if function == "truncate":
        short = Argument(lambda: draw.count((1, 4, 8)), NUMBERS)
        typed = Argument(
            lambda: f"{vector()}::{draw.one(('vector', 'halfvec'))}", VECTORS
        )
        return {"v": typed, "dims": short}
    if function in ("status", "repair_sql"):
        check_rows = Argument(lambda: "true", FLAGS, 0.5)
        return {"only_table": name, "check_rows": check_rows}
    if function == "keep_as_sql":
        keep = Argument(lambda: draw.one(("'expression'", "'trigger'")), WORDS)
        return {**place, "keep": keep, **which}
    if function == "index_bytes":
        return {"index": Argument(lambda: literal(layout.name), TABLES)}
    return {}


def _text(function: str, table: Table, given: Mapping[str, str]) -> str:
    if function == "indexes":
        return "select * from mrl.indexes"
    listed = ", ".join(f"{name} => {text}" for name, text in given.items())
    what = "*"
    keys = ", ".join(map(_identifier, table.keys))
    if not table.bad and function == "search":
        what = keys
    if not table.bad and function == "search_many":
        hit = ", ".join(f"(hit).{_identifier(key)}" for key in table.keys)
        what = f"query, distance, {hit}"
    return f"select {what} from mrl.{function}({listed})"


def _identifier(name: str) -> str:
    return sql.Identifier(name).as_string()


def _act(
    function: str,
    table: Table,
    layout: MatryoshkaIndex,
    given: Mapping[str, str],
    text: str,
    passes: Callable[[Row], bool] | None,
    condition: Filter | None,
    chosen: Any,
    place: Place,
) -> Answer:
    path = place.world.extension
    with session(place.url, chosen, path=path) as opened:
        if opened.conn.closed:
            return Answer()
        found = run(opened, text)
        if function == "search_sql" and found:
            found = _prepared(opened, found[0][0], given, condition)
        elif function == "create_search_function" and found:
            found = _called(opened, found[0][0], condition)
        return _answer(opened, function, table, layout, given, passes, found)


READS = ("select", "execute")


def run(opened: Session, text: str) -> list[tuple[Any, ...]]:
    """Rows of a statement, as tuples of Python's values."""
    from psycopg import Cursor
    from psycopg.rows import tuple_row

    with Cursor(opened.conn, row_factory=tuple_row) as cursor:
        cursor.execute(text.encode())
        # in pipeline mode it is not known yet whether rows come
        returning = cursor.description or opened.state.block == "pipeline"
        return cursor.fetchall() if returning and text.startswith(READS) else []


QUERY = "'[0.5,-1,2,0.25,1,-0.5,0.125,1]'"


def _prepared(
    opened: Session, text: Any, given: Mapping[str, str], condition: Filter | None
) -> list[tuple[Any, ...]]:
    """Rows of a text of search_sql, prepared and run seven times."""
    if isinstance(text, bytes):
        text = text.decode()
    run(opened, f"prepare hostile as {text}")
    try:
        values = [literal(arg) for arg in (condition.args if condition else None) or ()]
        call = f"execute hostile ({', '.join([*values, QUERY])})"
        for _ in range(6):
            run(opened, call)
        return run(opened, call)
    finally:
        if opened.conn.info.transaction_status != 3:
            run(opened, "deallocate hostile")


def _called(
    opened: Session, signature: Any, condition: Filter | None
) -> list[tuple[Any, ...]]:
    """Rows of a function that create_search_function made."""
    if isinstance(signature, bytes):
        signature = signature.decode()
    values = [literal(arg) for arg in (condition.args if condition else None) or ()]
    name = signature[: signature.rindex("(")]
    return run(opened, f"select * from {name}({', '.join([*values, QUERY])})")


def _answer(
    opened: Session,
    function: str,
    table: Table,
    layout: MatryoshkaIndex,
    given: Mapping[str, str],
    passes: Callable[[Row], bool] | None,
    found: Sequence[tuple[Any, ...]],
) -> Answer:
    """The answer that rows of a search are checked as."""
    silent = function in ("search_sql", "create_search_function")
    # that statement does not report missing rows; a caller who limits it expects them
    bounded = "max_scan_tuples" in given or "max_scan_tuples" in opened.state.before
    flagged = opened.flagged or (function == "search_sql" and bounded)
    plain = Answer(flagged=flagged)
    if (
        function not in SEARCHES
        or table.bad
        or not _usual(function, table, layout, given)
    ):
        return plain
    if silent and given.get("columns", "null") != "null":
        return plain
    k = _number(given.get("k", "10"))
    if k is None or _number(given.get("candidates", "1")) is None:
        # another text that the server reads as a number
        return plain
    candidates = _candidates(given, k)
    keys = len(table.keys)

    def expected(query: str) -> Expected:
        return Expected(table, _vector(query), layout.distance, k, candidates, passes)

    if function == "search":
        hits = [(_key(row), None) for row in found]
        return Answer(hits, expected(given["query"]), flagged)
    if function == "search_keys":
        told = [(from_json(table, key), far) for key, far in found]
        return Answer(told, expected(given["query"]), flagged)
    if function == "create_search_function":
        return Answer(
            [(_key(row[:keys]), None) for row in found], expected(QUERY), flagged
        )
    if silent:
        told = [(_key(row[:keys]), row[keys]) for row in found]
        return Answer(told, expected(QUERY), flagged)
    whole = Answer(flagged=flagged)
    texts = _several(given["queries"])
    if texts is None:
        return plain
    for number, query in enumerate(texts, 1):
        told = [(_key(row[2:]), row[1]) for row in found if row[0] == number]
        whole.more.append(Answer(told, expected(query), flagged))
    return whole


def _usual(
    function: str, table: Table, layout: MatryoshkaIndex, given: Mapping[str, str]
) -> bool:
    """Whether the search is on the drawn table and by the drawn distance."""
    of_type = f"null::{table.quoted()}"
    placed = {
        "of_type": f"null::{table.key_type}" if function == "search_keys" else of_type,
        "table_name": literal(table.quoted()),
        "full_column": literal(table.column),
        "index_name": literal(layout.name),
    }
    for name, text in placed.items():
        if given.get(name, text) != text:
            return False
    return all(name not in given for name in ("dims", "kind"))


def _number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def _candidates(given: Mapping[str, str], k: int) -> int | None:
    if given.get("exact") == "true":
        return None
    named = _number(given.get("candidates", ""))
    return max(160, 8 * k) if named is None else named


def _key(values: Sequence[Any]) -> Any:
    return in_text(values[0] if len(values) == 1 else tuple(values))


def from_json(table: Table, key: Any) -> Any:
    """A key of search_keys, in the form of the other interfaces."""
    if isinstance(key, dict):
        return tuple(key[name] for name in table.keys)
    return tuple(key) if isinstance(key, list) else key


def _vector(text: str) -> Any:
    try:
        return [float(part) for part in text.strip("'[]").split(",")]
    except ValueError:
        return None


def _several(text: str) -> list[str] | None:
    """Queries of an array literal, if it was drawn as a usual value."""
    if text in QUERIES:
        return None
    inner = text.removesuffix("::vector[]").strip("'{}")
    return [part.strip('"') for part in inner.split('","')]
