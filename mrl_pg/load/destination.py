"""What the caller of a load asked for, checked before anything is read or sent."""

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from psycopg import sql

from mrl_pg.arguments import check_choice, shown
from mrl_pg.errors import InvalidFile, InvalidSetting

VectorKind: TypeAlias = Literal["vector", "halfvec"]
"""How a new table stores the vectors: 4 or 2 bytes a number."""

Storage: TypeAlias = Literal["plain", "external", "extended", "main"]
"""Where the server keeps long values: `plain` and `main` in the row."""

MAX_NAME = 63
"""Bytes; the server cuts longer names in silence."""

MAX_DIMS = 16000
"""Of pgvector's types."""

PLAIN_LIMIT = 8100
"""Bytes of one value that still fit in a page beside the row's header and key."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where the rows go and how a new table is made; `origin` names them in errors."""

    origin: str
    table: str
    schema: str | None = None
    column: str = "embedding"
    key: str = "id"
    kind: VectorKind = "vector"
    storage: Storage | None = None

    def __post_init__(self) -> None:
        """Raise InvalidSetting for what no server would take."""
        for what in ("table", "column", "key"):
            self.check_name(what, getattr(self, what))
        if self.schema is not None:
            self.check_name("schema", self.schema)
        if self.key == self.column:
            raise InvalidSetting(
                f"key={self.key!r} is the column of the vectors: name another, it "
                "becomes the primary key"
            )
        check_choice("kind", self.kind, get_args(VectorKind))
        if self.storage is not None:
            check_choice("storage", self.storage, get_args(Storage))

    def check_name(self, what: str, name: str) -> None:
        """Raise when the server would cut or refuse a name; InvalidFile for columns."""
        if not isinstance(name, str):
            raise InvalidSetting(f"{what}={shown(name)} is not a name")
        size = len(name.encode("utf-8", "surrogatepass"))
        sound = 1 <= size <= MAX_NAME and not re.search("[\0\ud800-\udfff]", name)
        if not sound and what == "column":
            raise InvalidFile(
                f"{self.origin}: column name {shown(name)} has {size} bytes: "
                f"PostgreSQL takes 1 to {MAX_NAME}, without NUL; rename it, or leave "
                "the column out with skip= (--skip)"
            )
        if not sound:
            raise InvalidSetting(
                f"{what} name {shown(name)} has {size} bytes: PostgreSQL takes 1 to "
                f"{MAX_NAME}, without NUL; rename it"
            )

    def identifier(self) -> sql.Identifier:
        """The table as statements name it."""
        if self.schema is None:
            return sql.Identifier(self.table)
        return sql.Identifier(self.schema, self.table)
