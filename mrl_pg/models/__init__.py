"""Known embedding models: full, trained and advertised sizes, with their sources.

Published sizes are a start, not a promise. `mrl_pg.recall.trained` measures them.
"""

from mrl_pg.models.known import MODELS, find
from mrl_pg.models.model import Model, Source
from mrl_pg.models.sizes import ladder

__all__ = ["MODELS", "Model", "Source", "find", "ladder"]
