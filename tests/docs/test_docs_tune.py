"""docs/tune.md: its example runs as written."""

from typing import Any

import pytest
from support.pages import ROOT, blocks, run_python


def test_the_example_runs(
    bare_database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    page = [b for b in blocks(ROOT / "docs/tune.md") if b.language == "python"]
    scope: dict[str, Any] = {"DSN": bare_database}
    assert run_python(page, scope, capsys) == 2
    scope["conn"].close()
