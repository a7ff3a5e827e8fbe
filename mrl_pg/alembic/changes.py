"""What a revision has to do for one table: declared and existing indexes compared."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from alembic.operations import MigrateOperation

from mrl_pg.alembic.beside import named_beside, same_name_of_column
from mrl_pg.alembic.operations import (
    ContractMatryoshkaIndexOp,
    CreateMatryoshkaIndexOp,
    DropMatryoshkaIndexOp,
    ResizeMatryoshkaIndexOp,
)
from mrl_pg.index import MatryoshkaIndex
from mrl_pg.sqlalchemy.declare import Declaration, declarations
from mrl_pg.sqlalchemy.reflect import Registered

Contract: TypeAlias = 'bool | Literal["at once"]'
"""Whether replaced indexes are dropped: by a later revision, never, or at once."""

Pair: TypeAlias = tuple[Registered, MatryoshkaIndex]

AT_ONCE = (
    "At once, because both indexes, or their columns, have the same name. Code with "
    "the old declaration may fail from here on; give the new declaration another "
    "short= or name= to keep both for a while."
)


@dataclass(frozen=True, slots=True)
class Changes:
    """What a revision has to do, before and after Alembic's own operations.

    `left` has indexes that no model declares any more and that stay for now.
    """

    before: tuple[MigrateOperation, ...]
    after: tuple[MigrateOperation, ...]
    left: tuple[MatryoshkaIndex, ...] = ()


def changes_of(
    table: Any,
    known: Sequence[Registered],
    changed: set[str],
    concurrently: bool = False,
    contract: Contract = True,
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
    created: list[MatryoshkaIndex] = []
    usable: set[str] = set()
    for declaration, index in list(wanted):
        of_column = [pair for pair in there if pair[1].column == index.column]
        same = next((pair for pair in of_column if declaration.allows(pair[1])), None)
        if same is None:
            continue
        wanted.remove((declaration, index))
        there.remove(same)
        if index.column in changed:
            before.append(DropMatryoshkaIndexOp(same[1], concurrently))
        elif same[0].usable:
            usable.add(index.column)
        if index.column in changed or not same[0].usable:
            created.append(index)
            after.append(CreateMatryoshkaIndexOp(index, concurrently))
        elif not same[0].up_to_date:
            # builds nothing, but gives the registry the new names of the columns
            after.append(CreateMatryoshkaIndexOp(same[1], concurrently))
    names = {index.name for _, index in wanted}
    unready = {index.column for index in created}
    for declaration, index in wanted:
        beside: MatryoshkaIndex | None = index
        old = None
        if index.column not in changed:
            if contract == "at once":
                old = _predecessor(index, there, names)
            else:
                old, beside = _beside(declaration, index, there, created)
        if old is not None:
            there.remove(old)
            comment = "" if contract == "at once" or _renamed(old, index) else AT_ONCE
            after.append(
                ResizeMatryoshkaIndexOp(old[1], index, concurrently, comment=comment)
            )
        else:
            created.append(beside or index)
            after.append(CreateMatryoshkaIndexOp(beside or index, concurrently))
        unready.add(index.column)
    left: list[MatryoshkaIndex] = []
    for _, index in there:
        if index.column in changed or contract == "at once":
            before.append(DropMatryoshkaIndexOp(index, concurrently))
        elif index.column in unready or (index.column in usable and not contract):
            left.append(index)
        elif index.column in usable:
            before.append(ContractMatryoshkaIndexOp(index, concurrently))
        else:
            before.append(DropMatryoshkaIndexOp(index, concurrently))
    expanded = [_expanded(op, created, left) for op in after]
    return Changes(tuple(before), tuple(expanded), tuple(left))


def _beside(
    declaration: Declaration,
    index: MatryoshkaIndex,
    there: Sequence[Pair],
    created: Sequence[MatryoshkaIndex],
) -> tuple[Pair | None, MatryoshkaIndex | None]:
    """The index that has to go for a new one; else the new one, beside the others."""
    of_column = [pair for pair in there if pair[1].column == index.column]
    same_name = [pair for pair in of_column if pair[1].name == index.name]
    renamed = [pair for pair in of_column if _renamed(pair, index)]
    clashing = [pair for pair in of_column if same_name_of_column(pair[1], index)]
    others = [pair[1] for pair in there]
    beside = named_beside(index, [*others, *created])
    # nobody misses an index that is not usable
    if same_name and (
        declaration.name or clashing or beside is None or not same_name[0][0].usable
    ):
        return same_name[0], None
    return next(iter([*renamed, *clashing]), None), beside


def _renamed(old: Pair, index: MatryoshkaIndex) -> bool:
    """Whether an index differs from another only by its name."""
    return replace(old[1], name=index.name, keep=index.keep) == index and (
        old[1].keep or "generated"
    ) == (index.keep or "generated")


def _expanded(
    op: MigrateOperation,
    created: Sequence[MatryoshkaIndex],
    left: Sequence[MatryoshkaIndex],
) -> MigrateOperation:
    """The operation; if an old index stays beside what it creates, it says so."""
    if not isinstance(op, CreateMatryoshkaIndexOp) or op.index not in created:
        return op
    old = [index for index in left if index.column == op.index.column]
    return op.expands(old) if old else op


def _predecessor(
    index: MatryoshkaIndex, there: Sequence[Pair], names: set[str]
) -> Pair | None:
    """The index that a new declaration replaces: of the same name, else same column.

    Never an index that another of the declared `names` replaces.
    """
    of_column = [pair for pair in there if pair[1].column == index.column]
    same_name = [pair for pair in of_column if pair[1].name == index.name]
    others = [pair for pair in of_column if pair[1].name not in names]
    return next(iter([*same_name, *others]), None)
