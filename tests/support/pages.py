"""Pages of the documentation, run as written: blocks in order, outputs as shown."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Engine

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block, and the output that the page shows right below it, if any."""

    language: str
    text: str
    shown: str | None


def blocks(page: Path) -> list[Block]:
    """Fenced blocks of a page in order; an output belongs to the block before it."""
    text = page.read_text(encoding="utf-8")
    result: list[Block] = []
    end = -1
    for found in FENCE.finditer(text):
        language, content = found.groups()
        below = end >= 0 and not text[end : found.start()].strip()
        if language == "text" and below and result[-1].shown is None:
            result[-1] = result[-1]._replace(shown=content)
        else:
            result.append(Block(language, content, None))
        end = found.end()
    return result


def run_python(
    page: list[Block], scope: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> int:
    """Run Python blocks in one scope; returns how many outputs were checked."""
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
    """The URL for SQLAlchemy, which has another default driver."""
    return url.replace("postgresql:", "postgresql+psycopg:", 1)
