"""Known embedding models: full, trained and advertised sizes, with their sources.

Published sizes are a start, not a promise. `mrl_pg.recall.trained` measures them.
"""

from mrl_pg.models.known import MODELS, find
from mrl_pg.models.model import Model, Prompts, Source
from mrl_pg.models.sizes import doubt, ladder

__all__ = ["MODELS", "Model", "Prompts", "Source", "doubt", "find", "ladder"]
