"""How an upsert gives each row its part, if the table is partitioned by likeness."""

from dataclasses import dataclass, replace

from psycopg import sql

from mrl_pg.catalog.slots import home, name, statement
from mrl_pg.errors import InvalidFile
from mrl_pg.exchange import Exchange, look
from mrl_pg.load.block import Block
from mrl_pg.load.by_key import UniqueKey
from mrl_pg.rows.facts import ORIGIN, RowFacts
from mrl_pg.source import statement as text_of


@dataclass(frozen=True, slots=True)
class RowParts:
    """How the part of a row is computed from its vector in `column`, on the server.

    `entry` is the number of the table in the registry.
    """

    entry: int
    column: str
    part_column: str
    distance: str

    def without_part(self, facts: RowFacts) -> RowFacts:
        """The facts with the key that callers give: the primary key but the part.

        A row whose vector changes gets another part, and stays the same row.
        """
        kept = [
            (key, operator)
            for key, operator in zip(facts.key.names, facts.key.operators, strict=True)
            if key != self.part_column
        ]
        names, operators = zip(*kept, strict=True) if kept else ((), ())
        return replace(facts, key=UniqueKey(tuple(names), tuple(operators)))

    def check(self, facts: RowFacts, block: Block) -> None:
        """Raise InvalidFile for rows that bring a number of their part."""
        if self.part_column in block.names:
            raise InvalidFile(
                f"{ORIGIN} have a column {self.part_column!r}, which is the part of a "
                f"row of {facts.where} and follows from its vector: leave it out"
            )

    def part(self, inner: "sql.Composable | None", schema: str) -> sql.Composed:
        """The part of a row that is sent, by the name of its vector; 0 without one."""
        if inner is None:
            return sql.SQL("{}").format(sql.Literal(0))
        return statement(
            "part_of_row",
            entry=sql.Literal(self.entry),
            column=sql.Literal(self.column.replace("%", "%%")),
            distance=sql.Literal(self.distance),
            vector=inner,
            extension=home(schema.replace("%", "%%")),
        )

    @property
    def name(self) -> sql.Identifier:
        """The column with the number of the part, for a statement with parameters."""
        return name(self.part_column)


def read_row_parts(facts: RowFacts) -> Exchange[RowParts | None]:
    """The parts of a table, read from the server now; None if it has none."""
    if not (facts.partitioned and facts.mrl_installed):
        return None
    rows = yield from look(
        text_of("table_parts").encode(), {"table_id": facts.table_id}
    )
    if not rows:
        return None
    (row,) = rows
    return RowParts(
        row["entry"], row["full_column"], row["part_column"], row["distance"]
    )
