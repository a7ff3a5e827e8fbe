"""Reads the short columns of a database, as the view mrl.indexes lists them."""

from mrl_pg import source
from mrl_pg.catalog.read import MISSING, not_installed
from mrl_pg.errors import NotInstalled
from mrl_pg.exchange import Exchange, Row, look


def read_indexes() -> Exchange[list[Row]]:
    """The rows of mrl.indexes, by table and size; raises NotInstalled."""
    try:
        return (yield from look(source.statement("indexes").encode()))
    except MISSING as error:
        if not not_installed(error):
            raise
        raise NotInstalled(
            "the database side of mrl_pg is not installed in this database: "
            "run `mrl-pg install`"
        ) from error
