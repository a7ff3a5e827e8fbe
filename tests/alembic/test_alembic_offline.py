"""--sql: text that psql runs, to the catalog that Alembic makes online."""

import re
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from alembic.autogenerate import render_python_code
from alembic.operations import ops
from support.next_release import NEXT, next_release
from support.scratch import Project, catalog, execute, psql

from mrl_pg import source
from mrl_pg.alembic import CreateMatryoshkaIndexOp, ResizeMatryoshkaIndexOp
from mrl_pg.installation import VERSION

ODD = ("""My "docs" 5%% :a %(b)s {}""", "it's :an %s {embedding}\\", 'The "app" %s:x')


STEPS = {
    "create index concurrently": "build, ",
    "mrl._check_graph(": "check, ",
    "mrl.register(": "register, ",
}
STEP = re.compile("|".join(map(re.escape, STEPS)))


def names(table: str, column: str, schema: str) -> str:
    """A table and a column, and the schema if there is one, as a revision has them."""
    where = f", schema={schema!r}" if schema else ""
    return f"{table!r}, {column!r}{where}"


def quoted(*parts: str) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts if part)


@pytest.mark.parametrize("beside", [False, True], ids=["locked", "concurrently"])
@pytest.mark.parametrize("place", [("docs", "embedding", ""), ODD], ids=["docs", "odd"])
def test_psql_makes_of_it_what_alembic_makes(
    place: tuple[str, str, str],
    beside: bool,
    database: str,
    pg_version: int,
    tmp_path: Path,
) -> None:
    table, column, schema = place
    what = names(*place)
    made = f"{quoted(schema, table)} (id int primary key, {quoted(column)} vector(8))"
    if schema:
        execute(database, f"create schema {quoted(schema)}")
    execute(database, f"create table {made}")
    project = Project(tmp_path, database)
    for call in (
        "create_matryoshka_index({0}, dims=4, {1})",
        "resize_matryoshka_index({0}, dims=4, m=8, existing_dims=4, {1})",
        "resize_matryoshka_index({0}, dims=4, distance='l2', existing_dims=4, "
        "existing_m=8, {1})",
        "resize_matryoshka_index({0}, dims=2, kind='bit', existing_dims=4, "
        "existing_distance='l2', name='nearest', {1})",
        "resize_matryoshka_index({0}, dims=3, name='nearest', existing_dims=2, "
        "existing_kind='bit', existing_name='nearest', {1})",
        "create_matryoshka_index({0}, dims=5, keep='trigger', {1})",
        "resize_matryoshka_index({0}, dims=5, keep='generated', existing_dims=5, "
        "existing_keep='trigger', {1})",
    ):
        upgrade = "op." + call.format(what, f"concurrently={beside}")
        project.write(upgrade, inverse(upgrade))
    project.write(
        f"op.drop_matryoshka_index({what}, dims=3, name='nearest', "
        f"concurrently={beside})",
        f"op.create_matryoshka_index({what}, dims=3, name='nearest', "
        f"concurrently={beside})",
    )
    online = {"base": catalog(database)}
    for revision in project.revisions:
        project.upgrade(revision)
        online[revision] = catalog(database)
    project.downgrade("base")
    assert catalog(database) == online["base"]
    execute(database, "drop table alembic_version")
    steps = list(online)
    for before, after in pairwise(steps):
        text = project.text(f"{before}:{after}")
        # the graph is checked before searches learn of the index
        order = "".join(STEPS[step] for step in STEP.findall(text))
        assert order.count("build") == order.count("build, check, register, ")
        psql(database, pg_version, text)
        assert catalog(database) == online[after], after
    for after, before in pairwise(steps[::-1]):
        psql(database, pg_version, project.text(f"{after}:{before}", down=True))
        assert catalog(database) == online[before], before


def inverse(call: str) -> str:
    """The same call with what it makes and what is there exchanged."""
    made: list[Any] = []
    catch: Any = SimpleNamespace(invoke=made.append)

    def create(*names: str, **given: Any) -> None:
        CreateMatryoshkaIndexOp.create_matryoshka_index(catch, *names, **given)

    def resize(*names: str, **given: Any) -> None:
        ResizeMatryoshkaIndexOp.resize_matryoshka_index(catch, *names, **given)

    op = SimpleNamespace(create_matryoshka_index=create, resize_matryoshka_index=resize)
    exec(call, {"op": op})
    lines = render_python_code(ops.DowngradeOps(ops=[made[0].reverse()])).splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("#"))


def test_installing_is_the_files_byte_for_byte(
    bare_database: str, pg_version: int, tmp_path: Path
) -> None:
    project = Project(tmp_path / "alembic", bare_database)
    project.write(f"op.install_mrl('{NEXT}', vector=True)", "op.uninstall_mrl()")
    releases = f"'{NEXT}', existing_version='{VERSION}'"
    project.write(f"op.uninstall_mrl({releases})", f"op.install_mrl({releases})")
    with next_release(tmp_path / "next"):
        up = project.text("r1")
        assert_holds(up, f"releases/{NEXT}.sql")
        assert "create extension if not exists vector;" in up
        back = project.text("r1:r2")
        assert_holds(back, f"releases/{NEXT}.down.sql")
        for text, version in (
            (up, NEXT),
            (back, VERSION),
            (project.text("r2:r1", down=True), NEXT),
            (back, VERSION),
        ):
            psql(bare_database, pg_version, text)
            assert execute(bare_database, "select mrl.version()") == [(version,)]
    psql(bare_database, pg_version, project.text("r1:base", down=True))
    assert execute(bare_database, "select to_regnamespace('mrl')") == [(None,)]


def assert_holds(text: str, manifest: str) -> None:
    """Each file stands in the text, one right behind the other."""
    place = 0
    for name in source.manifest(manifest):
        found = text.find(source.read(name), place)
        assert found >= 0, name
        place = found + len(source.read(name))
