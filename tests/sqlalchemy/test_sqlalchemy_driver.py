"""Verbs on a SQLAlchemy connection: what is sent, answered, undone and refused."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, create_mock_engine
from sqlalchemy.exc import DBAPIError
from support.search_models import driver

from mrl_pg.exchange import Exchange, Find, Script, Send, transaction
from mrl_pg.exchange.server_message import server_message
from mrl_pg.sqlalchemy.driver import run


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    engine = create_engine(driver(database))
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def send(text: str) -> Exchange[Any]:
    return (yield Send(text))


def test_rows_come_by_name_and_nothing_in_a_text_is_a_parameter(
    connection: Connection,
) -> None:
    assert run(connection, send("select ':a %(b)s %' as text, 1 as n")) == [
        {"text": ":a %(b)s %", "n": 1}
    ]
    assert run(connection, send("create temp table mine (id int)")) == []


def test_what_fails_in_a_transaction_is_undone_and_said(connection: Connection) -> None:
    def body() -> Exchange[None]:
        yield Script("create table mine (id int); insert into mine values (1)")
        yield Send(
            "do $$ begin raise 'no' using hint = 'wait', errcode = '55000'; end $$"
        )

    with pytest.raises(DBAPIError) as raised:
        run(connection, transaction(body()))
    said = server_message(raised.value)
    assert (said.sqlstate, said.message, said.hint) == ("55000", "no", "wait")
    # the caller's transaction goes on
    assert run(connection, send("select to_regclass('mine') as there")) == [
        {"there": None}
    ]


def test_a_verb_may_go_on_after_an_error(connection: Connection) -> None:
    def verb() -> Exchange[Any]:
        try:
            yield from transaction(send("select 1 / 0"))
        except DBAPIError:
            return (yield Send("select 2 as n"))

    assert run(connection, verb()) == [{"n": 2}]


def test_a_mock_connection_is_handed_the_text() -> None:
    printed: list[str] = []
    mock = create_mock_engine(
        "postgresql://", lambda sql, *_, **__: printed.append(sql.text)
    )
    assert run(mock, transaction(send("select ':a'"))) == []
    assert printed == [r"select '\:a'"]


def test_searches_and_parameters_are_not_for_it(connection: Connection) -> None:
    def parameter() -> Exchange[Any]:
        return (yield Send("select %s", [1]))

    def search() -> Exchange[Any]:
        return (yield Find(b"select 1", [], prepare=False))

    with pytest.raises(TypeError, match="values written into it"):
        run(connection, parameter())
    with pytest.raises(TypeError, match="Find needs a connection of psycopg"):
        run(connection, search())
