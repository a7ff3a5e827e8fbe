"""Operations as values: their inverse, their text, what their docstrings promise."""

from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import alembic.op
import pytest
from alembic.autogenerate import render_python_code
from alembic.operations import MigrateOperation, ops
from sqlalchemy import Column, Integer

from mrl_pg import MatryoshkaIndex
from mrl_pg.alembic import (
    CreateMatryoshkaIndexOp,
    DropMatryoshkaIndexOp,
    InstallMrlOp,
    ResizeMatryoshkaIndexOp,
    SwitchMatryoshkaIndexOp,
    UninstallMrlOp,
    op,
    register,
)

register()

PLAIN = MatryoshkaIndex("docs", "embedding", dims=4)
OTHER = MatryoshkaIndex(
    "docs", "embedding", dims=2, kind="bit", distance="l2", m=8, ef_construction=100
)
NAMED = MatryoshkaIndex(
    "docs", "embedding", dims=2, short="brief", name="nearest", schema="app"
)
ODD = MatryoshkaIndex(
    'The "docs" %s', "it's :an {embedding}\\", dims=2, schema="My %(schema)s\n"
)
LONG = MatryoshkaIndex("d" * 63, "e" * 63, dims=4)
INDEXES = [PLAIN, OTHER, NAMED, ODD, LONG]
OPERATIONS: list[Any] = [
    *(CreateMatryoshkaIndexOp(index) for index in INDEXES),
    *(CreateMatryoshkaIndexOp(index, concurrently=True) for index in INDEXES),
    *(DropMatryoshkaIndexOp(index) for index in INDEXES),
    ResizeMatryoshkaIndexOp(PLAIN, OTHER),
    ResizeMatryoshkaIndexOp(
        MatryoshkaIndex("docs", "embedding", dims=4, name="near", short="brief"),
        MatryoshkaIndex("docs", "embedding", dims=3, name="far"),
        concurrently=True,
    ),
    SwitchMatryoshkaIndexOp(PLAIN, OTHER),
    SwitchMatryoshkaIndexOp(NAMED, replace(NAMED, name="nearer")),
    InstallMrlOp(),
    InstallMrlOp("0.2.0", vector=True),
    InstallMrlOp("0.3.0", existing_version="0.2.0"),
    UninstallMrlOp("0.2.0"),
    UninstallMrlOp("0.3.0", vector=True, existing_version="0.2.0"),
]
FUNCTIONS = {
    "create_matryoshka_index": CreateMatryoshkaIndexOp,
    "drop_matryoshka_index": DropMatryoshkaIndexOp,
    "resize_matryoshka_index": ResizeMatryoshkaIndexOp,
    "switch_matryoshka_index": SwitchMatryoshkaIndexOp,
    "install_mrl": InstallMrlOp,
    "uninstall_mrl": UninstallMrlOp,
}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda op: type(op).__name__)
def test_the_inverse_of_the_inverse_is_itself(operation: Any) -> None:
    inverse = operation.reverse()
    assert inverse != operation
    assert inverse.reverse() == operation
    kind, *rest = operation.to_diff_tuple()
    assert isinstance(kind, str) and rest


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda op: type(op).__name__)
def test_written_text_means_the_same_operation(operation: Any) -> None:
    text = render_python_code(ops.UpgradeOps(ops=[operation]))
    made: list[MigrateOperation] = []
    op = SimpleNamespace(
        **{
            name: partial(getattr(kind, name), SimpleNamespace(invoke=made.append))
            for name, kind in FUNCTIONS.items()
        }
    )
    exec("if True:\n    " + text, {"op": op})
    assert made == [operation]


def test_written_text_uses_the_prefix_that_env_py_asks_for() -> None:
    text = render_python_code(
        ops.UpgradeOps(ops=[CreateMatryoshkaIndexOp(PLAIN)]),
        alembic_module_prefix="alembic.op.",
    )
    assert "alembic.op.create_matryoshka_index(" in text


def test_each_function_is_there_and_names_its_lock() -> None:
    for name in FUNCTIONS:
        assert "Lock: " in getattr(alembic.op, name).__doc__, name


def typed() -> None:
    """What a type checker makes of `mrl_pg.alembic.op`; never called."""
    op.add_column("docs", Column("n", Integer))
    op.create_matryoshka_index("docs", "embedding", dims=4, kind="bit", m=8)
    op.create_matryoshka_index("docs", "embedding", dims="4")  # type: ignore[arg-type]
    op.create_matryoshka_index("docs", "embedding", kind="bit")  # type: ignore[call-arg]
    op.create_matryoshka_index(
        "docs",
        "embedding",
        dims=4,
        kind="bits",  # type: ignore[arg-type]
    )
    op.resize_matryoshka_index(
        "docs", "embedding", dims=4, existing_dims=2, existing_kind="bit", name="near"
    )
    op.resize_matryoshka_index("docs", "embedding", dims=4)  # type: ignore[call-arg]
    op.switch_matryoshka_index("docs", "embedding", dims=4, existing_dims=2)
    op.switch_matryoshka_index("docs", "embedding", dims=4)  # type: ignore[call-arg]
    op.install_mrl("0.2.0", vector=True)
    op.anything_else()  # type: ignore[attr-defined]


def test_the_typed_module_is_alembics_own() -> None:
    for name in (*FUNCTIONS, "create_table", "get_bind", "f"):
        assert getattr(op, name) is getattr(alembic.op, name)
    with pytest.raises(AttributeError, match="anything_else"):
        op.anything_else()  # type: ignore[attr-defined]
