"""Pages of the documentation, run as written: blocks in order, outputs as shown."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Engine

ROOT = Path(__file__).parent.parent
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block, and the output that the page shows right below it, if any."""

    language: str
    text: str
    shown: str | None


def blocks(page: Path) -> list[Block]:
    """Fenced blocks of a page but those of output, each with the one below it."""
    text = page.read_text(encoding="utf-8")
    found = list(FENCE.finditer(text))
    following: list[re.Match[str] | None] = [*found[1:], None]
    result = []
    for this, after in zip(found, following, strict=True):
        shown = None
        if after is not None and after.group(1) == "text":
            between = text[this.end() : after.start()]
            shown = None if between.strip() else after.group(2)
        if this.group(1) != "text":
            result.append(Block(this.group(1), this.group(2), shown))
    return result


def run_python(
    page: list[Block], scope: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> int:
    """Run Python blocks in one scope; how many outputs were shown, and were right."""
    count = 0
    try:
        for block in page:
            capsys.readouterr()
            exec(compile(block.text, "page", "exec"), scope)
            printed = capsys.readouterr().out
            if block.shown is not None:
                assert printed == block.shown, block.text
                count += 1
    finally:
        for value in scope.values():
            if isinstance(value, Engine):
                value.dispose()
    return count


def psycopg_url(url: str) -> str:
    """The URL as SQLAlchemy wants it, which has another default driver."""
    return url.replace("postgresql:", "postgresql+psycopg:", 1)
