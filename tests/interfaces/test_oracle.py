"""Every interface gives the rows of exact search when the candidates cover the table.

In the same order, at the same distances, and by the index: the server's own counters
say which was scanned.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.databases import Server
from support.interfaces import (
    CANDIDATES,
    INTERFACES,
    TABLES,
    Case,
    Library,
    open_library,
    shell,
    truth,
)
from support.versions import one_version

LAYOUTS = [
    pytest.param(word, place, id=f"{word}-{index.kind}-{index.distance}")
    for word, table in TABLES.items()
    for place, index in enumerate(table.layouts)
]


@pytest.fixture(scope="module")
def library(pg_server: Server) -> Iterator[Library]:
    with open_library(pg_server) as library:
        yield library


@pytest.mark.parametrize("filtered", [False, True], ids=["all", "filtered"])
@pytest.mark.parametrize(("word", "place"), LAYOUTS)
def test_every_interface_answers_what_exact_search_does(
    library: Library, word: str, place: int, filtered: bool
) -> None:
    table = TABLES[word]
    assert len(table.rows) < CANDIDATES
    case = Case(table, table.layouts[place], filtered)
    exact = truth(library, case)
    for name, interface in INTERFACES.items():
        hits, scans = interface(library, case)
        assert hits == exact, name
        if table.rows:
            assert scans > 0, f"{name} did not use {case.index.name}"


@pytest.mark.parametrize(
    ("word", "place"), [each for each in LAYOUTS if "-bit-" in str(each.id)]
)
def test_every_interface_answers_the_same_if_all_candidates_are_read(
    library: Library, word: str, place: int
) -> None:
    table = TABLES[word]
    case = Case(table, table.layouts[place], filtered=True, rerank=CANDIDATES)
    exact = truth(library, Case(table, table.layouts[place], filtered=True))
    for name, interface in INTERFACES.items():
        hits, _ = interface(library, case)
        assert hits == exact, name


@one_version
@pytest.mark.parametrize("word", TABLES)
def test_more_rows_are_asked_for_than_there_are(library: Library, word: str) -> None:
    table = TABLES[word]
    case = Case(table, table.layouts[0], filtered=False, k=CANDIDATES)
    exact = truth(library, case)
    for name, interface in INTERFACES.items():
        hits, _ = interface(library, case)
        assert hits == exact, name


@one_version
@pytest.mark.parametrize("word", TABLES)
def test_the_command_answers_what_exact_search_does(
    library: Library, word: str, tmp_path: Path
) -> None:
    table = TABLES[word]
    case = Case(table, table.layouts[0], filtered=True)
    exact = truth(library, case)
    hits, scans = shell(library, case, tmp_path)
    # JSON has no keys but numbers and text
    plain = [(k if isinstance(k, (int, tuple)) else str(k), far) for k, far in exact]
    assert hits == plain
    assert scans > 0
