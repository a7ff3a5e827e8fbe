"""Warnings that point at the caller's own line, however deep mrl_pg issues them."""

import os
import sys
import warnings
from pathlib import Path

PACKAGE = str(Path(__file__).parents[1]) + os.sep


def warn(message: str, category: type[Warning]) -> None:
    """Issue a warning for the first line outside mrl_pg that led here.

    Generators lie between a verb and its caller, so the number of frames varies.
    """
    warnings.warn(message, category, stacklevel=_levels())


def _levels() -> int:
    """Frames from `warn` to the first one outside mrl_pg, as `stacklevel` counts.

    From Python 3.12 on, `skip_file_prefixes` does this.
    """
    level, frame = 1, sys._getframe(1)
    while frame.f_back and frame.f_code.co_filename.startswith(PACKAGE):
        level, frame = level + 1, frame.f_back
    return level
