"""Which model filled a column: read from the registry, compared, and written there."""

from dataclasses import dataclass

from psycopg import sql

from mrl_pg import source
from mrl_pg.arguments import check_text
from mrl_pg.catalog.in_use import name_of
from mrl_pg.catalog.read import read_column_facts
from mrl_pg.catalog.slots import statement
from mrl_pg.embed.protocol import Embedder
from mrl_pg.errors import ModelMismatch, NotInstalled
from mrl_pg.exchange import AsyncConn, Conn, Exchange, Send, look, run, run_async
from mrl_pg.layout import Searched
from mrl_pg.models import find

UNKNOWN_BEFORE = (
    "The model is not recorded, because the column had vectors before and nobody said "
    "of which model: select mrl.set_model(…)."
)
NOT_OWNED = (
    "The model is not recorded, because only the table's owner may: "
    "select mrl.set_model(…)."
)
NOT_THERE = (
    "The model is not recorded, because the schema mrl is not installed: run "
    "mrl-pg install."
)


@dataclass(frozen=True, slots=True)
class ColumnModel:
    """A column, its size, and the model that filled it; None if that is not known.

    `there` is false if there is no such column. `note` says why a load cannot record
    the model, or is empty.
    """

    table: str
    column: str
    dims: int | None
    model: str | None
    there: bool
    note: str = ""

    def check(self, embedder: Embedder) -> None:
        """Raise ModelMismatch if another model filled the column."""
        if self.model is None or is_same(self.model, embedder.name):
            return
        raise ModelMismatch(
            f"{self.table}.{self.column} was filled by {self.model}, and "
            f"{embedder.name} gives vectors that cannot be compared with its rows: use "
            "that model, load into another column, or correct the name with "
            "mrl.set_model"
        )


def is_same(one: str, other: str) -> bool:
    """Whether two names mean one model, whichever way it is run."""
    if one == other:
        return True
    models = [find(name.partition(":")[2] or name) for name in (one, other)]
    return models[0] is not None and models[0] is models[1]


def set_model(conn: Conn, searched: Searched, model: str | None) -> None:
    """Say which model filled a column, such as `openai:text-embedding-3-small`.

    None takes that back. `searched` is a MatryoshkaColumn or a MatryoshkaIndex. Only
    the owner of the table may; raises NotInstalled without the `mrl` schema.
    """
    run(conn, write_model(searched, model))


async def set_model_async(
    conn: AsyncConn, searched: Searched, model: str | None
) -> None:
    """The same on an asynchronous connection."""
    return await run_async(conn, write_model(searched, model))


def write_model(searched: Searched, model: str | None) -> Exchange[None]:
    """The verb of `set_model`."""
    if model is not None:
        check_text("model", model)
    known = yield from read_model(searched)
    if known.note == NOT_THERE:
        raise NotInstalled(
            "the registry keeps the model of a column, and this database has none: run "
            "mrl_pg.install(conn) or `mrl-pg install`"
        )
    yield from check_there(searched, known)
    named = {**_names(searched), "model": model}
    yield Send(source.statement("set_model").encode(), named)


def read_model(searched: Searched, *, loading: bool = False) -> Exchange[ColumnModel]:
    """What is known of a column; with `loading`, also whether it has vectors."""
    (row,) = yield from look(
        source.statement("column_model").encode(), _names(searched)
    )
    model = None
    if row["installed"] and row["has_column"]:
        rows = yield from look(
            source.statement("known_model").encode(), _names(searched)
        )
        model = rows[0]["model"] if rows else None
    note = ""
    if not row["installed"]:
        note = NOT_THERE
    elif not row["owned"]:
        note = NOT_OWNED
    elif loading and model is None and row["has_column"]:
        asked = statement(
            "has_vectors",
            table=sql.Identifier(row["schema"], row["table"]),
            column=sql.Identifier(searched.column),
        )
        (answer,) = yield Send(asked)
        note = UNKNOWN_BEFORE if answer["filled"] else ""
    there = row["has_column"]
    return ColumnModel(searched.table, searched.column, row["dims"], model, there, note)


def check_there(searched: Searched, known: ColumnModel) -> Exchange[None]:
    """Raise TableNotFound or ColumnNotFound if there is no such column."""
    if not known.there:
        yield from read_column_facts(searched)


def _names(searched: Searched) -> dict[str, str]:
    return {"table": name_of(searched), "column": searched.column}
