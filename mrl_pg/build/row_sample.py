"""Warns of a short column that the first rows of a table speak against."""

from psycopg import sql

from mrl_pg.catalog import slots
from mrl_pg.catalog.facts import Facts
from mrl_pg.errors import NotUnitLengthWarning, SameShortValuesWarning
from mrl_pg.errors.warn import warn
from mrl_pg.exchange import Exchange, Row, Send
from mrl_pg.kinds import KINDS
from mrl_pg.layout import IndexLayout


def check_rows(layout: IndexLayout, facts: Facts) -> Exchange[None]:
    """Look at the first hundred rows; `mrl.create_index` warns of the same."""
    for sample in (yield Send(_row_sample(layout, facts))):
        _warn(layout, sample)


def _row_sample(layout: IndexLayout, facts: Facts) -> sql.Composed:
    norm = "vector_norm" if facts.full_type == "vector" else "l2_norm"
    extension = slots.home(facts.extension_schema)
    return slots.template(
        "row_sample",
        table=slots.table_of(facts),
        full=sql.Identifier(layout.column),
        extension=extension,
        norm=sql.Identifier(norm),
        short=slots.short_value(layout, extension, sql.SQL('sample."full"')),
    )


def _warn(layout: IndexLayout, sample: Row) -> None:
    if sample["off"] and layout.distance != "cosine":
        warn(
            f"{sample['off']} of the first {sample['rows']} vectors are not of length "
            f"1: under {layout.distance!r} the short vectors, which are, rank them by "
            "direction only; distance='cosine' may be what you want",
            NotUnitLengthWarning,
        )
    # ten: of fewer it says nothing
    full_values, short_values = sample["full_values"], sample["short_values"]
    if full_values >= 10 and 2 * short_values < full_values:
        # seven signs would be enough to tell a hundred rows apart
        if KINDS[layout.kind].stored == "bits" and layout.dims >= 7:
            reason = (
                f"kind={layout.kind!r} keeps signs, and here nearly all are the same, "
                "as in image features and unsigned integers: use kind='halfvec'"
            )
        else:
            reason = f"dims={layout.dims} leaves too little of them: use more"
        warn(
            f"the first {sample['rows']} vectors have {short_values} short values of "
            f"{layout.kind}({layout.dims}), so that a first pass cannot tell them "
            f"apart; {reason}",
            SameShortValuesWarning,
        )
