"""Send inputs that nobody should send through every interface, and count outcomes.

    python benchmarks/fuzz.py --inputs 10000 --seed 1
    python benchmarks/fuzz.py --seed 1 --only 4711      # one input again, in full
    python benchmarks/fuzz.py --inputs 500 --interface SQL --dsn postgresql://localhost

Seed and number decide an input, so that each input can be run again by itself.
Answers are compared with exact search in NumPy. The script exits with 1 after an
outcome that must never happen: a raw Python error, a wrong answer, a setting, lock or
transaction that outlives a call, a hang, an internal error of PostgreSQL, a lost
connection, a change of the database that nobody asked for, or SQL that got in through
an argument.

Without `--dsn` the script starts a server in a temporary directory. With `--dsn`, it
makes databases on that server whose names begin with `hostile_` and drops them at the
end. It also makes the role `hostile_reader`, which stays.
"""

import argparse
import logging
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import psycopg
from psycopg.conninfo import make_conninfo

# code that the tests and this script share
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.hostile.ground import Ground, Url
from support.hostile.run import INTERFACES, Tally, run

from mrl_pg import server

SHOWN = 25
"""Faults that are printed in full."""


@contextmanager
def databases(dsn: str | None, version: int) -> Iterator[Ground]:
    """Databases on the given server, or on a temporary one."""
    if dsn is not None:
        with ground(lambda name: make_conninfo(dsn, dbname=name)) as made:
            yield made
        return
    quick = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}
    with (
        tempfile.TemporaryDirectory(prefix="mrl_pg_fuzz_") as folder,
        server.embedded(Path(folder, "data"), version, settings=quick) as running,
        ground(running.url) as made,
    ):
        yield made


@contextmanager
def ground(url: Url) -> Iterator[Ground]:
    """Databases of a server, dropped at the end."""
    with psycopg.connect(url("postgres"), autocommit=True) as admin:
        made = Ground(url, admin)
        try:
            yield made
        finally:
            made.close()


def main() -> int:
    """Run the inputs and print the outcomes; 1 if there was a fault."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="run this input, and print it")
    parser.add_argument("--interface", choices=[*INTERFACES], help="no other")
    parser.add_argument("--pg", type=int, default=18, help="of the embedded server")
    parser.add_argument("--dsn", help="a superuser's; default: a server of its own")
    options = parser.parse_args()
    # Alembic's operations log what they leave alone
    logging.disable()
    numbers = range(options.first, options.first + options.inputs)
    if options.only is not None:
        numbers = range(options.only, options.only + 1)
    tally = Tally()
    started = perf_counter()
    with databases(options.dsn, options.pg) as made:
        for result in run(made, options.seed, numbers, options.interface):
            tally.add(result)
            shown = result.fault and len(tally.faults) <= SHOWN
            if shown or options.only is not None:
                print(f"{result}\n", flush=True)
    took = perf_counter() - started
    print(f"{tally}\n{len(numbers)} inputs of seed {options.seed}, {took:.0f} s")
    return int(bool(tally.faults))


if __name__ == "__main__":
    sys.exit(main())
