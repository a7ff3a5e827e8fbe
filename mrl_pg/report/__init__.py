"""One page, and plots, of what `tune` found; needs the extra `report`."""

from mrl_pg.report.report import Report, ready, write, write_plots

__all__ = ["Report", "ready", "write", "write_plots"]
