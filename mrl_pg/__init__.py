"""Two-pass vector search for PostgreSQL and pgvector."""

import importlib
import typing

from mrl_pg.errors import (
    BuildRunning,
    ColumnNotFound,
    EmbeddingError,
    GraphBroken,
    IndexMismatch,
    IndexNotFound,
    IndexNotUsed,
    InputError,
    InvalidFile,
    InvalidFilter,
    InvalidSetting,
    InvalidStatement,
    InvalidVector,
    KeyExists,
    ModelMismatch,
    MrlError,
    NoPrimaryKey,
    NotAVectorColumn,
    NotInstalled,
    NotUnitLengthWarning,
    PgvectorError,
    PgvectorMissing,
    PgvectorTooOld,
    PgvectorWarning,
    RebuildRefused,
    RotationMismatch,
    SameShortValuesWarning,
    ServerError,
    ShortIndexError,
    SpreadTable,
    StillInUse,
    TableError,
    TableNotFound,
    UntrainedSizeWarning,
)

if typing.TYPE_CHECKING:
    from mrl_pg.build.doctor import Diagnosis, doctor, doctor_async
    from mrl_pg.build.parts import PartsReport, PartState
    from mrl_pg.build.preflight import (
        OldTransaction,
        OtherIndex,
        PlannedStep,
        Preflight,
    )
    from mrl_pg.build.remodel import RemodelStatus
    from mrl_pg.build.repair import RepairReport, repair, repair_async
    from mrl_pg.build.report import BuildReport
    from mrl_pg.build.status import Finding, IndexStatus, status, status_async
    from mrl_pg.build.switch_column import SwitchReport
    from mrl_pg.build.tenants import TenantsReport, TenantState, TenantStep
    from mrl_pg.calibration.calibrate import Calibration, CalibrationPoint
    from mrl_pg.calibration.probe_curve import ProbeCurve, ProbePoint
    from mrl_pg.calibration.recall_report import RecallReport
    from mrl_pg.column import MatryoshkaColumn
    from mrl_pg.exchange.progress import Progress
    from mrl_pg.index import MatryoshkaIndex
    from mrl_pg.installation import (
        InstallReport,
        install,
        install_async,
        uninstall,
        uninstall_async,
    )
    from mrl_pg.load.rotate import RotateReport
    from mrl_pg.resize.report import ResizedIndex, ResizeReport
    from mrl_pg.rows.report import StoredRow, UpsertReport
    from mrl_pg.search.check_plan import PlanCheck, check_plan, check_plan_async
    from mrl_pg.search.hybrid_result import HybridHit, HybridResult
    from mrl_pg.search.promise import Promise, PromiseStep
    from mrl_pg.search.result import Hit, SearchResult
    from mrl_pg.upkeep.maintain import maintain, maintain_async
    from mrl_pg.upkeep.report import MaintenanceReport, MaintenanceStep
    from mrl_pg.vectors import normalise, truncate

__all__ = [
    "BuildReport",
    "BuildRunning",
    "Calibration",
    "CalibrationPoint",
    "ColumnNotFound",
    "Diagnosis",
    "EmbeddingError",
    "Finding",
    "GraphBroken",
    "Hit",
    "HybridHit",
    "HybridResult",
    "IndexMismatch",
    "IndexNotFound",
    "IndexNotUsed",
    "IndexStatus",
    "InputError",
    "InstallReport",
    "InvalidFile",
    "InvalidFilter",
    "InvalidSetting",
    "InvalidStatement",
    "InvalidVector",
    "KeyExists",
    "MaintenanceReport",
    "MaintenanceStep",
    "MatryoshkaColumn",
    "MatryoshkaIndex",
    "ModelMismatch",
    "MrlError",
    "NoPrimaryKey",
    "NotAVectorColumn",
    "NotInstalled",
    "NotUnitLengthWarning",
    "OldTransaction",
    "OtherIndex",
    "PartState",
    "PartsReport",
    "PgvectorError",
    "PgvectorMissing",
    "PgvectorTooOld",
    "PgvectorWarning",
    "PlanCheck",
    "PlannedStep",
    "Preflight",
    "ProbeCurve",
    "ProbePoint",
    "Progress",
    "Promise",
    "PromiseStep",
    "RebuildRefused",
    "RecallReport",
    "RemodelStatus",
    "RepairReport",
    "ResizeReport",
    "ResizedIndex",
    "RotateReport",
    "RotationMismatch",
    "SameShortValuesWarning",
    "SearchResult",
    "ServerError",
    "ShortIndexError",
    "SpreadTable",
    "StillInUse",
    "StoredRow",
    "SwitchReport",
    "TableError",
    "TableNotFound",
    "TenantState",
    "TenantStep",
    "TenantsReport",
    "UntrainedSizeWarning",
    "UpsertReport",
    "check_plan",
    "check_plan_async",
    "doctor",
    "doctor_async",
    "install",
    "install_async",
    "maintain",
    "maintain_async",
    "normalise",
    "repair",
    "repair_async",
    "status",
    "status_async",
    "truncate",
    "uninstall",
    "uninstall_async",
]

_MODULES = {
    "BuildReport": "build.report",
    "Calibration": "calibration.calibrate",
    "CalibrationPoint": "calibration.calibrate",
    "Diagnosis": "build.doctor",
    "Finding": "build.status",
    "Hit": "search.result",
    "HybridHit": "search.hybrid_result",
    "HybridResult": "search.hybrid_result",
    "IndexStatus": "build.status",
    "InstallReport": "installation",
    "MaintenanceReport": "upkeep.report",
    "MaintenanceStep": "upkeep.report",
    "MatryoshkaColumn": "column",
    "MatryoshkaIndex": "index",
    "OldTransaction": "build.preflight",
    "OtherIndex": "build.preflight",
    "PartState": "build.parts",
    "PartsReport": "build.parts",
    "PlanCheck": "search.check_plan",
    "PlannedStep": "build.preflight",
    "Preflight": "build.preflight",
    "ProbeCurve": "calibration.probe_curve",
    "ProbePoint": "calibration.probe_curve",
    "Progress": "exchange.progress",
    "Promise": "search.promise",
    "PromiseStep": "search.promise",
    "RecallReport": "calibration.recall_report",
    "RemodelStatus": "build.remodel",
    "RepairReport": "build.repair",
    "ResizeReport": "resize.report",
    "ResizedIndex": "resize.report",
    "RotateReport": "load.rotate",
    "SearchResult": "search.result",
    "StoredRow": "rows.report",
    "SwitchReport": "build.switch_column",
    "TenantState": "build.tenants",
    "TenantStep": "build.tenants",
    "TenantsReport": "build.tenants",
    "UpsertReport": "rows.report",
    "check_plan": "search.check_plan",
    "check_plan_async": "search.check_plan",
    "doctor": "build.doctor",
    "doctor_async": "build.doctor",
    "install": "installation",
    "install_async": "installation",
    "maintain": "upkeep.maintain",
    "maintain_async": "upkeep.maintain",
    "normalise": "vectors",
    "repair": "build.repair",
    "repair_async": "build.repair",
    "status": "build.status",
    "status_async": "build.status",
    "truncate": "vectors",
    "uninstall": "installation",
    "uninstall_async": "installation",
}
"""Modules of the names that are imported late: NumPy and the driver take time."""


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_MODULES[name]}")
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    """All public names, imported or not, and the module's other names."""
    return sorted({*globals(), *__all__})
