"""Training for short prefixes: a projection of frozen vectors, or a whole model.

No library of models is imported before a model is trained.
"""

from mrl_pg.train.from_file import write_projection
from mrl_pg.train.model import train_model
from mrl_pg.train.nesting import Nesting
from mrl_pg.train.pairs import Pairs, PairVectors, read_pairs
from mrl_pg.train.projection import TrainedProjection, train_projection
from mrl_pg.train.report import TrainReport
from mrl_pg.train.schedule import Schedule

__all__ = [
    "Nesting",
    "PairVectors",
    "Pairs",
    "Schedule",
    "TrainReport",
    "TrainedProjection",
    "read_pairs",
    "train_model",
    "train_projection",
    "write_projection",
]
