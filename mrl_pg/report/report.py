"""Writes the page and the plots of a result; names packages that are missing."""

from dataclasses import dataclass
from html import escape
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import TypeAlias

from mrl_pg.arguments import check_path
from mrl_pg.errors import InvalidSetting
from mrl_pg.tune import Tuning

Target: TypeAlias = str | PathLike[str]
NEEDED = ("matplotlib", "jinja2")
DOTS = 200
"""Dots per inch of a PNG file."""


@dataclass(frozen=True, slots=True)
class Report:
    """A result as a page, for the last line of a notebook cell, or by `html()`."""

    tuning: Tuning

    def html(self) -> str:
        """The page as text, which needs no other file and no network."""
        ready()
        from mrl_pg.report.page import page

        return page(self.tuning)

    def _repr_html_(self) -> str:
        # in a frame, so that the styles of notebook and page do not mix
        return (
            '<iframe title="mrl-pg tune" style="width:100%;height:56rem;border:0" '
            f'srcdoc="{escape(self.html())}"></iframe>'
        )


def ready(page: Target | None = None, plots: Target | None = None) -> None:
    """Raise InvalidSetting if a package or the folder of a report is missing.

    Call it before a long measurement. It writes nothing.
    """
    for what, path in (("page", page), ("plots", plots)):
        if path is not None:
            check_path(what, path)
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise InvalidSetting(
            f"a report needs {' and '.join(missing)}. Run pip install 'mrl_pg[report]'"
        )
    if page is not None and not Path(page).absolute().parent.is_dir():
        raise InvalidSetting(f"{page}: no such folder. Make the folder first")
    if page is not None and Path(page).is_dir():
        raise InvalidSetting(f"{page} is a folder. Name a file, such as report.html")
    if plots is not None and Path(plots).exists() and not Path(plots).is_dir():
        raise InvalidSetting(f"{plots} is a file. Name a folder for the plots")


def write(tuning: Tuning, path: Target) -> Path:
    """Write the page to a file, or overwrite the file; returns its path."""
    ready(page=path)
    file = Path(path)
    file.write_text(Report(tuning).html(), encoding="utf-8")
    return file


def write_plots(tuning: Tuning, folder: Target) -> list[Path]:
    """Write each plot as PNG and SVG into a folder; returns their paths.

    Makes the folder if it does not exist.
    """
    ready(plots=folder)
    from mrl_pg.report import svg
    from mrl_pg.report.plots import plots

    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    written = []
    for plot in plots(tuning):
        plot.figure.suptitle(plot.title, fontsize=11)
        for ending in ("png", "svg"):
            file = place / f"{plot.name}.{ending}"
            if ending == "png":
                plot.figure.savefig(file, dpi=DOTS)
            else:
                file.write_text(svg.text(plot.figure), encoding="utf-8")
            written.append(file)
    return written
