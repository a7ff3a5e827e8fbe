"""Inputs for `load`: arrays, and files of every format: whole, damaged and strange."""

import asyncio
import gzip
import io
import json
import tempfile
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mrl_pg.load import (
    load,
    load_async,
    load_blocks,
    update,
    update_async,
    update_blocks,
)
from support.hostile import values
from support.hostile.draw import Argument, Draw
from support.hostile.ground import Place
from support.hostile.inputs import Input
from support.hostile.judge import Answer, Wrong
from support.hostile.session import State, session, session_async, state
from support.hostile.tables import vectors
from support.hostile.values import value

ROWS = 12
TABLES = (
    *("made", "made", "docs", "plain", "halves", "empty"),
    *("parts", "uuids", "loose"),
)
FORMATS = (".npy", ".npz", ".jsonl", ".jsonl.gz", ".csv", ".csv.gz", ".parquet")

STRANGE_CELLS = [
    *(
        "None",
        "nan",
        "inf",
        "''",
        "'x'",
        "True",
        "2**63",
        "2**64",
        "10**400",
        "-0.0",
        "1.5",
    ),
    *(
        "'a\\0b'",
        "'\\ud800'",
        "[]",
        "[1, 2]",
        "{'a': 1}",
        "'[1,2]'",
        "'2020-01-01'",
        "1e400",
    ),
    *(
        "'null'",
        "'\\\\N'",
        "'\"'",
        "'a,b'",
        "'a\\nb'",
        "'é' * 50",
        "0",
        "-1",
        "'\\ufeff'",
    ),
]
STRANGE_VECTORS = [
    *(
        "None",
        "[]",
        "[1]",
        "[1] * 7",
        "[1] * 9",
        "[nan] * 8",
        "[inf] * 8",
        "['1'] * 8",
        "5",
    ),
    *(
        "'x'",
        "[None] * 8",
        "[[1] * 8]",
        "[1e39] * 8",
        "[10**400] * 8",
        "[True] * 8",
        "{}",
    ),
    *("'[1,2,3,4,5,6,7,8]'", "'[1,2'", "[1e-50] * 8", "[0] * 8", "''", "[1] * 20000"),
]
ARRAYS = [
    *(
        "np.ones((3, 8))",
        "np.ones((3, 8), 'f2')",
        "np.ones((3, 8), '>f8')",
        "np.ones(8)",
    ),
    *(
        "np.ones((0, 8))",
        "np.ones((3, 0))",
        "np.ones((3, 8), int)",
        "np.ones((3, 8), bool)",
    ),
    *(
        "np.ones((3, 8), object)",
        "np.ones((3, 8), complex)",
        "np.ones((2, 3, 8))",
        "[]",
    ),
    *(
        "np.full((3, 8), nan)",
        "np.full((3, 8), 1e39)",
        "np.ones((3, 8), 'g')",
        "None",
        "5",
    ),
    *(
        "np.array(5.0)",
        "np.ones((3, 8), 'U1')",
        "np.ones((3, 8)).T",
        "np.ones((3, 16001))",
    ),
    *("np.ma.masked_array(np.ones((3, 8)), True)", "np.matrix(np.ones((3, 8)))", "[5]"),
    *(
        "np.ones(3, [('embedding', 'f4', 8)])",
        "np.ones((3, 8), 'M8[s]')",
        "'x'",
        "iter([])",
    ),
]
BESIDE = [
    *(
        "{}",
        "{'title': ['a'] * 3}",
        "{'title': ['a'] * 2}",
        "{'id': [1, 1, 1]}",
        "{'id': [None] * 3}",
    ),
    *(
        "{'embedding': [1] * 3}",
        "{'': [1] * 3}",
        "{5: [1] * 3}",
        "{'a\\0': [1] * 3}",
        "5",
        "[]",
    ),
    *(
        "{'t': np.ones(3, 'M8[s]')}",
        "{'t': np.ones(3, 'm8[s]')}",
        "{'t': [object()] * 3}",
    ),
    *(
        "{'t': np.ones(3, complex)}",
        "{'t': ['a', 5, None]}",
        "{'t': [2**70] * 3}",
        "{'t': 5}",
    ),
    *(
        "{'t': np.ones((3, 2))}",
        "{'t': [b'x'] * 3}",
        "{'t': iter([1, 2, 3])}",
        "{'x' * 70: [1] * 3}",
    ),
    *(
        "{'t': np.ones(3, 'u8')}",
        "{'t': np.array(['a', 'b\\0', 'c'])}",
        "{'t': ['\\udcff'] * 3}",
    ),
]


def draw(draw: Draw, world: str) -> Input:
    """One load of one file or array."""
    of = {
        "table": Argument(lambda: repr(draw.one(TABLES)), values.TEXTS),
        "schema": Argument(lambda: "'public'", values.TEXTS, 0.2),
        "column": Argument(lambda: "'embedding'", values.TEXTS, 0.3),
        "key": Argument(lambda: "'id'", values.TEXTS, 0.3),
        "kind": Argument(
            lambda: draw.one(("'vector'", "'halfvec'")), values.TEXTS, 0.3
        ),
        "storage": Argument(lambda: "'plain'", values.TEXTS, 0.1),
        "block_rows": Argument(lambda: draw.count((1, 3, 100)), values.NUMBERS, 0.3),
    }
    chosen = state(draw)
    is_async = draw.chance(0.3)
    if draw.chance(0.25):
        array = draw.one(ARRAYS) if draw.chance(0.5) else ARRAYS[0]
        beside = draw.one(BESIDE) if draw.chance(0.5) else BESIDE[1]
        by_key = draw.chance(0.4)
        if by_key:
            of = _of_update(draw, of)
            beside = draw.one(BESIDE) if draw.chance(0.3) else "{'id': [1, 2, 3]}"
        given = draw.arguments(of)
        name = "update_blocks" if by_key else "load_blocks"
        line = f"{name}(conn, {array}, columns={beside}, {_listed(given)})"
        return Input(
            "load",
            world,
            f"{line}\n[{chosen}]",
            partial(_act_array, array, beside, given, chosen, by_key),
            changes=True,
            # each batch is committed
            in_steps=by_key,
        )
    by_key = draw.chance(0.3)
    if by_key:
        of = _of_update(draw, of)
    given = draw.arguments(
        {
            **of,
            "vectors": Argument(lambda: "'embedding'", values.TEXTS, 0.05),
            **({} if by_key else _of_load()),
            "vector_bytes": Argument(lambda: "'float32'", values.TEXTS, 0.02),
            "delimiter": Argument(lambda: "','", values.TEXTS, 0.05),
            "header": Argument(lambda: "True", values.FLAGS, 0.05),
            "encoding": Argument(lambda: "'utf-8'", values.TEXTS, 0.05),
        }
    )
    suffix = draw.one(FORMATS)
    content, about = _content(draw, suffix)
    name = "update" if by_key else "load"
    line = f"{name}{'_async' * is_async}(conn, <{about}>, {_listed(given)})"
    return Input(
        "load",
        world,
        f"{line}\n[{chosen}]",
        partial(_act_file, suffix, content, given, chosen, is_async, by_key),
        changes=True,
        in_steps=by_key,
    )


def _of_load() -> dict[str, Argument]:
    return {
        "columns": Argument(lambda: "['title']", values.COLUMNS, 0.1),
        "skip": Argument(lambda: "['titl*']", values.COLUMNS, 0.1),
    }


def _of_update(draw: Draw, of: Mapping[str, Argument]) -> dict[str, Argument]:
    """Arguments of an update by key, from those of a load."""
    shared = {name: one for name, one in of.items() if name != "storage"}
    added = {
        "table": Argument(lambda: repr(draw.one(TABLES[2:])), values.TEXTS),
        "column": Argument(lambda: draw.one(("'embedding'", "'more'")), values.TEXTS),
        "key": Argument(lambda: "['id']", values.COLUMNS, 0.2),
        "add_column": Argument(lambda: "True", values.FLAGS, 0.3),
        "only_missing": Argument(lambda: "True", values.FLAGS, 0.2),
    }
    return shared | added


def _listed(given: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={text}" for name, text in given.items())


def _content(draw: Draw, suffix: str) -> tuple[Callable[[], bytes], str]:
    """A function that makes the bytes of a file, and a description of it."""
    seed = draw.random.randrange(10**6)
    strange = {
        draw.random.randrange(ROWS): (
            draw.one(STRANGE_VECTORS),
            draw.one(STRANGE_CELLS),
        )
        for _ in range(draw.weighted({0: 70.0, 1: 20.0, 3: 10.0}))
    }
    damage = draw.chance(0.35)
    about = f"{suffix} of {ROWS} rows, odd ones {strange}, seed {seed}"

    def make() -> bytes:
        lots = Draw(seed, 0)
        whole = FILES[suffix.removesuffix(".gz")](strange, lots)
        whole = gzip.compress(whole) if suffix.endswith(".gz") else whole
        return damaged(whole, lots) if damage else whole

    return make, about + ", damaged" * damage


def damaged(whole: bytes, lots: Draw) -> bytes:
    """The bytes, with some of them changed, removed or repeated."""
    changed = bytearray(whole)
    for _ in range(lots.one((1, 1, 2, 5, 20))):
        place = lots.random.randrange(max(1, len(changed)))
        # most of a file's structure is in its first bytes
        place = (
            place if lots.chance(0.5) else lots.random.randrange(min(200, place + 1))
        )
        way = lots.one(("flip", "flip", "byte", "cut", "drop", "twice", "junk"))
        if not changed:
            break
        if way == "flip":
            changed[place] ^= 1 << lots.random.randrange(8)
        elif way == "byte":
            changed[place] = lots.one((0, 10, 34, 92, 123, 125, 255))
        elif way == "cut":
            del changed[place:]
        elif way == "drop":
            del changed[place : place + lots.random.randrange(1, 30)]
        elif way == "twice":
            changed[place:place] = changed[place : place + lots.random.randrange(1, 60)]
        else:
            changed[place:place] = lots.random.randbytes(lots.random.randrange(1, 20))
    return bytes(changed)


Strange = Mapping[int, tuple[str, str]]


def _rows(strange: Strange) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"id": 1000 + place, "title": f"title {place}", "embedding": vector.tolist()}
        for place, vector in enumerate(vectors(ROWS, seed=9))
    ]
    for place, (vector, cell) in strange.items():
        found[place] |= {"embedding": value(vector), "title": value(cell)}
    return found


def _jsonl(strange: Strange, _: Draw) -> bytes:
    lines = [json.dumps(row) for row in _rows(strange)]
    return "\n".join(lines).encode("utf8", "surrogatepass")


def _csv(strange: Strange, _: Draw) -> bytes:
    import csv

    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, ["id", "title", "embedding"])
    writer.writeheader()
    writer.writerows(_rows(strange))
    return buffer.getvalue().encode("utf8", "surrogatepass")


def _npy(strange: Strange, lots: Draw) -> bytes:
    buffer = io.BytesIO()
    matrix: Any = vectors(ROWS, seed=9).astype(lots.one(("f4", "f8", "f2", ">f4")))
    if strange:
        matrix = value(lots.one([text for text in ARRAYS if text.startswith("np.")]))
    np.save(buffer, matrix, allow_pickle=True)
    return buffer.getvalue()


def _npz(strange: Strange, lots: Draw) -> bytes:
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {
        "id": np.arange(1000, 1000 + ROWS),
        "embedding": vectors(ROWS, seed=9),
        "title": np.array([f"title {place}" for place in range(ROWS)]),
    }
    for vector, cell in strange.values():
        name = lots.one([*arrays])
        arrays[name] = np.array(value(cell if name != "embedding" else vector), object)
    np.savez(buffer, allow_pickle=True, **arrays)
    return buffer.getvalue()


def _parquet(strange: Strange, _: Draw) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    rows = _rows(strange)
    for name in ("title", "embedding"):
        try:
            pa.array([row[name] for row in rows])
        except (pa.ArrowException, OverflowError, UnicodeEncodeError):
            # it cannot be a column, so write it as text
            for row in rows:
                row[name] = ascii(row[name])
    buffer = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


FILES: Mapping[str, Callable[[Strange, Draw], bytes]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".jsonl": _jsonl,
    ".csv": _csv,
    ".parquet": _parquet,
}


def _act_file(
    suffix: str,
    content: Callable[[], bytes],
    given: Mapping[str, str],
    chosen: State,
    is_async: bool,
    by_key: bool,
    place: Place,
) -> Answer:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arguments = {name: value(text) for name, text in given.items()}
        whole = content()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"file{suffix}")
        path.write_bytes(whole)
        if is_async:
            report = asyncio.run(_load(place, chosen, path, arguments, by_key))
        else:
            with session(place.url, chosen, place.world.extension) as opened:
                before = _count(opened.conn, arguments)
                report = (update if by_key else load)(opened.conn, path, **arguments)
                added = 0 if by_key else report.rows
                _check(before, _count(opened.conn, arguments), added)
    str(report)
    return Answer()


async def _load(
    place: Place,
    chosen: State,
    path: Path,
    arguments: Mapping[str, Any],
    by_key: bool,
) -> Any:
    act = update_async if by_key else load_async
    async with session_async(place.url, chosen, place.world.extension) as opened:
        return await act(opened.conn, path, **arguments)


def _act_array(
    array: str,
    beside: str,
    given: Mapping[str, str],
    chosen: State,
    by_key: bool,
    place: Place,
) -> Answer:
    act: Any = update_blocks if by_key else load_blocks
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arguments = {name: value(text) for name, text in given.items()}
        matrix, columns = value(array), value(beside)
    with session(place.url, chosen, place.world.extension) as opened:
        before = _count(opened.conn, arguments)
        report = act(opened.conn, matrix, columns=columns, **arguments)
        added = 0 if by_key else report.rows
        _check(before, _count(opened.conn, arguments), added)
    return Answer()


def _count(conn: Any, arguments: Mapping[str, Any]) -> int | None:
    """Rows of the table, if it has one of the usual names and can be read now."""
    from psycopg import pq

    table = arguments["table"]
    if not isinstance(table, str) or table not in TABLES:
        return None
    if conn.closed or "schema" in arguments:
        return None
    if conn.info.transaction_status == pq.TransactionStatus.INERROR:
        return None
    if conn.info.pipeline_status != pq.PipelineStatus.OFF:
        return None
    asked = (
        "select pg_catalog.has_table_privilege(pg_catalog.to_regclass('{0}'), 'select')"
    )
    readable = conn.pgconn.exec_(asked.format(table).encode()).get_value(0, 0)
    if readable != b"t":
        return 0 if readable is None else None
    found = conn.pgconn.exec_(f"select pg_catalog.count(*) from {table}".encode())
    return int(found.get_value(0, 0) or 0)


def _check(before: int | None, after: int | None, rows: int) -> None:
    if before is not None and after is not None and after != before + rows:
        raise Wrong(f"{before} rows and {rows} loaded ones are {after}")
