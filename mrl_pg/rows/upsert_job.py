"""The statement that writes a block of rows, and the checks before it is sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from psycopg import sql

from mrl_pg.catalog.slots import comma, name, statement
from mrl_pg.errors import InvalidFile
from mrl_pg.load.block import Block, refuse
from mrl_pg.load.by_key import without_key
from mrl_pg.load.columns import zone_notes
from mrl_pg.load.pack import Column
from mrl_pg.rows.facts import ORIGIN, RowFacts
from mrl_pg.rows.keys import Sent, sent
from mrl_pg.rows.parts import RowParts

IfExists: TypeAlias = Literal["update", "skip", "refuse"]
"""What happens to a row whose key is in the table."""

EXACT = {
    *("bool", "int2", "int4", "int8", "uuid", "date", "time", "timestamp"),
    *("text", "varchar", "bytea"),
}
"""Types whose equal values are sent as equal bytes."""


@dataclass(frozen=True, slots=True)
class UpsertJob:
    """How the rows of a block are written; `keys` in the order of the primary key.

    `updates` says whether rows that are there are updated. `exact_key` is true if equal
    keys are equal bytes. Otherwise `hashes` asks the server which keys are equal.
    """

    rows: Sent
    keys: tuple[Column, ...]
    statement: sql.Composed
    updates: bool
    exact_key: bool
    hashes: sql.Composed
    notes: tuple[str, ...]

    def check_keys(self, block: Block) -> None:
        """Raise InvalidFile naming the rows without a key."""
        if bad := without_key(self.keys, block):
            raise refuse(ORIGIN, block, bad, "written")


def decide_upsert(
    facts: RowFacts, block: Block, if_exists: IfExists, parts: RowParts | None = None
) -> UpsertJob:
    """The job for a block; raises ColumnNotFound or InvalidFile."""
    if parts is not None:
        parts.check(facts, block)
        facts = parts.without_part(facts)
    _check_names(facts, block.names)
    rows = sent(facts, block, block.names, ORIGIN)
    by_name = {column.name: column for column in rows.columns}
    keys = tuple(by_name[key] for key in facts.key.names)
    others = [column for column in by_name if column not in facts.key.names]
    updates = if_exists == "update" and bool(others)
    by_key = sent(facts, block, facts.key.names, ORIGIN)
    slots: dict[str, sql.Composable] = {
        "table": facts.table,
        "columns": comma(name(column) for column in by_name),
        "same_key": rows.same_key(facts),
        "wanted": _wanted(if_exists),
        "order": comma(sql.Identifier(rows.inner[key.name]) for key in keys),
        **rows.slots(facts),
    }
    if parts is None:
        conflict = _on_conflict(facts, if_exists, others)
        upsert = statement("upsert_rows", on_conflict=conflict, **slots)
    else:
        changed = others if updates else []
        upsert = _in_parts(facts, parts, rows, changed, slots)
    return UpsertJob(
        rows,
        keys,
        upsert,
        updates,
        not facts.loose_key and {key.type for key in keys} <= EXACT,
        statement(
            "key_hashes",
            keys=comma(sql.Identifier(by_key.inner[key.name]) for key in keys),
            **by_key.slots(facts),
        ),
        zone_notes(rows.columns, facts.server),
    )


def _in_parts(
    facts: RowFacts,
    parts: RowParts,
    rows: Sent,
    changed: Sequence[str],
    slots: dict[str, sql.Composable],
) -> sql.Composed:
    """The statement for a table whose partition key follows from the vector."""
    vector = rows.inner.get(parts.column)
    changes = [
        sql.SQL("{} = mrl_file.{}").format(
            name(column), sql.Identifier(rows.inner[column])
        )
        for column in changed
    ]
    if vector is not None:
        changes.append(sql.SQL("{} = mrl_file.mrl_part").format(parts.name))
    change = statement("change_none")
    if changed:
        change = statement(
            "change_in_parts",
            table=slots["table"],
            same_key=slots["same_key"],
            changes=comma(changes),
        )
    inner = None if vector is None else sql.Identifier("mrl_sent", vector)
    return statement(
        "upsert_in_parts",
        part=parts.part(inner, facts.extension_schema),
        part_column=parts.name,
        changed=change,
        **slots,
    )


def _check_names(facts: RowFacts, names: Sequence[str]) -> None:
    facts.check_columns(names)
    if missing := [key for key in facts.key.names if key not in names]:
        raise InvalidFile(
            f"{ORIGIN} have no column {', '.join(map(repr, missing))}, which is in the "
            f"primary key of {facts.where}: give each row its key"
        )
    known = facts.server.columns
    if generated := [column for column in names if known[column]["generated"]]:
        raise InvalidFile(
            f"{ORIGIN}: the server computes {', '.join(map(repr, generated))} of "
            f"{facts.where}, because it is a generated column: leave it out"
        )


def _wanted(if_exists: IfExists) -> sql.Composable:
    if if_exists == "refuse":
        return statement("if_none_exists")
    return sql.SQL("true")


def _on_conflict(
    facts: RowFacts, if_exists: IfExists, others: Sequence[str]
) -> sql.Composable:
    keys = comma(map(name, facts.key.names))
    if if_exists == "refuse":
        return sql.SQL("")
    if if_exists == "skip" or not others:
        return statement("on_conflict_skip", keys=keys)
    changes = comma(
        sql.SQL("{column} = excluded.{column}").format(column=name(column))
        for column in others
    )
    return statement("on_conflict_update", keys=keys, changes=changes)
