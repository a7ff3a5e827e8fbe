"""In a clean clone, one worker of xdist compiles all modules; the others wait for it.

Otherwise each of them compiles all tests, and all packages that these import. That
takes three times as long as to import what is compiled.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fasteners import InterProcessReaderWriterLock

TESTS = Path(__file__).parents[1]


@contextmanager
def once(config: pytest.Config) -> Iterator[None]:
    """Hold a block back until another worker has compiled what it imports."""
    if not hasattr(config, "workerinput") or _compiled() or sys.dont_write_bytecode:
        yield
        return
    # beside the workers' own folders, which pytest removes after some runs
    file = Path(config.option.basetemp).parent / "compiling"
    lock = InterProcessReaderWriterLock(file)
    first = lock.acquire_write_lock(blocking=False)
    if not first:
        lock.acquire_read_lock()
    try:
        yield
    finally:
        (lock.release_write_lock if first else lock.release_read_lock)()


def _compiled() -> bool:
    """Whether pytest has compiled most files of tests, whatever has changed since."""
    found = [*TESTS.glob("*/__pycache__/test_*-pytest-*.pyc")]
    return len(found) > len([*TESTS.glob("*/test_*.py")]) / 2
