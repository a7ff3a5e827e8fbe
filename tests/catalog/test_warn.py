"""Warnings name the caller's line, whatever lies between it and where they arise."""

import asyncio
import warnings
from typing import Any

import psycopg
import pytest

from mrl_pg import MatryoshkaIndex, NotUnitLengthWarning, PgvectorWarning
from mrl_pg.errors.warn import warn

Conn = psycopg.Connection[Any]
INDEX = MatryoshkaIndex("docs", "embedding", dims=2, distance="l2")


@pytest.fixture
def docs(conn: Conn) -> Conn:
    """Vectors that are not of length 1."""
    conn.execute("create table docs (id int primary key, embedding vector(3))")
    conn.execute("insert into docs values (1, '[1, 2, 3]')")
    return conn


def test_a_warning_names_the_line_that_asked() -> None:
    with pytest.warns(UserWarning, match="^loose$") as seen:
        warn("loose", UserWarning)
    assert seen[0].filename == __file__


def test_a_warning_of_a_verb_names_the_line_that_asked(docs: Conn) -> None:
    with pytest.warns(NotUnitLengthWarning) as seen:
        INDEX.create(docs)
    assert seen[0].filename == __file__
    INDEX.drop(docs)


def test_a_warning_of_an_async_verb_does_too(docs: Conn, database: str) -> None:
    async def create() -> None:
        async with await psycopg.AsyncConnection.connect(database) as conn:
            await INDEX.create_async(conn)

    with pytest.warns(NotUnitLengthWarning) as seen:
        asyncio.run(create())
    assert seen[0].filename == __file__


def test_a_warning_that_is_an_error_undoes_the_build(docs: Conn) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", PgvectorWarning)
        with pytest.raises(NotUnitLengthWarning):
            INDEX.create(docs)
    assert INDEX.drop(docs).done == ()
