"""What a revision has to do for one table: declared and existing indexes compared."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from alembic.operations import MigrateOperation

from mrl_pg.alembic.operations import (
    CreateMatryoshkaIndexOp,
    DropMatryoshkaIndexOp,
    ResizeMatryoshkaIndexOp,
)
from mrl_pg.index import MatryoshkaIndex
from mrl_pg.sqlalchemy.declare import declarations
from mrl_pg.sqlalchemy.reflect import Registered


@dataclass(frozen=True, slots=True)
class Changes:
    """What a revision has to do, before and after Alembic's own operations."""

    before: tuple[MigrateOperation, ...]
    after: tuple[MigrateOperation, ...]


def changes_of(
    table: Any,
    known: Sequence[Registered],
    changed: set[str],
    concurrently: bool = False,
) -> Changes:
    """What to do for one table, by what `table` declares and what is `known`.

    The full columns in `changed` are dropped or get another type. Their short columns
    are dropped before that and created again after it.
    """
    schema = table.schema or ""
    wanted = [
        (declaration, declaration.on(table.name, column.name, schema))
        for column in table.columns
        for declaration in declarations(column)
    ]
    there = [(found, replace(found.index, schema=schema)) for found in known]
    before: list[MigrateOperation] = []
    after: list[MigrateOperation] = []
    for declaration, index in list(wanted):
        of_column = [pair for pair in there if pair[1].column == index.column]
        same = next((pair for pair in of_column if declaration.allows(pair[1])), None)
        if same is None:
            continue
        wanted.remove((declaration, index))
        there.remove(same)
        if index.column in changed:
            before.append(DropMatryoshkaIndexOp(same[1], concurrently))
        if index.column in changed or not same[0].usable:
            after.append(CreateMatryoshkaIndexOp(index, concurrently))
        elif not same[0].up_to_date:
            # builds nothing, but gives the registry the new names of the columns
            after.append(CreateMatryoshkaIndexOp(same[1], concurrently))
    names = {index.name for _, index in wanted}
    for _, index in wanted:
        old = None if index.column in changed else _predecessor(index, there, names)
        if old is None:
            after.append(CreateMatryoshkaIndexOp(index, concurrently))
        else:
            there.remove(old)
            after.append(ResizeMatryoshkaIndexOp(old[1], index, concurrently))
    before += [DropMatryoshkaIndexOp(old, concurrently) for _, old in there]
    return Changes(tuple(before), tuple(after))


def _predecessor(
    index: MatryoshkaIndex,
    there: Sequence[tuple[Registered, MatryoshkaIndex]],
    names: set[str],
) -> tuple[Registered, MatryoshkaIndex] | None:
    """The index that a new declaration replaces: of the same name, else same column.

    Never an index that another of the declared `names` replaces.
    """
    of_column = [pair for pair in there if pair[1].column == index.column]
    same_name = [pair for pair in of_column if pair[1].name == index.name]
    others = [pair for pair in of_column if pair[1].name not in names]
    return next(iter([*same_name, *others]), None)
