"""docs/scale.md: its commands and its Python print what the page shows."""

import json
import shlex

import pytest
from support import command
from support.pages import ROOT, blocks, run_python

PAGE = blocks(ROOT / "docs/scale.md")


def test_commands_print_what_the_page_shows() -> None:
    shown, program = [block for block in PAGE if block.language == "sh"]
    done = command.mrl_pg(*shlex.split(shown.text)[1:])
    assert done.stdout == shown.shown
    found = command.mrl_pg(*shlex.split(program.text)[1:])
    (plan,) = json.loads(found.stdout)
    assert (plan["kind"], plan["dims"], plan["full"]) == ("bit", 3072, "halfvec")


def test_python_prints_what_the_page_shows(capsys: pytest.CaptureFixture[str]) -> None:
    page = [block for block in PAGE if block.language == "python"]
    assert run_python(page, {}, capsys) == 1
