"""Makes an index the one that searches use if they name none."""

from psycopg import errors

from mrl_pg.build import definitions
from mrl_pg.calibration.measuring import NOT_INSTALLED
from mrl_pg.catalog.facts import check_ready
from mrl_pg.catalog.read import find_names, read_facts
from mrl_pg.errors import IndexMismatch, IndexNotFound, NotInstalled
from mrl_pg.exchange import AnyConn, Exchange, Send
from mrl_pg.exchange.server_message import server_message
from mrl_pg.layout import IndexLayout


def switch(conn: AnyConn, layout: IndexLayout) -> Exchange[str]:
    """One update in the catalog; see `MatryoshkaIndex.switch`."""
    facts = yield from read_facts(layout)
    if not facts.mrl_installed:
        raise NotInstalled(NOT_INSTALLED)
    try:
        check_ready(layout, facts)
    except (IndexNotFound, IndexMismatch):
        renamed = yield from find_names(conn, layout, facts)
        if renamed is None:
            raise
        layout = renamed
    try:
        (row,) = yield Send(definitions.call("call_switch", layout))
    except errors.UndefinedObject as error:
        # it is there, but the registry does not know it
        raise IndexNotFound(
            f"{layout}: {server_message(error)}; `mrl-pg status` says what is wrong"
        ) from error
    name: str = row["name"]
    return name
