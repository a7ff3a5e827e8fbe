"""What a better graph brought, in a sentence."""

from collections.abc import Sequence

from mrl_pg.tune.option import Goal
from mrl_pg.tune.trial.front import cheapest
from mrl_pg.tune.trial.point import Point
from mrl_pg.tune.trial.scratch import TrialIndex


def bought(
    built: Sequence[TrialIndex], points: Sequence[Point], goal: Goal
) -> list[str]:
    """What the better graph took to build, and its best setting beside the usual one's.

    Empty if none was built.
    """
    by_name = {point.name: point.option for point in points if point.option}
    option = next((o for o in by_name.values() if o.graph is not None), None)
    if option is None:
        return []
    seconds = {index.name: index.seconds for index in built}
    usual, best = (
        cheapest([point for point in points if point.name == name], goal)[0]
        for name in (option.form, option.name)
    )
    took = f"{seconds[option.name]:.1f} s"
    if option.form in seconds:
        took += f" instead of {seconds[option.form]:.1f} s"
    tried = f"{option.form} with a better graph ({option.graph}) took {took} to build"
    if best is None:
        return [f"{tried}, and does not reach recall {goal.recall:g}"]
    if usual is None:
        return [
            f"{tried}. Its best setting takes {best.median_ms:.2f} ms; with the usual "
            f"graph no setting reaches recall {goal.recall:g}"
        ]
    return [
        f"{tried}. Its best setting takes {best.median_ms:.2f} ms, and with the usual "
        f"graph {usual.median_ms:.2f} ms"
    ]
