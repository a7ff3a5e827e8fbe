"""The table that a load writes to, checked before anything is read or sent."""

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from psycopg import sql

from mrl_pg.arguments import check_choice, shown
from mrl_pg.errors import InvalidFile, InvalidSetting
from mrl_pg.rotation import Rotation

VectorKind: TypeAlias = Literal["vector", "halfvec"]
"""Type of the vectors in a new table: vector has 4 bytes per number, halfvec 2."""

Storage: TypeAlias = Literal["plain", "external", "extended", "main"]
"""Where the server stores long values; `plain` and `main` keep them in the row."""

MAX_NAME = 63
"""Bytes in a name. The server cuts longer names without an error."""

MAX_DIMS = 16000
"""Most dimensions that pgvector's types can store."""

PLAIN_LIMIT = 8100
"""Bytes of the largest value that fits in a page, with the row's header and key."""


@dataclass(frozen=True, slots=True)
class Destination:
    """The table to load into and how to create it; errors call the file `origin`.

    `rotation` is applied to the vectors, and kept with the column.
    """

    origin: str
    table: str
    schema: str | None = None
    column: str = "embedding"
    key: str = "id"
    kind: VectorKind = "vector"
    storage: Storage | None = None
    rotation: Rotation | None = None

    def __post_init__(self) -> None:
        """Raise InvalidSetting for values that every server would refuse."""
        for what in ("table", "column", "key"):
            self.check_name(what, getattr(self, what))
        if self.schema is not None:
            self.check_name("schema", self.schema)
        if self.key == self.column:
            raise InvalidSetting(
                f"key={self.key!r} is the column of the vectors: name another column, "
                "because the key becomes the primary key"
            )
        check_choice("kind", self.kind, get_args(VectorKind))
        if self.storage is not None:
            check_choice("storage", self.storage, get_args(Storage))

    def check_name(self, what: str, name: str) -> None:
        """Raise if the server would cut or refuse a name: for columns, InvalidFile."""
        if not isinstance(name, str):
            raise InvalidSetting(f"{what}={shown(name)} is not a name")
        size = len(name.encode("utf-8", "surrogatepass"))
        fits = 1 <= size <= MAX_NAME and not re.search("[\0\ud800-\udfff]", name)
        if not fits and what == "column":
            raise InvalidFile(
                f"{self.origin}: column name {shown(name)} has {size} bytes: "
                f"PostgreSQL takes 1 to {MAX_NAME}, without NUL; rename it, or leave "
                "the column out with skip= (--skip)"
            )
        if not fits:
            raise InvalidSetting(
                f"{what} name {shown(name)} has {size} bytes: PostgreSQL takes 1 to "
                f"{MAX_NAME}, without NUL; rename it"
            )

    def identifier(self) -> sql.Identifier:
        """The table's name for a statement, with the schema if there is one."""
        if self.schema is None:
            return sql.Identifier(self.table)
        return sql.Identifier(self.schema, self.table)
