"""What makes searches of a database slow, wrong or expensive, as `mrl.doctor` says."""

from dataclasses import dataclass

from mrl_pg import source
from mrl_pg.arguments import check_whole
from mrl_pg.build.status import find_table, read_table
from mrl_pg.exchange import AsyncConn, Conn, Exchange, Row, run, run_async
from mrl_pg.models import doubt, find


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing that harms searches: what was seen, why it matters, what mends it.

    `code` is a word such as "dead_rows"; `docs/doctor.md` lists all of them. `table` is
    None for the whole server, `index` for the whole table. `remedy` is a command, or
    what to do by hand.
    """

    code: str
    table: str | None
    index: str | None
    detail: str
    why: str
    remedy: str

    def __str__(self) -> str:
        """`public.docs: dead_rows: …`, and lines with why and the remedy."""
        where = "" if self.table is None else f"{self.table}: "
        return (
            f"{where}{self.code}: {self.detail}\n  {self.why}\n  mend it: {self.remedy}"
        )


def doctor(
    conn: Conn, table: str | None = None, *, schema: str = "", sample: int = 200
) -> tuple[Diagnosis, ...]:
    """What harms searches of a table, or of all tables; nothing if all is well.

    `sample` is the number of vectors of each column that are looked at, 0 to 10,000; 0
    reads no row of a table. It changes nothing, and any role may ask; of tables that it
    may not read it sees the catalog alone.

    Raises TableNotFound, InvalidSetting and NotInstalled.
    """
    return run(conn, _doctor(table, schema, sample))


async def doctor_async(
    conn: AsyncConn, table: str | None = None, *, schema: str = "", sample: int = 200
) -> tuple[Diagnosis, ...]:
    """The same as `doctor` on an asynchronous connection."""
    return await run_async(conn, _doctor(table, schema, sample))


def _doctor(
    table: str | None, schema: str, sample: int
) -> Exchange[tuple[Diagnosis, ...]]:
    sample = check_whole("sample", sample, 0, 10000, "the doctor")
    table_id = yield from find_table(table, schema)
    rows = yield from read_table(
        source.statement("doctor"), {"table_id": table_id, "sample": sample}
    )
    sizes = yield from read_table(
        source.statement("sizes_of_models"), {"table_id": table_id}
    )
    said = tuple(Diagnosis(**row) for row in rows)
    return said + tuple(found for row in sizes if (found := _untrained(row)))


def _untrained(row: Row) -> Diagnosis | None:
    """A short size for which the column's model was not trained, by its maker."""
    model = find(row["model"])
    if model is None or row["kind"] == "bit" or not 1 <= row["dims"] <= model.full:
        return None
    why = doubt(model, row["dims"])
    if why is None:
        return None
    return Diagnosis(
        "untrained_size",
        row["table"],
        row["index"],
        f"the short column has {row['dims']} dimensions of {model.name}",
        why,
        "mrl-pg tune measures which size and kind your rows need; mrl-pg rotate makes "
        "prefixes useful",
    )
