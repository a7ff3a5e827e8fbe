"""Inputs for the command `mrl-pg`, each in a fork of this process."""

import json
import signal
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from mrl_pg import MatryoshkaIndex, MrlError
from support import command
from support.hostile import values
from support.hostile.draw import Argument, Draw
from support.hostile.ground import Place
from support.hostile.inputs import Input
from support.hostile.judge import Answer, Expected, Hang
from support.hostile.tables import MODELS, SECOND, WORLDS, Table
from support.hostile.values import value

COMMANDS = {
    "search": 45.0,
    "create": 10.0,
    "drop": 6.0,
    "switch": 3.0,
    "remodel": 2.0,
    "resize": 3.0,
    "calibrate": 6.0,
    "recall": 8.0,
    "queries": 8.0,
    "indexes": 4.0,
    "load": 8.0,
    "install": 3.0,
    "uninstall": 1.0,
}
SECONDS = 14
TRACEBACK = "Traceback (most recent call last)"


class ByCommand(MrlError):
    """The command refused the input with a message and an exit code of its own."""


class Broke(Exception):
    """The command failed without a message that says what went wrong."""


# a shell cannot pass NUL
WORDS = sorted(
    {
        text
        for text in map(value, values.TEXTS)
        if type(text) is str and "\0" not in text and "\ud800" not in text
    },
    key=repr,
)
NUMBERS = [
    *(
        "0",
        "-1",
        "1.5",
        "x",
        "",
        "nan",
        "inf",
        "2147483648",
        "9" * 400,
        "1e5",
        " 5",
        "true",
    ),
    *("\u0661", "1_000", "0x10", "--k", "-"),
]
FILES: Mapping[str, bytes] = {
    "no.json": b"",
    "list.json": b"[1, 2, 3]",
    "nan.json": b"[NaN, 1, 1, 1, 1, 1, 1, 1]",
    "inf.json": b"[Infinity, 1, 1, 1, 1, 1, 1, 1]",
    "big.json": b"[1e400, 1, 1, 1, 1, 1, 1, 1]",
    "digits.json": b"[" + b"9" * 5000 + b"]",
    "deep.json": b"[" * 100000,
    "text.json": b'["a", "b"]',
    "mix.json": b'[1, "2", null, true, 5, 6, 7, 8]',
    "map.json": b'{"a": 1}',
    "nested.json": b"[[1, 2], [3]]",
    "null.json": b"null",
    "latin.json": b"[1, \xe9]",
    "bom.json": b"\xef\xbb\xbf[1,2,3,4,5,6,7,8]",
    "utf16.json": "[1,2]".encode("utf16"),
    "no.npy": b"",
    "cut.npy": b"\x93NUMPY\x01\x00v\x00{'descr': '<f4'",
    "junk.npy": bytes(range(256)),
    "pickle.npy": b"\x80\x04N.",
    "zip.npy": b"PK\x03\x04junk",
}


def draw(draw: Draw, world: str) -> Input:
    """One command line."""
    table = draw.table(WORLDS[world])
    layout = draw.layout(table)
    name = draw.weighted(COMMANDS)
    query = draw.numbers()
    given = draw.arguments(_arguments(draw, table, layout, name))
    arguments = [name]
    for option, text in given.items():
        if option in ("TABLE", "COLUMN", "FILE"):
            arguments.append(text)
        elif text == "(flag)":
            arguments.append(option)
        else:
            arguments += [option, text]
    if draw.chance(0.04):
        arguments.insert(draw.random.randrange(len(arguments) + 1), draw.one(WORDS))
    act = partial(_act, table, layout, given, arguments, query)
    return Input(
        "mrl-pg",
        world,
        f"mrl-pg {arguments}\n(query.json holds {query})",
        act,
        filtered="--filter" in given,
        changes=name not in ("search", "indexes", "remodel"),
    )


def _arguments(
    draw: Draw, table: Table, layout: MatryoshkaIndex, name: str
) -> dict[str, Argument]:
    quoted = ".".join(
        '"' + part.replace('"', '""') + '"' for part in (table.schema, table.name)
    )
    flag = Argument(lambda: "(flag)", ["(flag)"], 0.5)
    place = {
        "TABLE": Argument(lambda: quoted, WORDS),
        "COLUMN": Argument(lambda: table.column, WORDS),
    }
    dims = str(draw.one((1, 3, 5)) if name == "create" else layout.dims)
    index = {
        "--dims": Argument(lambda: dims, NUMBERS),
        "--kind": Argument(lambda: layout.kind, WORDS),
        "--distance": Argument(lambda: layout.distance, WORDS),
        "--short": Argument(lambda: "short", WORDS, 0.0),
        "--name": Argument(lambda: "an index", WORDS, 0.0),
    }
    files = [*FILES, "nowhere.json", "/", "-", "folder"]
    query = {"--query": Argument(lambda: "query.json", files)}
    effort = {
        "--k": Argument(draw.count, NUMBERS, 0.6),
        "--candidates": Argument(lambda: draw.count((400, 1000)), NUMBERS, 0.5),
        "--ef-search": Argument(lambda: "1000", NUMBERS, 0.1),
        "--max-scan-tuples": Argument(lambda: "20000", NUMBERS, 0.1),
        "--recall": Argument(lambda: "0.9", NUMBERS, 0.1),
        "--quantile": Argument(lambda: "0.9", NUMBERS, 0.05),
    }
    where = {"--filter": Argument(lambda: "tenant = 1", _wheres(), 0.2)}
    shown = {"--json": Argument(lambda: "(flag)", ["(flag)"], 0.7)}
    queries = {"--queries": Argument(lambda: "query.json", files, 0.3)}
    sample = {"--sample": Argument(lambda: draw.count((1, 3)), NUMBERS)}
    if name == "search":
        columns = {"--columns": Argument(lambda: "title", WORDS, 0.2), "--exact": flag}
        return {**place, **index, **query, **effort, **where, **columns, **shown}
    if name == "create":
        memory = {"--maintenance-work-mem": Argument(lambda: "64MB", WORDS, 0.1)}
        workers = {"--workers": Argument(lambda: "0", NUMBERS, 0.1)}
        return {**place, **index, **memory, **workers, **shown}
    if name == "remodel" or (name == "switch" and draw.chance(0.3)):
        models = {
            "TABLE": Argument(lambda: MODELS.name, WORDS),
            "COLUMN": Argument(lambda: MODELS.column, WORDS),
        }
        return {**models, "--to": Argument(lambda: SECOND, WORDS), **shown}
    if name in ("drop", "switch"):
        return {**place, **index, **shown}
    if name == "resize":
        measured = {"--no-calibrate": Argument(lambda: "(flag)", ["(flag)"], 0.8)}
        wanted = {"--dims": Argument(lambda: draw.one(("1", "3", "7")), NUMBERS)}
        kind = {"--kind": Argument(lambda: "bit", WORDS, 0.3)}
        ends = {"--switch": flag, "--drop-old": flag}
        k = {"--k": effort["--k"]}
        return {**place, **wanted, **kind, **measured, **k, **sample, **ends, **shown}
    if name == "calibrate":
        return {**place, **index, **sample, **queries, **where, **shown}
    if name == "recall":
        floor = {"--min": Argument(lambda: "0.5", NUMBERS, 0.2)}
        more = {"--keep": Argument(lambda: "(flag)", ["(flag)"], 0.2)}
        return {
            **place,
            **index,
            **effort,
            **sample,
            **queries,
            **floor,
            **more,
            **shown,
        }
    if name == "queries":
        return {
            **place,
            "--share": Argument(lambda: "0.5", NUMBERS, 0.5),
            "--most": Argument(lambda: "5", NUMBERS, 0.2),
            "--forget": Argument(lambda: "(flag)", ["(flag)"], 0.2),
            "--before": Argument(lambda: "2026-01-01", WORDS, 0.1),
            **shown,
        }
    if name == "load":
        rows = Argument(lambda: "rows.jsonl", files)
        into = Argument(lambda: draw.one(("made", "docs", quoted)), WORDS)
        other = {"--key": Argument(lambda: "id", WORDS, 0.2)}
        return {
            "FILE": rows,
            "TABLE": into,
            "COLUMN": place["COLUMN"],
            "--update": Argument(lambda: "(flag)", ["(flag)"], 0.3),
            "--add-column": Argument(lambda: "(flag)", ["(flag)"], 0.1),
            **other,
            **shown,
        }
    return shown if name == "indexes" else {}


def _wheres() -> list[str]:
    from support.hostile.filters import HOSTILE

    return [text for text in HOSTILE if len(text) < 100_000 and "\0" not in text]


def _act(
    table: Table,
    layout: MatryoshkaIndex,
    given: Mapping[str, str],
    arguments: list[str],
    query: list[float],
    place: Place,
) -> Answer:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in FILES.items():
            Path(folder, name).write_bytes(content)
        Path(folder, "folder").mkdir()
        Path(folder, "query.json").write_text(json.dumps(query))
        rows = [{"id": 5000 + i, "embedding": query} for i in range(3)]
        Path(folder, "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
        line = [*arguments, "--dsn", f"{place.url}&options=-cstatement_timeout%3D10s"]
        done = _run(folder, line)
    said = f"exit code {done.returncode}\n{done.stderr}"
    if done.returncode == -signal.SIGALRM:
        raise Hang(said)
    if TRACEBACK in done.stderr or not 0 <= done.returncode <= 20:
        raise Broke(said)
    if done.returncode:
        if "canceling statement due to statement timeout" in done.stderr:
            raise Hang(said)
        raise ByCommand(said)
    if arguments[0] != "search" or "--json" not in given:
        return Answer()
    return _answer(table, layout, given, query, json.loads(done.stdout))


def _run(folder: str, line: list[str]) -> Any:
    from mrl_pg.cli.app import run

    def limited() -> object:
        import os

        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(SECONDS)
        os.chdir(folder)
        return run()

    return command.forked(["mrl-pg", *line], limited, text="[1, 2]")


def _answer(
    table: Table,
    layout: MatryoshkaIndex,
    given: Mapping[str, str],
    query: list[float],
    found: dict[str, Any],
) -> Answer:
    usual = given.get("--query") == "query.json" and not table.bad
    if not usual or table.key_type in ("jsonb", "uuid"):
        return Answer()
    if given["COLUMN"] != table.column or given["--distance"] != layout.distance:
        return Answer()
    where = given.get("--filter")
    known = where in (None, "tenant = 1")
    expected = Expected(
        table,
        query,
        layout.distance,
        found["k"],
        None if found["scan"] == "exact" else found["candidates"],
        (lambda row: where is None or row.tenant == 1) if known else None,
    )
    hits = [(hit["key"], hit["distance"]) for hit in found["hits"]]
    return Answer(hits, expected, found["cut_short"])
