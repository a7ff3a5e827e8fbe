"""The site: every page has its place, and links lead to where their targets are."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.pages import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import docs_site

MADE = re.compile(r"^create .*(?:function|procedure) (mrl\.[a-z]\w*)\(", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s:]+)(?:#[^)]*)?\)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "docs"
    docs_site.gather(folder)
    return folder


def named(nav: Any) -> Iterator[str]:
    """The pages of the navigation, in order."""
    for entry in nav:
        for value in entry.values() if isinstance(entry, dict) else [entry]:
            yield from named(value) if isinstance(value, list) else [value]


def test_every_page_has_one_place(site: Path) -> None:
    pages = [*named(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])]
    assert sorted(pages) == sorted(
        page.relative_to(site).as_posix() for page in site.rglob("*.md")
    )


def test_links_lead_to_pages_of_the_site(site: Path) -> None:
    count = 0
    for page in site.rglob("*.md"):
        text = page.read_text()
        assert docs_site.GONE not in text
        prose = re.sub(r"(?ms)^```.*?^```$", "", text)
        for target in LINK.findall(prose) + re.findall(r'src="([^":]*)"', prose):
            assert (page.parent / target).exists(), (page, target)
            count += 1
    assert count > 200


def test_the_reference_has_every_name(site: Path) -> None:
    python, sql, shell = (
        (site / "reference" / f"{name}.md").read_text()
        for name in ("python", "sql", "shell")
    )
    assert "::: mrl_pg.MatryoshkaIndex\n" in python
    functions = re.findall(r"^### (mrl\.\w+)$", sql, re.MULTILINE)
    assert {"mrl.search", "mrl.truncate", "mrl.indexes"} <= set(functions)
    made = [
        name
        for path in (ROOT / "sql" / "functions").glob("*.sql")
        for name in MADE.findall(path.read_text())
    ]
    assert len(made) > 30
    assert set(made) <= set(functions)
    assert "## mrl-pg tune\n" in shell and "--minutes" in shell
    assert "### mrl-pg server stop\n" in shell
    assert "\x1b" not in shell
