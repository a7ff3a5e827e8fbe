"""Switches searches from the full column of one model to that of another."""

from psycopg import errors, sql

from mrl_pg import source
from mrl_pg.arguments import flag
from mrl_pg.catalog.facts import Facts, check_installed
from mrl_pg.catalog.read import read_facts
from mrl_pg.errors import (
    IndexNotFound,
    InvalidSetting,
    TableError,
)
from mrl_pg.exchange import Exchange, Send
from mrl_pg.exchange.server_message import server_message
from mrl_pg.layout import ColumnLayout, IndexLayout


def switch_column(
    searched: ColumnLayout, to_column: str, allow_missing: bool
) -> Exchange[str]:
    """One update in the catalog; answers the name of the index that answers now."""
    allowed = flag("allow_missing", allow_missing)
    to = ColumnLayout(searched.table, to_column, searched.schema)
    facts = yield from read_column(searched)
    yield from read_column(to)
    names = {
        "table": sql.Identifier(facts.schema, facts.table).as_string(),
        "from_column": searched.column,
        "to_column": to.column,
        "allow_missing": allowed,
    }
    try:
        (row,) = yield Send(source.statement("switch_column"), names)
    except errors.UndefinedObject as error:
        raise IndexNotFound(f"{to}: {server_message(error)}") from error
    except errors.InvalidParameterValue as error:
        raise InvalidSetting(f"{searched}: {server_message(error)}") from error
    except errors.ObjectNotInPrerequisiteState as error:
        raise TableError(str(server_message(error))) from error
    answers: str = row["answers"]
    return answers


def read_column(column: ColumnLayout) -> Exchange[Facts]:
    """Facts of a full column; raises an error if it is not there or cannot be used."""
    layout = IndexLayout(column.table, column.column, dims=1, schema=column.schema)
    facts = yield from read_facts(layout)
    check_installed(facts)
    return facts
