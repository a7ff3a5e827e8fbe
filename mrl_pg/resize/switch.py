"""Makes an index the one that searches use if they name none."""

from psycopg import errors

from mrl_pg.build import definitions
from mrl_pg.calibration import measuring
from mrl_pg.errors import IndexNotFound
from mrl_pg.exchange import AnyConn, Exchange, Send
from mrl_pg.exchange.server_message import server_message
from mrl_pg.layout import IndexLayout


def switch(conn: AnyConn, layout: IndexLayout) -> Exchange[str]:
    """One update in the catalog; see `MatryoshkaIndex.switch`."""
    layout, _ = yield from measuring.ready(conn, layout, registered=False)
    try:
        (row,) = yield Send(definitions.call("call_switch", layout))
    except errors.UndefinedObject as error:
        # it is there, but the registry does not know it
        raise IndexNotFound(
            f"{layout}: {server_message(error)}; `mrl-pg status` says what is wrong"
        ) from error
    name: str = row["name"]
    return name
