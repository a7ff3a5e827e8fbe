"""Writes the result of `tune` as a page and as plots; needs the extra `report`."""

from mrl_pg.report.report import Report, ready, write, write_plots

__all__ = ["Report", "ready", "write", "write_plots"]
