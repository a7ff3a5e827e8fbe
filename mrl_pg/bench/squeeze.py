"""How fast each contender is when its server has less memory than it wants."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from mrl_pg.bench.asked import Asked
from mrl_pg.bench.contender import Contender
from mrl_pg.bench.front import FrontPoint
from mrl_pg.bench.measure import Pace, Step, point_of, rotated
from mrl_pg.bench.timing import Turns, warm_up
from mrl_pg.server.memory import LEAST_BYTES

TRIES = 4
LONGER = 3
"""Windows are so many times longer, because reading from disk takes time to settle."""

PATIENCE = 60.0
"""Most seconds in which a contender reads what its queries need, before it is timed."""


@dataclass(frozen=True, slots=True)
class SqueezedPoint:
    """An effort on a server with so many bytes of memory, `share` of what one wants."""

    share: float
    limit_bytes: int
    point: FrontPoint


def squeeze(
    contenders: Sequence[Contender],
    chosen: dict[str, FrontPoint],
    wanted: int,
    shares: Sequence[float],
    limit: Callable[[int], None],
    asked: Asked,
    pace: Pace,
    step: Step,
) -> dict[str, tuple[SqueezedPoint, ...]]:
    """The chosen effort of each contender under each limit, the largest first.

    `wanted` are the bytes that all shares refer to, so that contenders of the same
    share have the same memory. `limit` sets a limit, and empties the caches.
    """
    found: dict[str, list[SqueezedPoint]] = {name: [] for name in chosen}
    able = [contender for contender in contenders if contender.name in chosen]
    with ExitStack() as stack:
        searches = {
            contender.name: stack.enter_context(contender.clients(1))[0].searcher(
                chosen[contender.name].effort, asked.k
            )
            for contender in able
        }
        for share in sorted(shares, reverse=True):
            size = int(share * wanted)
            if size < LEAST_BYTES:
                continue
            limit(size)
            for name in rotated([*searches], len(found[able[0].name]) if able else 0):
                step(f"{share:.0%} of the memory: {name}")
                turns = Turns(searches[name], asked.queries)
                run = partial(turns.window, LONGER * pace.seconds)
                # Every query once: a window then finds in memory what fits there, not
                # what the contender before it has left.
                turns.once(PATIENCE)
                warm = warm_up(run, TRIES)
                windows = [run() for _ in range(pace.rounds)]
                point = point_of(chosen[name], windows, warm)
                found[name].append(SqueezedPoint(share, size, point))
    return {name: tuple(points) for name, points in found.items()}
