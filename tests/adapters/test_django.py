"""Django: the app of docs/django.md, migrated both ways, and its searches."""

import importlib
import itertools
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import django
import numpy as np
import pytest
from asgiref.sync import async_to_sync
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import OperationalError, connection, transaction
from django.db.migrations.state import ProjectState
from django.db.migrations.writer import MigrationWriter
from psycopg.conninfo import conninfo_to_dict
from support.citus import distribute, make_catalog, remove_catalog
from support.databases import Conn, Server, connect
from support.pages import ROOT, blocks, run_python
from support.plans import explain, first_pass, force_index
from support.rotations import orthogonal
from support.vectors import Vectors, matryoshka, nearest, recall

from mrl_pg import MatryoshkaColumn
from mrl_pg.adapters.django import (
    AddShortIndexConcurrently,
    InstallMrl,
    ShortIndex,
)
from mrl_pg.errors import InvalidSetting, InvalidVector
from mrl_pg.kinds import Keep
from mrl_pg.rotation import Provenance, Rotation

ROWS = 400
INDEX = "library_doc_embedding_32_halfvec_cosine_hnsw"
PAGE = [b for b in blocks(ROOT / "docs/django.md") if b.language == "python"]
MRL, MODELS, SEARCH, LATER, ROTATED = PAGE


@dataclass(frozen=True, slots=True)
class Library:
    """The app's models, and the rows of Doc, whose keys begin at 1."""

    models: Any
    vectors: Vectors


def manage(*arguments: str, **options: Any) -> str:
    """What a command of manage.py prints."""
    out = StringIO()
    call_command(*arguments, stdout=out, no_color=True, **options)
    return out.getvalue()


@pytest.fixture(scope="module")
def library(
    pg_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Library]:
    """An app `library` in a folder of its own, migrated, with rows."""
    folder = tmp_path_factory.mktemp("django")
    migrations = folder / "library/migrations"
    migrations.mkdir(parents=True)
    (migrations / "__init__.py").touch()
    (migrations / "0001_mrl.py").write_text(MRL.text)
    (folder / "library/__init__.py").touch()
    (folder / "library/models.py").write_text(smaller(MODELS.text))
    with pg_server.fresh("template0") as url, pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        parts = conninfo_to_dict(url)
        settings.configure(
            INSTALLED_APPS=["library"],
            DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
            USE_TZ=True,
            DATABASES={
                "default": {
                    "ENGINE": "django.db.backends.postgresql",
                    "NAME": parts["dbname"],
                    "USER": parts["user"],
                    "HOST": parts["host"],
                    "PORT": parts["port"],
                }
            },
        )
        django.setup()
        models = importlib.import_module("library.models")
        manage("makemigrations", "library", name="models")
        (migrations / "0003_bits.py").write_text(smaller(LATER.text))
        manage("migrate")
        vectors = matryoshka(ROWS)
        _fill(models, vectors)
        yield Library(models, vectors)
        connection.close()
        for name in [name for name in sys.modules if name.startswith("library")]:
            del sys.modules[name]


def smaller(text: str) -> str:
    """The page's code for vectors of 64 dimensions instead of 1536."""
    return text.replace("1536", "64").replace("256", "32")


def _fill(models: Any, vectors: Vectors) -> None:
    authors = [models.Author(name=name) for name in ("Ada", "Ben")]
    models.Author.objects.bulk_create(authors)
    models.Doc.objects.bulk_create(
        models.Doc(
            title=f"title {i}",
            author=authors[i % 2],
            embedding=vector,
        )
        for i, vector in enumerate(vectors, 1)
    )
    with connection.cursor() as cursor:
        cursor.execute("analyze")


def indexes() -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select index_name::text, kept_as, usable from mrl.indexes order by dims"
        )
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def test_migrations_go_both_ways(library: Library) -> None:
    assert indexes() == [
        (INDEX, "generated", True),
        ("library_bits", "expression", True),
    ]
    # of all the page says, only its last index is not in the model
    printed = manage("makemigrations", "library", dry_run=True)
    assert re.findall("^ +[-+~] .*", printed, re.M) == [
        "    - Remove index library_bits from doc"
    ]
    printed = manage("sqlmigrate", "library", "0001")
    assert "create or replace function mrl.truncate" in printed
    call = (
        "select mrl.create_index('\"library_doc\"', 'embedding', dims => 32, "
        "kind => 'halfvec', distance => 'cosine', m => 16, ef_construction => 64, "
        f"index_name => '{INDEX}', rebuild => false);"
    )
    assert call in manage("sqlmigrate", "library", "0002")
    assert "select mrl.create_index_sql(" in manage("sqlmigrate", "library", "0003")
    printed = manage("sqlmigrate", "library", "0002", backwards=True)
    assert "DROP TABLE" in printed
    printed = manage("sqlmigrate", "library", "0003", backwards=True)
    assert (
        "select mrl.drop_index('\"library_doc\"', 'embedding', "
        "index_name => 'library_bits');"
    ) in printed
    manage("migrate", "library", "0002")
    assert indexes() == [(INDEX, "generated", True)]
    manage("migrate", "library")
    assert len(indexes()) == 2


def test_nearest(library: Library) -> None:
    docs, vectors = library.models.Doc.objects, library.vectors
    query = vectors[7]
    truth = nearest(vectors, query, 10)
    found = docs.nearest("embedding", query, k=10)
    assert recall(found.result, truth) >= 0.9
    assert found.result.index_name == INDEX
    assert [doc.pk for doc in found] == found.result.keys
    assert all(isinstance(doc, library.models.Doc) for doc in found)
    assert found[0].pk == 8 and found[0].distance == pytest.approx(0, abs=1e-6)
    far = [doc.distance for doc in found]
    assert far == sorted(far)
    exact = docs.all().nearest("embedding", query.tolist(), k=10, exact=True)
    assert [doc.pk for doc in exact] == truth
    awaited = async_to_sync(docs.all().anearest)("embedding", query, k=3)
    assert [doc.pk for doc in awaited] == truth[:3]


def test_what_the_queryset_filters_is_the_condition(library: Library) -> None:
    docs, vectors = library.models.Doc.objects, library.vectors
    query = vectors[7]
    order = nearest(vectors, query, ROWS)
    simple = docs.filter(pk__lte=360).exclude(title__contains="%e 8")
    simple = simple.exclude(title="title 8")
    truth = [i for i in order if i <= 360 and i != 8]
    found = simple.nearest("embedding", query, k=5)
    assert [doc.pk for doc in found] == truth[:5]
    # it is inside the index scan
    given = simple._condition()
    connection.ensure_connection()
    plan = MatryoshkaColumn("library_doc", "embedding").plan(
        connection.connection, query, k=5, **given
    )
    with transaction.atomic():
        # these rows are so few that PostgreSQL might read all of them
        force_index(connection.connection)
        assert first_pass(explain(connection.connection, plan)) == [INDEX]
        transaction.set_rollback(True)
    joined = docs.filter(author__name="Ada").select_related("author").only("author")
    found = joined.nearest("embedding", query, k=5)
    assert [doc.pk for doc in found] == [i for i in order if i % 2 == 0][:5]
    with connection.execute_wrapper(_no_query):
        assert {doc.author.name for doc in found} == {"Ada"}
    assert docs.none().nearest("embedding", query) == []
    assert len(docs.exclude(pk__in=[]).nearest("embedding", query, k=2)) == 2


def _no_query(*_: Any) -> None:
    raise AssertionError("a query was sent")


def test_the_search_of_the_page(
    library: Library, capsys: pytest.CaptureFixture[str]
) -> None:
    scope = {"Doc": library.models.Doc, "query": library.vectors[7]}
    assert run_python([SEARCH], scope, capsys) == 1


def test_a_table_of_citus_is_searched_on_its_shards(library: Library) -> None:
    docs, vectors = library.models.Doc.objects, library.vectors
    query = vectors[7]
    connection.ensure_connection()
    make_catalog(connection.connection)
    distribute(connection.connection, "library_doc")
    # a session asks once whether the database has Citus
    connection.close()
    try:
        found = docs.filter(title__contains="1").nearest("embedding", query, k=5)
        truth = [i for i in nearest(vectors, query, ROWS) if "1" in str(i)]
        assert [doc.pk for doc in found] == truth[:5]
        assert found.result.shards == 8
        with transaction.atomic():
            found = docs.nearest("embedding", query, k=5)
            assert found.result.shards == 8
            # what was sent before the search is undone with it
            read = "select current_setting('citus.propagate_set_commands', true)"
            told = connection.connection.execute(read).fetchall()
            assert told[0][0] != "local"
        assert [doc.pk for doc in found] == nearest(vectors, query, 5)
    finally:
        remove_catalog(connection.connection)
        connection.close()


def test_a_text_stands_for_its_vector(library: Library) -> None:
    docs, vectors = library.models.Doc.objects, library.vectors

    class Places:
        """Embeds a number as the vector of that row."""

        name = "mine:places"

        def embed_documents(self, texts: Sequence[str]) -> Vectors:
            return vectors[[int(text) for text in texts]]

        embed_queries = embed_documents

    found = docs.filter(pk__gt=8).nearest("embedding", "7", embedder=Places(), k=3)
    truth = [i for i in nearest(vectors, vectors[7], ROWS) if i > 8]
    assert [doc.pk for doc in found] == truth[:3]
    awaited = async_to_sync(docs.all().anearest)("embedding", "7", embedder=Places())
    assert awaited[0].pk == 8
    with pytest.raises(InvalidSetting, match="the registry names no model"):
        docs.nearest("embedding", "7")
    with pytest.raises(InvalidSetting, match="embedder= is for a text"):
        docs.nearest("embedding", vectors[7], embedder=Places())


def test_in_a_transaction_of_django(library: Library) -> None:
    docs, query = library.models.Doc.objects, library.vectors[7]
    with transaction.atomic():
        docs.filter(pk=8).delete()
        found = docs.nearest("embedding", query, k=3)
        assert 8 not in [doc.pk for doc in found] and len(found) == 3
        with pytest.raises(InvalidVector):
            docs.nearest("embedding", [1.0])
        # nothing was sent, so the transaction goes on
        assert docs.filter(pk=9).exists()
        transaction.set_rollback(True)
    assert docs.nearest("embedding", query, k=1)[0].pk == 8


def test_a_recall(library: Library) -> None:
    docs, query = library.models.Doc.objects, library.vectors[7]
    connection.ensure_connection()
    MatryoshkaColumn("library_doc", "embedding").index(connection.connection).calibrate(
        connection.connection, k=5, sample=20
    )
    found = docs.nearest("embedding", query, k=5, recall=0.9)
    assert found.result.promise is not None
    assert [doc.pk for doc in found] == nearest(library.vectors, query, 5)


def test_what_is_refused(library: Library) -> None:
    docs, query = library.models.Doc.objects, library.vectors[7]
    for asked, options, message in (
        (docs.all()[:5], {}, "sliced"),
        (docs.distinct(), {}, "distinct"),
        (docs.values("pk"), {}, "values()"),
        (docs.all(), {"filter": "true"}, "use .filter()"),
        (docs.all(), {"k": 0}, "k=0 is below 1"),
    ):
        with pytest.raises(InvalidSetting, match=re.escape(message)):
            asked.nearest("embedding", query, **options)
    with pytest.raises(InvalidSetting, match="one vector field"):
        ShortIndex(fields=["a", "b"], dims=8)
    with pytest.raises(InvalidSetting, match="kind"):
        ShortIndex(fields=["a"], dims=8, kind="float")  # type: ignore[arg-type]


def test_without_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("mrl_pg.adapters.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "django", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'mrl_pg\[django\]'"):
        importlib.import_module("mrl_pg.adapters.django")


def test_a_migration_file_names_only_what_is_no_default() -> None:
    index = ShortIndex(fields=["embedding"], dims=64, kind="bit", keep="expression")
    index.name = "bits"
    text, _ = MigrationWriter.serialize(index)
    assert text == (
        "mrl_pg.adapters.django.indexes.ShortIndex(dims=64, fields=['embedding'], "
        "keep='expression', kind='bit', name='bits')"
    )
    assert index.clone() == index


class Broken(Exception):
    """A program that ends here."""


@dataclass(slots=True)
class BreaksOff:
    """A wrapper of Django's statements that breaks off at one of them."""

    place: int
    how: str
    other: Conn
    sent: int = 0

    def __call__(self, execute: Any, statement: str, *rest: Any) -> Any:
        place, self.sent = self.sent, self.sent + 1
        if place != self.place:
            return execute(statement, *rest)
        if self.how == "before":
            raise Broken
        if self.how == "after":
            execute(statement, *rest)
            raise Broken
        if self.how == "lost":
            session = connection.connection.info.backend_pid
            self.other.execute("select pg_terminate_backend(%s, 10000)", [session])
            return execute(statement, *rest)
        # a build that waits for a writer leaves an index that is not valid
        connection.connection.execute("set lock_timeout = '50ms'")
        with self.other.transaction():
            self.other.execute("lock table library_doc in row exclusive mode")
            return execute(statement, *rest)


@pytest.fixture
def few_rows(library: Library, pg_server: Server) -> Iterator[None]:
    """A copy of the library with a tenth of its rows, for indexes built many times."""
    name = connection.settings_dict["NAME"]
    connection.close()
    with pg_server.fresh(name) as url:
        with connect(url) as conn:
            conn.execute("delete from library_doc where id > %s", [ROWS // 10])
            conn.execute("vacuum analyze library_doc")
        connection.settings_dict["NAME"] = conninfo_to_dict(url)["dbname"]
        yield
        connection.close()
    connection.settings_dict["NAME"] = name


@pytest.mark.usefixtures("few_rows")
@pytest.mark.parametrize(
    ("keep", "how"),
    [
        # the one with the most statements
        ("trigger", "before"),
        ("trigger", "after"),
        ("trigger", "lost"),
        ("trigger", "waits"),
        ("expression", "lost"),
        ("expression", "waits"),
        ("generated", "lost"),
        ("generated", "waits"),
    ],
)
def test_an_index_that_breaks_off_is_finished_by_the_next_run(
    library: Library, pg_server: Server, keep: Keep, how: str
) -> None:
    index = ShortIndex(
        fields=["embedding"], dims=16, keep=keep, rebuild=True, name="broken_off"
    )
    operation = AddShortIndexConcurrently("doc", index)
    before, after = (ProjectState.from_apps(apps) for _ in range(2))
    operation.state_forwards("library", after)

    def forwards() -> None:
        with connection.schema_editor(atomic=False) as editor:
            operation.database_forwards("library", editor, before, after)

    def made() -> list[tuple[Any, ...]]:
        return [row for row in indexes() if row[0] == "broken_off"]

    name = connection.settings_dict["NAME"]
    with connect(pg_server.url(name)) as other:
        for place in itertools.count():
            wrapper = BreaksOff(place, how, other)
            with connection.execute_wrapper(wrapper):
                try:
                    forwards()
                except (Broken, OperationalError):
                    pass
            ended = wrapper.sent <= place
            connection.close()
            forwards()
            assert made() == [("broken_off", keep, True)], place
            # as if the migration had not been written down
            forwards()
            assert made() == [("broken_off", keep, True)], place
            with connection.schema_editor() as editor:
                operation.database_backwards("library", editor, after, before)
            assert made() == []
            if ended:
                break
    assert place > 2


def test_the_schema_is_installed_twice(library: Library) -> None:
    operation = InstallMrl()
    state = ProjectState.from_apps(apps)
    for _ in range(2):
        with connection.schema_editor() as editor:
            operation.database_forwards("library", editor, state, state)
    assert len(indexes()) == 2
    # what is left of one that breaks off is nothing
    with pytest.raises(Broken), connection.schema_editor() as editor:
        operation.database_forwards("library", editor, state, state)
        raise Broken
    assert len(indexes()) == 2


def test_a_rotated_column_is_turned_by_the_server(
    library: Library, capsys: pytest.CaptureFixture[str]
) -> None:
    turn = orthogonal(64)
    rows = library.models.Doc.objects.order_by("id")
    keys = [row.id for row in rows]
    now = np.array([row.embedding for row in rows], dtype=np.float32)
    now[0] = now[6] * 0.9 + now[7] * 0.1
    with transaction.atomic(), connection.cursor() as cursor:
        for name in (INDEX, "library_bits"):
            cursor.execute(f"drop index if exists {name}")
        MatryoshkaColumn("library_doc", "embedding").set_rotation(
            connection.connection,
            Rotation(turn, Provenance("random", 0)),
            already=True,
        )
        cursor.execute(
            "update library_doc set embedding = mrl.rotate("
            "'library_doc', 'embedding', embedding)"
        )
        create = "select mrl.create_index('library_doc', 'embedding', dims => 32)"
        cursor.execute(create)
        scope = {"Doc": library.models.Doc, "vector": now[0], "key": keys[0]}
        run_python([ROTATED], scope, capsys)
        stored = [row.embedding for row in rows.all()]
        assert np.allclose(stored, now @ turn.T, atol=1e-5)
        read = scope["docs"].get(id=keys[0]).vector
        assert np.allclose(read, now[0], atol=1e-5)
        true = [keys[place - 1] for place in nearest(now, now[0], 3)]
        assert [each.id for each in scope["like"]] == true
        transaction.set_rollback(True)


def test_the_schema_is_removed_backwards(library: Library, pg_server: Server) -> None:
    """Last, because it takes the tables away."""
    assert Path(library.models.__file__).is_file()
    manage("migrate", "library", "zero")
    # as if the last step had not been written down
    manage("migrate", "library", "0001", fake=True)
    manage("migrate", "library", "zero")
    name = connection.settings_dict["NAME"]
    with connect(pg_server.url(name)) as conn:
        left = "select to_regclass('library_doc'), to_regnamespace('mrl')"
        assert conn.execute(left).fetchone() == (None, None)
    manage("migrate", "library")
    assert len(indexes()) == 2
