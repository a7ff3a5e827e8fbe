"""Two-pass vector search for PostgreSQL and pgvector."""

from mrl_pg.build.report import BuildReport
from mrl_pg.calibration.calibrate import Calibration, CalibrationPoint
from mrl_pg.calibration.recall_report import RecallReport
from mrl_pg.errors import (
    ColumnNotFound,
    IndexMismatch,
    IndexNotFound,
    InputError,
    InvalidFile,
    InvalidFilter,
    InvalidSetting,
    InvalidStatement,
    InvalidVector,
    MrlError,
    NoPrimaryKey,
    NotAVectorColumn,
    NotInstalled,
    NotUnitLengthWarning,
    PgvectorError,
    PgvectorMissing,
    PgvectorTooOld,
    PgvectorWarning,
    SameShortValuesWarning,
    ServerError,
    ShortIndexError,
    TableError,
    TableNotFound,
)
from mrl_pg.exchange.progress import Progress
from mrl_pg.index import MatryoshkaIndex
from mrl_pg.install import (
    InstallReport,
    install,
    install_async,
    uninstall,
    uninstall_async,
)
from mrl_pg.search.promise import Promise
from mrl_pg.search.result import Hit, SearchResult
from mrl_pg.vectors import normalise, truncate

__all__ = [
    "BuildReport",
    "Calibration",
    "CalibrationPoint",
    "ColumnNotFound",
    "Hit",
    "IndexMismatch",
    "IndexNotFound",
    "InputError",
    "InstallReport",
    "InvalidFile",
    "InvalidFilter",
    "InvalidSetting",
    "InvalidStatement",
    "InvalidVector",
    "MatryoshkaIndex",
    "MrlError",
    "NoPrimaryKey",
    "NotAVectorColumn",
    "NotInstalled",
    "NotUnitLengthWarning",
    "PgvectorError",
    "PgvectorMissing",
    "PgvectorTooOld",
    "PgvectorWarning",
    "Progress",
    "Promise",
    "RecallReport",
    "SameShortValuesWarning",
    "SearchResult",
    "ServerError",
    "ShortIndexError",
    "TableError",
    "TableNotFound",
    "install",
    "install_async",
    "normalise",
    "truncate",
    "uninstall",
    "uninstall_async",
]
