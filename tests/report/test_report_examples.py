"""Example queries of a tuning: answers as SQL finds them, rows shown as was asked."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from psycopg import sql
from support.databases import Conn, Server, connect
from support.reports import browse, sound
from support.tables import make_table
from support.vectors import Vectors, matryoshka

from mrl_pg import Progress
from mrl_pg.catalog.read import known_facts
from mrl_pg.errors import ColumnNotFound
from mrl_pg.exchange import run
from mrl_pg.kinds import Distance
from mrl_pg.layout import IndexLayout
from mrl_pg.report import Report
from mrl_pg.tune import Tuning, tune
from mrl_pg.tune.advice.examples import CUT, SIZES, rows_statement, to_show
from mrl_pg.tune.rows import read_rows

ROWS = 1300
ASKED = matryoshka(8, seed=2)
TITLES = (
    "<script>alert(1)</script> & 'x'",
    "שלום \u202eesrever",
    "two\n\tlines \x01",
    "👩\u200d🔬" + "x" * 200,
    None,
)
OPERATOR = {"cosine": "<=>", "l2": "<->", "ip": "<#>"}
ORDER = """select id, embedding {near} %(query)s::vector as distance,
    row_number() over (order by {short}, ctid) as place from docs"""


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judging takes most of a plan, and tests of it are elsewhere."""
    monkeypatch.setattr(read_rows, "JUDGED_ROWS", 150)


@pytest.fixture(scope="module")
def docs(pg_server: Server) -> Iterator[Conn]:
    """`docs`, and `odd`: partitions, two keys, halves, titles of any kind."""
    vectors = matryoshka(ROWS)
    with pg_server.fresh() as url, connect(url) as conn:
        make_table(conn, vectors)
        make_odd(conn, vectors[:600])
        yield conn


def make_odd(conn: Conn, vectors: Vectors) -> None:
    conn.execute(
        """create table odd (tenant text, id int, "ti,tle %" text,
        embedding halfvec(64), primary key (tenant, id)) partition by list (tenant)"""
    )
    conn.execute("create table odd_a partition of odd for values in ('a')")
    conn.execute("create table odd_b partition of odd for values in ('ß')")
    with conn.cursor().copy("copy odd from stdin") as copy:
        for i, vector in enumerate(vectors.tolist()):
            title = TITLES[i % len(TITLES)]
            copy.write_row(("aß"[i % 2], i, title, str(vector)))
    conn.execute("analyze odd")


def tuned(conn: Conn, tmp_path: Path, **options: Any) -> Tuning:
    np.save(tmp_path / "q.npy", ASKED)
    given = {"plan": True, "recall": 0.9, "queries_file": tmp_path / "q.npy"}
    return tune(conn, "docs", "embedding", **{**given, **options})


# ------------------------------------------------------------------ what is answered


@pytest.mark.parametrize("distance", ["cosine", "l2", "ip"])
def test_answers_and_places_are_those_of_sql(
    docs: Conn, tmp_path: Path, distance: Distance
) -> None:
    found = tuned(docs, tmp_path, distance=distance, show=["title"], sizes=[8, 16, 64])
    assert len(found.examples) == 3
    missed = 0
    for example in found.examples:
        assert example.row is None
        query = str(ASKED[example.number - 1].tolist())
        for answer in example.answers:
            rows = in_sql(docs, answer.name, query, OPERATOR[distance])
            truth = sorted(rows, key=lambda row: row[1])[:10]
            count = answer.candidates or ROWS
            handed = [row for row in rows if row[2] <= count]
            wanted = sorted(handed, key=lambda row: row[1])[:10]
            keys = [(("id", f"{key}"),) for key, *_ in wanted]
            assert [hit.row.key for hit in answer.rows] == keys, answer.name
            far = [hit.distance for hit in answer.rows]
            np.testing.assert_allclose(far, [row[1] for row in wanted], atol=1e-5)
            true = {row[0] for row in truth}
            assert [hit.true for hit in answer.rows] == [r[0] in true for r in wanted]
            assert answer.found == len(true & {row[0] for row in wanted})
            assert len(answer.missing) == 10 - answer.found
            missed += len(answer.missing)
            if answer.candidates is not None:
                assert [hit.place for hit in answer.rows] == [r[2] for r in wanted]
                alone = {row[0] for row in rows if row[2] <= 10}
                assert answer.alone == len(true & alone)
            for hit in answer.rows:
                assert hit.row.more == (("title", f"title {hit.row.key[0][1]}"),)
    assert missed


def in_sql(
    conn: Conn, name: str, query: str, near: str
) -> list[tuple[int, float, int]]:
    """Key, true distance, and place in the order of a size, of every row."""
    dims = "".join(re.findall(r"\((\d+)\)", name)) or "64"
    cut = "subvector({}, 1, {})"
    row, asked = (cut.format(x, dims) for x in ("embedding", "%(query)s::vector"))
    short = f"{row} <=> {asked}"
    if name.startswith("bit"):
        short = f"binary_quantize({row}) <~> binary_quantize({asked})"
    text = ORDER.format(near=near, short=short)
    return conn.execute(text.encode(), {"query": query}).fetchall()


def test_the_recommended_size_is_always_shown(docs: Conn, tmp_path: Path) -> None:
    found = tuned(docs, tmp_path, sizes=[4, 8, 12, 16, 24, 32], kinds=["halfvec"])
    advice = found.recommendation
    exact, *sizes = found.examples[0].answers
    assert exact.name == "exact"
    assert len(sizes) == SIZES
    chosen = {answer.name: answer.candidates for answer in sizes}
    assert chosen[advice.name or ""] == advice.candidates
    for option in found.options:
        other = replace(advice, name=option.name, candidates=7)
        assert (option, 7) in to_show(found.options, other, ["halfvec(32)"])
    # none is able: with as many candidates as there can be
    unable = [replace(option, candidates=None) for option in found.options]
    nothing = replace(advice, name=None, candidates=None)
    assert {count for _, count in to_show(unable, nothing, [])} == {1000}


# ------------------------------------------------------------------ what is shown


def test_rows_show_their_key_and_no_more_unless_asked(docs: Conn) -> None:
    given: dict[str, Any] = {"plan": True, "recall": 0.9, "sample": 40}
    plain = tune(docs, "odd", "embedding", **given)
    told = json.dumps(plain.as_dict(), ensure_ascii=False) + Report(plain).html()
    assert "alert(1)" not in told
    assert "שלום" not in told
    keys = docs.execute("select tenant, id::text from odd").fetchall()
    for example in plain.examples:
        assert example.row is not None
        hits = [hit.row for answer in example.answers for hit in answer.rows]
        for row in (example.row, *hits):
            assert row.more == ()
            assert tuple(value for _, value in row.key) in keys
        # held out: a query is in no answer
        assert example.row.key not in {row.key for row in hits}

    found = tune(docs, "odd", "embedding", show=["id", "ti,tle %"], **given)
    answer = json.loads(json.dumps(found.as_dict()))["examples"]
    assert answer == found.as_dict()["examples"]
    titles = dict(docs.execute('select id::text, "ti,tle %" from odd').fetchall())
    cut = 0
    for example in answer:
        for row in (
            example["row"],
            *(r for a in example["answers"] for r in a["rows"]),
        ):
            title = titles[row["key"]["id"]]
            (said,) = row["shown"].values()
            if title is None or len(title) <= CUT:
                kept = title and " ".join(title.replace("\x01", " ").split())
                assert said == kept
            else:
                assert said == f"{title[: CUT - 1]}…"
                cut += 1
    assert cut
    page = sound(Report(found).html())
    assert len(page.all("script")) == 1
    words = " ".join(page.said.split())
    for said in ("<script>alert(1)</script> & 'x'", "two lines", "ti,tle % is null"):
        assert said in words
    assert len(page.all("bdi")) > 30
    for example in found.examples:
        assert f"Query {example.number} of 40, a row of the table" in words


def test_rows_are_read_by_place_in_every_partition(docs: Conn) -> None:
    facts = run(docs, known_facts(docs, IndexLayout("odd", "embedding", dims=1)))
    known = docs.execute(
        "select tableoid, (ctid::text::point)[0], (ctid::text::point)[1] from odd"
    ).fetchall()
    places = [
        (table, int(page) << 16 | int(item), 0) for table, page, item in known[:9]
    ]
    query = rows_statement(facts, ["id"], places)
    with docs.transaction():
        # of so few rows a scan is cheaper, which it may be: here it must be avoidable
        docs.execute("set local enable_seqscan = off")
        plan = docs.execute(sql.SQL("explain {}").format(query)).fetchall()
    text = "\n".join(row[0] for row in plan)
    assert text.count("Tid Scan") == 2
    assert "Seq Scan" not in text
    assert len(docs.execute(query).fetchall()) == 9


@pytest.mark.parametrize("show", [["title", "nope"], "nope"])
def test_an_unknown_column_is_named_before_anything_is_read(
    docs: Conn, show: "str | list[str]"
) -> None:
    stages: list[Progress] = []
    with pytest.raises(ColumnNotFound, match=r"nope.*there are: id, n, title, emb"):
        tune(docs, "docs", "embedding", plan=True, show=show, progress=stages.append)
    assert stages == []


# ------------------------------------------------------------------ on paper


def test_it_prints_on_few_pages_with_what_is_folded(docs: Conn, tmp_path: Path) -> None:
    found = tuned(docs, tmp_path, show=["title"])
    html = Report(found).html()
    assert html.count("<details>") >= 3
    # scripts may be off, so the styles alone have to open what is folded
    styled = re.sub("<script>.*?</script>", "", html, flags=re.DOTALL)
    opened = styled.replace("<details>", "<details open>")
    papers = [printed(text, tmp_path) for text in (styled, opened)]
    assert abs(len(papers[0]) - len(papers[1])) < 0.01 * len(papers[1])
    pages = [re.findall(rb"/Type\s*/Page\b", paper) for paper in papers]
    assert 2 <= len(pages[0]) <= 4
    assert pages[0] == pages[1]


def printed(html: str, folder: Path) -> bytes:
    file, paper = folder / "report.html", folder / "r.pdf"
    file.write_text(html, encoding="utf-8")
    browse(file, f"--print-to-pdf={paper}")
    return paper.read_bytes()
