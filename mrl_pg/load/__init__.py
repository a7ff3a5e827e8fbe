"""Loads vectors from files or memory: into new rows, or by key into rows there are."""

from mrl_pg.load.block import Block
from mrl_pg.load.loader import load, load_async, load_blocks, load_blocks_async
from mrl_pg.load.report import LoadReport
from mrl_pg.load.update_report import SkippedRows, UpdateReport
from mrl_pg.load.updater import (
    update,
    update_async,
    update_blocks,
    update_blocks_async,
)

__all__ = [
    "Block",
    "LoadReport",
    "SkippedRows",
    "UpdateReport",
    "load",
    "load_async",
    "load_blocks",
    "load_blocks_async",
    "update",
    "update_async",
    "update_blocks",
    "update_blocks_async",
]
