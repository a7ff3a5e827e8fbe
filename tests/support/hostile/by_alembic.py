"""Inputs for Alembic's operations, printed and run."""

import io
import warnings
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from alembic.autogenerate import render_python_code
from alembic.operations import Operations, ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

import mrl_pg.alembic
from support.hostile import values
from support.hostile.draw import Argument, Draw
from support.hostile.ground import Place
from support.hostile.inputs import Input
from support.hostile.judge import Answer, Wrong
from support.hostile.session import State, known, session, state
from support.hostile.tables import WORLDS
from support.hostile.values import value

mrl_pg.alembic.register()

OPERATIONS = {
    "create_matryoshka_index": 40.0,
    "drop_matryoshka_index": 25.0,
    "resize_matryoshka_index": 25.0,
}


def draw(draw: Draw, world: str) -> Input:
    """One operation: offline, rendered as Python, or on a server."""
    table = draw.table(WORLDS[world])
    layout = draw.layout(table)
    operation = draw.weighted(OPERATIONS)
    how = draw.weighted({"offline": 40.0, "rendered": 20.0, "online": 40.0})
    texts, numbers = values.TEXTS, values.NUMBERS
    fresh = operation.startswith("create")
    dims = draw.one((1, 2, 3, 5, 8)) if fresh else layout.dims
    of: dict[str, Argument] = {
        "table_name": Argument(lambda: repr(table.name), texts),
        "column_name": Argument(lambda: repr(table.column), texts),
        "dims": Argument(lambda: str(dims), numbers),
        "kind": Argument(lambda: repr(layout.kind), texts, 0.0 if fresh else 1.0),
        "distance": Argument(
            lambda: repr(layout.distance), texts, 0.0 if fresh else 1.0
        ),
        "m": Argument(lambda: "8", numbers, 0.1),
        "ef_construction": Argument(lambda: "70", numbers, 0.1),
        "short": Argument(lambda: "'short'", texts, 0.1 if fresh else 0.0),
        "name": Argument(lambda: "'an index'", texts, 0.1 if fresh else 0.0),
        "concurrently": Argument(lambda: "True", values.FLAGS, 0.2),
    }
    if table.schema != "public" or draw.chance(0.3):
        of["schema"] = Argument(lambda: repr(table.schema), texts)
    if operation.startswith("resize"):
        of["existing_dims"] = Argument(lambda: str(layout.dims), numbers)
        of["existing_kind"] = Argument(lambda: repr(layout.kind), texts)
        of["existing_distance"] = Argument(lambda: repr(layout.distance), texts)
        of["dims"] = Argument(lambda: str(draw.one((1, 2, 3, 5, 8))), numbers)
    given = draw.arguments(of)
    chosen = replace(known(world, state(draw)), reader=draw.chance(0.05))
    listed = ", ".join(f"{name}={text}" for name, text in given.items())
    act = partial(_act, operation, given, how, chosen)
    return Input(
        "Alembic",
        world,
        f"{how}: op.{operation}({listed})\n[{chosen}]",
        act,
        changes=True,
    )


def _act(
    operation: str, given: Mapping[str, str], how: str, chosen: State, place: Place
) -> Answer:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arguments = {name: value(text) for name, text in given.items()}
    if how == "rendered":
        arguments["concurrently"] = bool(arguments.get("concurrently"))
        _rendered(operation, arguments)
        return Answer()
    if how == "offline":
        printed = _offline(operation, arguments)
        # as psql sends it; no value may break out of its quotes
        with session(place.url, replace(chosen, autocommit=True)) as opened:
            result = opened.conn.pgconn.exec_(printed.encode())
            state = result.error_field(67)  # its SQLSTATE
            if state == b"42601":
                raise Wrong(f"{printed}\n{result.error_message.decode()}")
            opened.conn.execute("rollback")
        return Answer()
    with session(place.url, chosen, place.world.extension) as opened:
        engine = create_engine(
            "postgresql+psycopg://",
            creator=lambda: opened.conn,
            poolclass=StaticPool,
            pool_reset_on_return=None,
        )
        opened.handlers += 1
        with engine.connect() as connection:
            context = MigrationContext.configure(connection)
            with context.begin_transaction():
                getattr(Operations(context), operation)(**arguments)
            connection.commit()
    return Answer()


def _offline(operation: str, arguments: Mapping[str, Any]) -> str:
    buffer = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": buffer}
    )
    with context.begin_transaction():
        getattr(Operations(context), operation)(**arguments)
    return buffer.getvalue()


class _Caught(Exception):
    pass


def _rendered(operation: str, arguments: Mapping[str, Any]) -> None:
    """Write the operation as Python and run that; it must make the same operation."""
    caught: list[Any] = []

    class Catching:
        migration_context = None

        def invoke(self, given: Any) -> None:
            caught.append(given)

        def __getattr__(self, name: str) -> Any:
            return partial(_classes()[name], self)

    getattr(Catching(), operation)(**arguments)
    (made,) = caught
    code = render_python_code(ops.UpgradeOps([made]))
    caught.clear()
    program = code.replace("\n    ", "\n").strip()
    exec(compile(program, "revision", "exec"), {"op": Catching()})
    if caught != [made]:
        raise Wrong(f"{code}\nis {caught}, not {made}")


def _classes() -> dict[str, Any]:
    ours = mrl_pg.alembic
    return {
        name: getattr(kind, name)
        for name, kind in (
            ("create_matryoshka_index", ours.CreateMatryoshkaIndexOp),
            ("drop_matryoshka_index", ours.DropMatryoshkaIndexOp),
            ("resize_matryoshka_index", ours.ResizeMatryoshkaIndexOp),
        )
    }
