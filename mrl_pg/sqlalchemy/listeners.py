"""`register`: listens to SQLAlchemy's connections, errors and reflected tables.

Importing mrl_pg registers nothing. You can declare, create tables and search without
listeners; the query is then sent as text.
"""

from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, MetaData, Table

from mrl_pg.arguments import flag
from mrl_pg.errors import InvalidSetting
from mrl_pg.sqlalchemy import declare, mismatch, reflect, sharded, stand_in, vector

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine


def register(
    *targets: "Engine | AsyncEngine | MetaData", fallback: bool = False
) -> None:
    """Listen to your engines and metadata, or to all if you name none.

        register(engine, Base.metadata)

    On an engine: psycopg sends queries in binary, and a search raises IndexMismatch
    instead of the driver's error, or SpreadTable for a table that Citus spreads, which
    the engine learns as it connects. On a MetaData: `Table(…, autoload_with=…)`
    and `reflect` find declarations again. Call it before the engine connects; calling
    it again changes nothing.

    `fallback=True`: while the declared index is not there, as before a migration, the
    engine's searches use another index of the same column and distance. The columns
    `index_name` and `fallback` of a search say so, and the log does. The engine reads
    the registry when it first connects, and then every ten seconds as long as a
    declared index is missing. With `schema_translate_map`, the other index must be in
    every schema that has such a table.

    Raises InvalidSetting for anything else.
    """
    fallback = flag("fallback", fallback)
    for target in targets or (Engine, MetaData):
        own: Any = getattr(target, "sync_engine", target)
        if own is Engine or isinstance(own, Engine):
            vector.listen(own)
            mismatch.listen(own)
            sharded.listen(own)
            if fallback:
                stand_in.listen(own)
        elif own is MetaData:
            reflect.listen(Table)
            declare.listen_to_every_table()
        elif isinstance(own, MetaData):
            reflect.listen(own)
        else:
            raise InvalidSetting(
                f"register takes engines and MetaData, this is of type "
                f"{type(target).__name__}: pass engine, Base.metadata, or nothing at "
                "all"
            )
