"""Pytest passes over no folder of tests."""

from fnmatch import fnmatch
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


def test_no_folder_is_passed_over(pytestconfig: pytest.Config) -> None:
    """By default, pytest takes a folder `build` for what a compiler left."""
    passed_over = pytestconfig.getini("norecursedirs")
    folders = {file.parent for file in TESTS.rglob("test_*.py")}
    assert TESTS / "build" in folders
    for folder in folders:
        for name in folder.relative_to(TESTS).parts:
            assert not any(fnmatch(name, pattern) for pattern in passed_over), folder
