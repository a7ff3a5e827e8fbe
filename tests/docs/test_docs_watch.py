"""docs/watch.md and examples/watch: what monitoring reads is there, by these names."""

import json
import re
from pathlib import Path

import pytest
from support.databases import Conn, connect, role
from support.pages import ROOT, blocks
from support.tables import Docs, docs_fixture

FOLDER = ROOT / "examples/watch"
docs = docs_fixture(300)


def rows(conn: Conn, query: str) -> list[dict[str, object]]:
    cursor = conn.execute(query.encode())
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def test_the_view_says_how_promises_stand(docs: Docs) -> None:
    index, conn = docs.index, docs.conn
    (query,) = [b.text for b in blocks(ROOT / "docs/watch.md") if b.language == "sql"]
    before = rows(conn, query)
    assert [row["standing"] for row in before] == ["uncalibrated"] * 4
    queries = list(docs.vectors[:120] + 0.01)
    with connect(docs.url) as other, other.transaction(force_rollback=True):
        index.calibrate(other, k=5, queries=queries)
        index.recall(other, k=5, queries=queries[:20], keep=True)
        found = rows(other, "select * from mrl.metrics")
    assert [(row["k"], row["target"]) for row in found] == [
        (5, target) for target in (0.9, 0.95, 0.99, 0.999)
    ]
    first = found[0]
    assert first["standing"] == "measured"
    assert (first["stale"], first["unreached"], first["uncalibrated"]) == (0, 0, 0)
    assert first["queries"] == 120
    assert 0.9 <= float(str(first["recall"])) <= 1
    assert 0 < float(str(first["last_recall"])) <= 1
    assert float(str(first["calibration_age_seconds"])) >= 0


def test_any_role_may_read_it(docs: Docs) -> None:
    with connect(role(docs.conn, docs.url, "watcher")) as conn:
        assert len(rows(conn, "select * from mrl.metrics")) == 4


@pytest.mark.parametrize("file", ["postgres_exporter.yaml", "pgwatch.yaml"])
def test_query_files_have_the_metrics_of_the_page(docs: Docs, file: str) -> None:
    text = (FOLDER / file).read_text()
    (query,) = re.findall(r" \|\n(.*?)^(?=  metrics:|presets:)", text, re.DOTALL | re.M)
    found, *_ = rows(docs.conn, query)
    if file == "pgwatch.yaml":
        assert "metrics:\n  mrl:\n" in text
        assert found.pop("epoch_ns")
        columns = [column.removeprefix("tag_") for column in found]
        labels = {c.removeprefix("tag_") for c in found if c.startswith("tag_")}
    else:
        assert "\nmrl:\n" in text
        columns = list(found)
        told = re.findall(r"^    - (\w+):\n        usage: (\w+)$", text, re.MULTILINE)
        assert [column for column, _ in told] == columns
        labels = {column for column, usage in told if usage == "LABEL"}
    assert labels == set(attributes())
    metrics = [f"mrl_{column}" for column in columns if column not in labels]
    assert sorted(metrics) == sorted(named())


def named() -> list[str]:
    """The metrics of the page, as Prometheus writes them."""
    page = (ROOT / "docs/watch.md").read_text()
    metrics = []
    for cell, unit in re.findall(r"^\| (`mrl[^|]*) \| (\S+) \|", page, re.MULTILINE):
        first, *more = re.findall(r"`([^`]*)`", cell)
        whole = [first]
        for name in more:
            stem = first if "recall" in first else first.rpartition(".")[0]
            whole.append(f"{stem}{name}" if name.startswith(".") else name)
        ending = "_seconds" if unit == "s" else ""
        metrics += [f"{name.replace('.', '_')}{ending}" for name in whole]
    return metrics


def attributes() -> list[str]:
    page = (ROOT / "docs/watch.md").read_text()
    (listed,) = re.findall(r"Their attributes are (.*?)\. Good", page, re.DOTALL)
    return [name.replace(".", "_") for name in re.findall(r"`([^`]*)`", listed)]


def test_the_dashboard_asks_for_metrics_that_there_are() -> None:
    board = json.loads(Path(FOLDER / "grafana.json").read_text())
    asked = set(re.findall(r"\(pgwatch_\)\?(\w+)", json.dumps(board)))
    assert asked <= set(named())
    assert {"mrl_promise_unreached", "mrl_promise_stale", "mrl_recall_last"} <= asked
    assert "mrl_promise_recall_p05" in asked
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids) == 8
    assert all(panel["targets"] for panel in board["panels"])
