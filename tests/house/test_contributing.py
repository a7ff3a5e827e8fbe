"""The worked example of CONTRIBUTING.md: its command finds the files that it names."""

import re
import shlex
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_the_stations_of_a_search_option() -> None:
    example = PAGE.split("**Add a search option.**")[1].split("\n**")[0]
    command = next(line for line in example.splitlines() if line.startswith("grep "))
    done = subprocess.run(
        [*shlex.split(command), "--include=*.py", "--include=*.sql"],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    named = re.findall(r"`((?:mrl_pg|sql)/[\w/]+\.(?:py|sql))`", example)
    assert sorted(named) == sorted(done.stdout.split())


def test_the_tests_that_the_page_names_are_there() -> None:
    named = set(re.findall(r"\btests/[\w/]+\.py\b", PAGE))
    assert not [name for name in named if not (ROOT / name).is_file()]
