"""Inputs that nobody should send, through every interface: none of them does harm.

`benchmarks/fuzz.py` runs as many as it is told to, and says what became of one.
"""

from collections.abc import Iterator

import pytest
from support.databases import Server
from support.hostile.ground import Ground
from support.hostile.run import INTERFACES, Tally, drawn, run
from support.versions import one_version

SEED = 11
INPUTS = {
    **{"Python": 120, "SQL": 100, "SQLAlchemy": 40},
    **{"Alembic": 15, "load": 50, "mrl-pg": 12},
    "MatryoshkaColumn": 40,
    "rows": 60,
}


@pytest.fixture(scope="module")
def ground(pg_server: Server) -> Iterator[Ground]:
    made = Ground(pg_server.url, pg_server.admin)
    yield made
    made.close()


@one_version
@pytest.mark.parametrize("interface", INPUTS)
def test_no_input_does_harm(ground: Ground, interface: str) -> None:
    tally = Tally()
    for result in run(ground, SEED, range(INPUTS[interface]), interface):
        tally.add(result)
    assert not tally.faults, "\n\n".join(
        f"python benchmarks/fuzz.py --seed {SEED} --interface {interface} "
        f"--only {fault.number}\n{fault}"
        for fault in tally.faults
    )
    # and not because none of them got anywhere
    assert tally.counts[interface]["answered"] >= INPUTS[interface] / 20


def test_an_input_is_drawn_by_its_number_alone() -> None:
    for interface in INTERFACES:
        texts = [drawn(SEED, number, interface).text for number in (3, 4, 3)]
        assert texts[0] == texts[2] != texts[1]
