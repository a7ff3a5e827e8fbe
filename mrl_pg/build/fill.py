"""Fills a short column that a trigger keeps, in batches, while others write."""

import json

from mrl_pg import source
from mrl_pg.catalog.facts import Facts
from mrl_pg.exchange import Exchange, Send
from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.layout import IndexLayout


def fill(
    layout: IndexLayout, facts: Facts, progress: OnProgress | None
) -> Exchange[None]:
    """Fill the rows that have no short value yet; each batch is a transaction.

    `mrl.fill_short_column` does the same in the database. The server decides how many
    rows a batch has, so that it holds them for about 50 ms, and when it has to wait.
    Progress counts pages of the table.
    """
    names = {
        "table_id": facts.table_id,
        "full": layout.column,
        "short": layout.short,
    }
    (row,) = yield Send(source.statement("begin_fill"), names)
    while not (state := row["state"])["finished"]:
        if progress is not None:
            stage = f"filling {layout.short}"
            if waits_for := state["waits_for"]:
                stage += f" (waiting for {waits_for})"
            progress(Progress(stage, state["done"], state["total"]))
        (row,) = yield Send(source.statement("fill_next"), {"state": json.dumps(state)})
