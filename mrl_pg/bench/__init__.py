"""Measures mrl_pg beside other ways to search the same vectors, in one run."""

from mrl_pg.bench.request import BenchRequest, Section
from mrl_pg.bench.result import BenchResult
from mrl_pg.bench.run import bench, ready

__all__ = ["BenchRequest", "BenchResult", "Section", "bench", "ready"]
