"""A `filter` of the caller: its text, and the error if the server refuses it."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from psycopg import (
    AsyncClientCursor,
    AsyncConnection,
    ClientCursor,
    errors,
    sql,
)

from mrl_pg import arguments
from mrl_pg.arguments import shown
from mrl_pg.catalog.facts import Facts
from mrl_pg.errors import InvalidFilter, InvalidSetting
from mrl_pg.exchange import AnyConn, cursors

Filter: TypeAlias = "str | sql.Composable | None"
"""A condition on the table's columns; its values are in `params`."""

Params: TypeAlias = "Mapping[str, Any] | Sequence[Any] | None"
"""Values of a `filter`: a mapping for `%(name)s`, a sequence for `%s`."""


OF_TENANT = "mrl_tenant"
"""The parameter with the key of a tenant, in a filter that this library made."""


def check_filter(filter: Filter, params: Params, *, of_tenant: bool = False) -> None:
    """Raise InvalidFilter for a bad condition, or InvalidSetting for bad values."""
    _check_text(filter)
    _check_params(filter, params)
    if isinstance(params, Mapping):
        ours = {OF_TENANT} if of_tenant else set()
        reserved = [
            name for name in params if str(name).startswith("mrl_") and name not in ours
        ]
        if reserved:
            raise InvalidSetting(
                f"params has {reserved[0]!r}: names that begin with mrl_ belong to "
                "the search itself; rename the parameter"
            )


def written_out(
    conn: AnyConn,
    filter: Filter,
    params: Params,
    facts: Facts,
) -> str | None:
    """The condition with its values in it, for SQL without placeholders.

    Raises InvalidFilter if placeholders and values do not fit.
    """
    if filter is None:
        return None
    text = in_text(conn, filter)
    if isinstance(conn, AsyncConnection):
        mogrify = AsyncClientCursor(conn).mogrify
    else:
        mogrify = ClientCursor(conn).mogrify
    try:
        query = text.encode(cursors.encoding(conn))
        # needed without values, too, because it turns %% into %
        return mogrify(query, {} if params is None else params)
    except UnicodeDecodeError as error:
        # in SQL_ASCII psycopg reads its own text as ASCII
        return error.object.decode("utf-8", "backslashreplace")
    # a class of the caller may raise any error while its value is written
    except Exception as error:
        raise refusal(text, facts.where, error) from error


def in_text(conn: AnyConn, filter: "str | sql.Composable") -> str:
    """The condition as text, its placeholders still in it; raises InvalidFilter."""
    if isinstance(filter, str):
        return filter
    try:
        try:
            text = filter.as_string(conn)
        except UnicodeEncodeError:
            # psycopg fails in SQL_ASCII, although the server takes any text
            text = filter.as_string()
    except Exception as error:
        raise InvalidFilter(
            f"filter={shown(filter)} cannot be written as SQL: {error}"
        ) from error
    _check_text(text)
    return text


def refusal(filter: str, where: str, error: Exception) -> InvalidFilter:
    """An InvalidFilter that quotes the condition on a table and the reason."""
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return InvalidFilter(
        f"filter={filter!r} cannot run: {reason}. Write a condition on columns "
        f"of {where}, values as %(name)s with "
        "params={…} or %s with params=[…], and a literal percent sign as %%"
    )


def about_filter(error: errors.Error) -> bool:
    """Whether SQL does not parse, or does not fit its tables or its values."""
    if isinstance(error, errors.InsufficientPrivilege):
        return False
    refused = (errors.ProgrammingError, errors.DataError)
    unsent = isinstance(error, refused) and not error.sqlstate
    return unsent or (error.sqlstate or "").startswith(("42", "22P02"))


def _check_text(filter: Filter) -> None:
    if filter is None or isinstance(filter, sql.Composable):
        return
    if not isinstance(filter, str):
        raise InvalidFilter(
            f"filter={shown(filter)} is not a condition: write it in SQL, as text or "
            "composed by psycopg.sql"
        )
    if reason := arguments.unfit(filter):
        raise InvalidFilter(f"filter={shown(filter)} {reason}")


def _check_params(filter: Filter, params: Params) -> None:
    if params is None:
        return
    texts = (str, bytes, bytearray, memoryview)
    if not isinstance(params, (Mapping, Sequence)) or isinstance(params, texts):
        raise InvalidSetting(
            f"params={shown(params)} are not values: pass a mapping for %(name)s "
            "or a list for %s"
        )
    if filter is None and len(params):
        raise InvalidSetting("params= was given without filter=, which would use them")
