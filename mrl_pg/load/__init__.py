"""Loads vectors from files or memory into a table: all rows, or none."""

from mrl_pg.load.block import Block
from mrl_pg.load.loader import load, load_async, load_blocks, load_blocks_async
from mrl_pg.load.report import LoadReport

__all__ = [
    "Block",
    "LoadReport",
    "load",
    "load_async",
    "load_blocks",
    "load_blocks_async",
]
