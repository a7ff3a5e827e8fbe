"""Chooses the size, kind and settings of a short index for the rows of a table."""

from mrl_pg.tune.advice.recommend import Recommendation
from mrl_pg.tune.option import Goal, Option
from mrl_pg.tune.report import Tuning
from mrl_pg.tune.run import tune, tune_async
from mrl_pg.tune.trial.point import Point

__all__ = [
    "Goal",
    "Option",
    "Point",
    "Recommendation",
    "Tuning",
    "tune",
    "tune_async",
]
