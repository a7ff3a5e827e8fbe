"""Deletes rows by key, or those that a filter lets through."""

from collections.abc import Iterable
from typing import Any

from psycopg import errors

from mrl_pg.catalog.slots import condition, statement
from mrl_pg.errors import InvalidSetting
from mrl_pg.exchange import AnyConn, Exchange, Find, Send, cursors, transaction
from mrl_pg.layout import Searched
from mrl_pg.rows.facts import RowFacts, known_row_facts
from mrl_pg.rows.keys import GivenKeys, given_keys
from mrl_pg.search.filter import (
    Filter,
    Params,
    about_filter,
    check_filter,
    in_text,
    refusal,
)
from mrl_pg.search.result import own_columns


def delete(
    conn: AnyConn,
    searched: Searched,
    keys: Iterable[Any] | None,
    filter: Filter,
    params: Params,
) -> Exchange[int]:
    """How many rows were deleted, in one transaction."""
    check_filter(filter, params)
    if (keys is None) == (filter is None):
        raise InvalidSetting(
            "neither keys nor a filter: give keys=[…] or filter=… to delete rows; "
            "filter='true' deletes every row"
            if keys is None
            else "both keys and a filter: leave one of the two out, or delete by "
            "filter='id = any (%s) and …' with params=[keys]"
        )
    return (yield from transaction(_delete(conn, searched, keys, filter, params)))


def _delete(
    conn: AnyConn,
    searched: Searched,
    keys: Iterable[Any] | None,
    filter: Filter,
    params: Params,
) -> Exchange[int]:
    facts = yield from known_row_facts(conn, searched)
    if filter is not None:
        return (yield from _by_filter(conn, facts, in_text(conn, filter), params))
    given = given_keys(facts, keys)
    if not given.count:
        return 0
    (row,) = yield delete_request(facts, given)
    count: int = row["rows"]
    return count


def delete_request(facts: RowFacts, given: GivenKeys) -> Send:
    """The statement that deletes the rows with some keys."""
    query = statement("delete_by_key", table=facts.table, **given.slots)
    return Send(query, given.params)


def _by_filter(
    conn: AnyConn, facts: RowFacts, text: str, params: Params
) -> Exchange[int]:
    """Send the filter as a search does, with the caller's adapters for its values."""
    query = statement("delete_by_filter", table=facts.table, filter=condition(text))
    # needed without values, too, because it turns %% into %
    values = {} if params is None else params
    request = Find(cursors.as_bytes(conn, query), values, prepare=False)
    try:
        answer = yield request
    except errors.Error as error:
        if not about_filter(error):
            raise
        raise refusal(text, facts.where, error) from error
    # a class of the caller may raise any error while its value is written
    except Exception as error:
        raise refusal(text, facts.where, error) from error
    (own,) = own_columns(answer, "rows")
    return int(own["rows"])
