"""What is wrong with the short columns of a database, as `mrl.status` says."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import errors, sql

from mrl_pg import source
from mrl_pg.arguments import flag
from mrl_pg.catalog.read import not_installed
from mrl_pg.errors import NotInstalled, TableNotFound
from mrl_pg.exchange import AsyncConn, Conn, Exchange, Row, look, run, run_async
from mrl_pg.layout import check_name


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a short column or its index.

    `code` is a word such as "invalid_index"; `docs/status.md` lists all of them.
    `detail` says what is wrong, and `remedy` what `repair` does, or what to do by hand
    if `mends` is False.
    """

    code: str
    detail: str
    remedy: str
    mends: bool

    def __str__(self) -> str:
        """`invalid_index: … (repair …)`."""
        return f"{self.code}: {self.detail} ({self.remedy})"


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """A short column with its index, and what is wrong with it.

    Names are those in the registry. If `registered` is False, the registry does not
    know the object, and the names are those in the table. `rows` is PostgreSQL's
    estimate, or None before the first `analyze`; `index_bytes` is None without an
    index. Both are None for a table of Citus, whose shards hold the rows. `rotation` is
    the version of the full column's rotation, if it is rotated.
    """

    table_id: int
    schema: str
    table: str
    column: str | None
    short: str | None
    name: str | None
    dims: int | None
    kind: str | None
    distance: str | None
    kept_as: str
    usable: bool
    index_bytes: int | None
    rows: int | None
    registered: bool
    rotation: str | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def __str__(self) -> str:
        """The index and its findings, one a line."""
        what = self.name or self.short or "leftovers"
        lines = [str(finding) for finding in self.findings] or ["nothing is wrong"]
        return "\n".join(f"{self.schema}.{self.table} {what}: {line}" for line in lines)


def status(
    conn: Conn, table: str | None = None, *, schema: str = "", rows: bool = False
) -> tuple[IndexStatus, ...]:
    """The short columns of a table, or of all tables, and what is wrong with each.

    It only reads the catalog. With `rows=True` it also reads every row whose short
    value a trigger keeps, and counts the wrong values; and after a switch to the column
    of another model, it counts the rows without a vector there. Any role may ask.

    Raises TableNotFound, InvalidSetting and NotInstalled.
    """
    return run(conn, _status(table, schema, rows))


async def status_async(
    conn: AsyncConn, table: str | None = None, *, schema: str = "", rows: bool = False
) -> tuple[IndexStatus, ...]:
    """The same as `status` on an asynchronous connection."""
    return await run_async(conn, _status(table, schema, rows))


def _status(
    table: str | None, schema: str, rows: bool
) -> Exchange[tuple[IndexStatus, ...]]:
    table_id = yield from find_table(table, schema)
    return (yield from read_status(table_id, flag("rows", rows)))


def find_table(table: str | None, schema: str) -> Exchange[int | None]:
    """The number of a table; None means every table. Raises TableNotFound."""
    if table is None:
        return None
    for what, text in (("table", table), ("schema", schema or table)):
        check_name(what, text)
    parts = (schema, table) if schema else (table,)
    name = sql.Identifier(*parts).as_string()
    (row,) = yield from look(source.statement("find_table"), {"name": name})
    if row["table_id"] is None:
        raise TableNotFound(
            f"table {name} does not exist or is not on the search path: "
            "check the spelling and capitals, or give schema="
        )
    found: int = row["table_id"]
    return found


def read_status(table_id: int | None, rows: bool) -> Exchange[tuple[IndexStatus, ...]]:
    """The short columns of a table, or of all tables; raises NotInstalled."""
    given = {"table_id": table_id, "check_rows": rows}
    return _grouped((yield from read_table(source.statement("status"), given)))


def read_table(query: str, given: dict[str, Any]) -> Exchange[Sequence[Row]]:
    """Rows of a function of the schema mrl; raises NotInstalled if it is not there."""
    try:
        return (yield from look(query, given))
    except errors.Error as error:
        if not_installed(error):
            raise NotInstalled(
                "the database side of mrl_pg is not installed in this database, or is "
                "older than mrl_pg: run mrl_pg.install(conn) or `mrl-pg install`"
            ) from error
        raise


def _grouped(rows: Iterable[Row]) -> tuple[IndexStatus, ...]:
    """One value for each short column, with its findings in order."""
    groups: dict[tuple[object, ...], tuple[Row, list[Finding]]] = {}
    for row in rows:
        key = (row["table_id"], row["name"], row["short"], row["registered"])
        _, findings = groups.setdefault(key, (row, []))
        if row["finding"] is not None:
            findings.append(
                Finding(row["finding"], row["detail"], row["remedy"], row["mends"])
            )
    return tuple(_value(row, findings) for row, findings in groups.values())


def _value(row: Row, findings: list[Finding]) -> IndexStatus:
    return IndexStatus(
        table_id=row["table_id"],
        schema=row["schema"],
        table=row["table"],
        column=row["column"],
        short=row["short"],
        name=row["name"],
        dims=row["dims"],
        kind=row["kind"],
        distance=row["distance"],
        kept_as=row["kept_as"],
        usable=row["usable"],
        index_bytes=row["index_bytes"],
        rows=row["rows"],
        registered=row["registered"],
        rotation=row["rotation"],
        findings=tuple(findings),
    )
