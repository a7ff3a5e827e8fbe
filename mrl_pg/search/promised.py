"""Reads what a calibration says about a recall that a search asks for."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

from psycopg import errors

from mrl_pg import source
from mrl_pg.catalog.facts import Facts
from mrl_pg.catalog.read import forget_facts, known_facts, not_installed
from mrl_pg.catalog.recent import Recent
from mrl_pg.errors import NotInstalled
from mrl_pg.exchange import AnyConn, Exchange, look
from mrl_pg.layout import IndexLayout
from mrl_pg.search.filter import about_filter, refusal, written_out
from mrl_pg.search.options import SearchOptions
from mrl_pg.search.promise import Promise, PromiseStep

SECONDS = 60.0
"""How long a promise is cached before it is read again."""

PROMISES = 500
"""Most cached promises per connection. Every distinct filter value is a new entry."""

LONGEST = 4000
"""Promises of longer filters are not cached, because long lists would fill memory."""


STEP_COLUMNS = ("distances", "candidates", "ef_searches", "reranks")


class _Key(NamedTuple):
    """What a promise depends on; the filter has its values in it."""

    layout: IndexLayout
    k: int
    recall: float
    filter: str | None
    quantile: float | None
    by_distance: bool


class _Known(NamedTuple):
    """A promise, the facts it was read with, and when it is to be read again."""

    promise: Promise
    facts: Facts
    until: float


_Promises: TypeAlias = Recent[_Key, _Known]

_known: WeakKeyDictionary[AnyConn, _Promises] = WeakKeyDictionary()


def read_promise(
    conn: AnyConn, layout: IndexLayout, options: SearchOptions
) -> Exchange[Promise | None]:
    """The promise for a search, from the server once a minute and connection.

    None when the options leave nothing to choose. Raises NotInstalled when the
    database has no calibrations, InvalidFilter, and what `known_facts` raises.
    """
    if not options.wants_promise:
        return None
    facts = yield from known_facts(conn, layout)
    filter = written_out(conn, options.filter, options.params, facts)
    key = _Key(
        layout,
        options.k,
        options.recall or 0,
        filter,
        options.quantile,
        # a width that the caller gave is taken for all answers
        by_distance=options.ef_search is None,
    )
    promises = _known.setdefault(conn, Recent(PROMISES))
    known = promises.get(key)
    # a promise is valid only with the facts that it was read with
    if known and known.facts is facts and time.monotonic() <= known.until:
        return known.promise
    promise = yield from _read(conn, facts, key)
    # under row-level security the next search may run as another role
    if not facts.row_security and len(filter or "") <= LONGEST:
        promises.put(key, _Known(promise, facts, time.monotonic() + SECONDS))
    return promise


def _read(conn: AnyConn, facts: Facts, key: _Key) -> Exchange[Promise]:
    names = {
        "table_id": facts.table_id,
        "index_name": key.layout.name,
        "k": key.k,
        "recall": key.recall,
        "filter": key.filter,
        "quantile": key.quantile,
        "by_distance": key.by_distance,
    }
    with _explained(conn, facts, key):
        (row,) = yield from look(source.statement("promised").encode(), names)
    columns = [row.pop(f"step_{name}") or () for name in STEP_COLUMNS]
    steps = tuple(PromiseStep(*values) for values in zip(*columns, strict=True))
    return Promise(recall=key.recall, quantile=key.quantile, steps=steps, **row)


@contextmanager
def _explained(conn: AnyConn, facts: Facts, key: _Key) -> Iterator[None]:
    """Turn an error of the server into NotInstalled or InvalidFilter, if it is such."""
    try:
        yield
    except errors.Error as error:
        # the table may have changed since the facts were read
        forget_facts(conn, key.layout)
        if not_installed(error):
            raise NotInstalled(
                "recall= needs the calibrations of mrl_pg 0.2 or later in this "
                "database: run mrl_pg.install(conn), `mrl-pg install` or psql -f "
                "sql/install.sql"
            ) from error
        # the planner estimates the filter, so the error may be about the filter
        if key.filter is None or not about_filter(error):
            raise
        raise refusal(key.filter, facts.where, error) from error
