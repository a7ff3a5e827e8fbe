"""Fixtures for tests of applications; pytest finds them by an entry point.

It imports pytest alone, because pytest loads it in every run.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mrl_pg import PlanCheck


@pytest.fixture(scope="session")
def assert_search_uses_index() -> "Callable[..., PlanCheck]":
    """A function that fails the test if a search would not use its vector index.

    `assert_search_uses_index(conn, index, k=10)` takes a `MatryoshkaIndex` or a
    `MatryoshkaColumn` and the options of its `search`.
    `assert_search_uses_index(conn, "select …", [query])` takes a statement for psycopg,
    and on a Connection or a Session of SQLAlchemy a Select. `small` is that of
    `mrl_pg.check_plan`.
    """

    def check(on: Any, search: Any, *params: Any, **options: Any) -> "PlanCheck":
        from mrl_pg.errors import IndexNotUsed

        try:
            return _checker(on, search)(*params, **options)  # type: ignore[no-any-return]
        except IndexNotUsed as error:
            # without our frames, which say nothing about the test
            pytest.fail(str(error), pytrace=False)

    return check


@pytest.fixture(scope="session")
def assert_search_uses_index_async() -> "Callable[..., Awaitable[PlanCheck]]":
    """The same for asynchronous connections of psycopg; await what it returns."""

    async def check(on: Any, search: Any, *params: Any, **options: Any) -> "PlanCheck":
        from mrl_pg.errors import IndexNotUsed

        try:
            return await _checker(on, search, "_async")(*params, **options)  # type: ignore[no-any-return]
        except IndexNotUsed as error:
            pytest.fail(str(error), pytrace=False)

    return check


def _checker(on: Any, search: Any, suffix: str = "") -> Callable[..., Any]:
    """What checks a search on a connection: of ours, of psycopg or of SQLAlchemy."""
    from functools import partial

    import mrl_pg
    from mrl_pg.layout import Searched

    if isinstance(search, Searched):
        return partial(getattr(search, f"check_plan{suffix}"), on)
    if type(on).__module__.startswith("sqlalchemy.") or not hasattr(on, "pgconn"):
        from mrl_pg.sqlalchemy import check_plan

        return partial(check_plan, on, search)
    return partial(getattr(mrl_pg, f"check_plan{suffix}"), on, search)
