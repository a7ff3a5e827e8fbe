"""Facts about a table, and checks that a search or a build can use it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from mrl_pg.catalog.distribution import Distribution
from mrl_pg.errors import (
    ColumnNotFound,
    IndexMismatch,
    IndexNotFound,
    InvalidSetting,
    NoPrimaryKey,
    NotAVectorColumn,
    NotInstalled,
    PgvectorMissing,
    PgvectorTooOld,
    PgvectorWarning,
    TableNotFound,
)
from mrl_pg.errors.warn import warn
from mrl_pg.kinds import KINDS
from mrl_pg.layout import IndexLayout
from mrl_pg.rotation import Rotation

OLDEST_PGVECTOR = (0, 8)
"""The first version with iterative scans."""

SOUND_PGVECTOR = (0, 8, 4)
"""The first without overflow in parallel builds and corruption under vacuum."""

TABLES = {"r": "table", "p": "partitioned table"}
NOT_TABLES = {"v": "view", "m": "materialized view", "f": "foreign table"}


@dataclass(frozen=True, slots=True)
class Facts:
    """One table as the catalog describes it, and where pgvector lives.

    `stamp` changes with everything that a search relies on: the table, its row-level
    security for the current role, the full column `full_number`, the expression
    `short_value` of the short column or its trigger `short_trigger` and its number
    `kept_number`, the primary key `key_id` and the index.
    `expression_ours`: the index is on the expression that computes short values, so
    that a search needs no short column.

    `rotation` is None unless the full column is rotated. It changes only while there is
    no short index, whose number is in `stamp`, so that only statements that use no
    index have to ask for `rotation_stamp`.

    `distribution` is None unless Citus spreads the table. In databases that have Citus,
    `stamp` changes with it.
    """

    extension_schema: str
    table_id: int
    schema: str
    table: str
    full_type: str
    full_dims: int
    keys: tuple[str, ...]
    columns: tuple[str, ...]
    column_types: tuple[str, ...]
    short_type: str | None
    short_dims: int | None
    short_expression: str | None
    short_ours: bool
    expression_ours: bool
    index_definition: str | None
    index_operator_class: str | None
    index_options: tuple[str, ...]
    index_usable: bool
    mrl_installed: bool
    row_security: bool
    full_number: int
    short_value: int | None
    short_trigger: int | None
    kept_number: int | None
    key_id: int
    stamp: int
    has_rotations: bool = False
    rotation: Rotation | None = None
    rotation_stamp: int = 0
    has_citus: bool = False
    distribution: Distribution | None = None

    @property
    def where(self) -> str:
        """Schema and name of the table, for messages."""
        return f"{self.schema}.{self.table}"


def decide(
    layout: IndexLayout, extension: Mapping[str, Any], table: Mapping[str, Any] | None
) -> Facts:
    """Facts from the two catalog rows, or the error that says what is wrong."""
    check_pgvector(extension.get("pgvector_version"))
    where = f"{layout.schema}.{layout.table}" if layout.schema else layout.table
    if table is None:
        raise no_table(where)
    check_table(where, table["relation_kind"])
    _check_full_column(layout, where, table)
    if not table["keys"]:
        raise no_primary_key(where, "answers")
    row = {**extension, **table, "index_options": table["index_options"] or []}
    # the rotation is read later
    known = {
        field.name: row[field.name] for field in fields(Facts) if field.name in row
    }
    return Facts(**{name: _constant(value) for name, value in known.items()})


def _constant(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def no_table(where: str) -> TableNotFound:
    """The error for a table that is not there."""
    return TableNotFound(
        f"table {where!r} does not exist or is not on the search path: "
        "check the spelling and capitals, or give schema="
    )


def check_table(where: str, kind: str) -> None:
    """Raise TableNotFound for a view and the like, by the letter of its kind."""
    if kind not in TABLES:
        raise TableNotFound(
            f"{where!r} is a {NOT_TABLES[kind]}: name the table that holds the vectors"
        )


def no_primary_key(where: str, identified: str) -> NoPrimaryKey:
    """The error for a table in which nothing identifies its rows, or answers."""
    return NoPrimaryKey(
        f"table {where!r} has no primary key, which identifies {identified}: "
        "add one, for example alter table … add column id bigint "
        "generated always as identity primary key"
    )


def _check_full_column(
    layout: IndexLayout, where: str, table: Mapping[str, Any]
) -> None:
    column = f"{where}.{layout.column}"
    if layout.column not in table["columns"]:
        present = ", ".join(table["columns"])
        raise ColumnNotFound(f"column {column!r} does not exist; there are: {present}")
    if table["full_type"] not in ("vector", "halfvec"):
        raise NotAVectorColumn(
            f"column {column!r} is of type {table['full_type']}: "
            "the full column must be vector(n) or halfvec(n)"
        )
    if table["full_dims"] is None:
        raise NotAVectorColumn(
            f"column {column!r} declares no dimensions, so its rows may differ: "
            f"alter table … alter column … type {table['full_type']}(n)"
        )
    if layout.dims > table["full_dims"]:
        raise InvalidSetting(
            f"dims={layout.dims} is above the {table['full_dims']} dimensions of "
            f"{column!r}: a prefix can be at most as long as its vector"
        )


def check_pgvector(version: str | None) -> None:
    """Raise PgvectorMissing or PgvectorTooOld; warn below the first sound version."""
    if version is None:
        raise PgvectorMissing(
            "pgvector is not installed in this database: run `create extension vector` "
            "there (its packages: https://github.com/pgvector/pgvector)"
        )
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    if numbers < OLDEST_PGVECTOR:
        raise PgvectorTooOld(
            f"pgvector {version} is too old: mrl_pg needs 0.8.0 or later for iterative "
            "scans; install it and run `alter extension vector update`"
        )
    if numbers < SOUND_PGVECTOR:
        warn(
            f"pgvector {version} has known faults (overflow in parallel index builds, "
            "index corruption under vacuum): update to 0.8.4 or later",
            PgvectorWarning,
        )


def check_installed(facts: Facts) -> None:
    """Raise NotInstalled unless the schema mrl is there."""
    if not facts.mrl_installed:
        raise NotInstalled(
            "the database side of mrl_pg is not installed in this database: run "
            "mrl_pg.install(conn), `mrl-pg install` or psql -f sql/install.sql"
        )


def check_short(layout: IndexLayout, facts: Facts) -> None:
    """Raise IndexMismatch if the short column exists with another definition."""
    if facts.short_type is None:
        return
    column = f"{facts.schema}.{facts.table}.{layout.short}"
    actual = f"{facts.short_type}({facts.short_dims})"
    wanted = f"{layout.kind}({layout.dims})"
    if actual != wanted:
        raise IndexMismatch(
            f"column {column!r} is {actual}, not {wanted}: "
            "drop it, or give another name with short="
        )
    if not facts.short_ours:
        before, after = mismatch(layout, column)
        if facts.short_expression is None:
            raise IndexMismatch(
                f"{before}not generated, and no trigger of mrl_pg keeps it): run "
                "`mrl-pg repair` if its trigger was dropped or disabled, else name "
                "another with short="
            )
        raise IndexMismatch(f"{before}{facts.short_expression}{after}")


def function_of(layout: IndexLayout) -> str:
    """The call of a function that the expression of a short column contains."""
    return f"{KINDS[layout.kind].function}("


def mismatch(layout: IndexLayout, column: str) -> tuple[str, str]:
    """The message about a short column of another definition, around its expression."""
    before = f"column {column!r} is not the renormalised prefix of {layout.column!r} "
    return f"{before}(it is ", "): name another with short="


def check_index(layout: IndexLayout, facts: Facts) -> None:
    """Raise IndexMismatch if the index exists with another definition."""
    if facts.index_definition is None:
        return
    options = set(facts.index_options)
    wanted = {f"m={layout.m}", f"ef_construction={layout.ef_construction}"}
    if facts.index_operator_class != layout.operator_class or options != wanted:
        raise IndexMismatch(
            f"index {layout.name!r} exists and is another one: "
            f"{facts.index_definition}; wanted {layout.operator_class} with "
            f"{', '.join(sorted(wanted))}: drop it, or give another name with name="
        )


def check_ready(layout: IndexLayout, facts: Facts) -> None:
    """Raise IndexNotFound or IndexMismatch unless the first pass can run."""
    no_column = facts.short_type is None and not facts.expression_ours
    if no_column or facts.index_definition is None:
        missing = "short column" if no_column else "index"
        name = layout.short if no_column else layout.name
        raise IndexNotFound(
            f"{layout} has no {missing} {name!r} yet: run index.create(conn) or "
            "`mrl-pg create`, after a rename `mrl-pg repair`, or search with exact=True"
        )
    if not facts.expression_ours:
        check_short(layout, facts)
    if facts.index_operator_class != layout.operator_class:
        check_index(layout, facts)
    if not facts.index_usable:
        raise IndexNotFound(
            f"index {layout.name!r} is not valid, as an interrupted concurrent build "
            "leaves it: run index.create(conn), which builds it again"
        )
