"""The page of a tuning: complete, by itself, readable in both themes and aloud."""

import json
import re
import sys
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import asdict, replace
from hashlib import sha256
from html import unescape
from pathlib import Path

import matplotlib.image
import pytest
from matplotlib.colors import to_hex
from support.databases import Server, connect
from support.reports import (
    CLICK,
    Read,
    browse,
    contrast,
    looked_at,
    sound,
    with_script,
)
from support.tables import make_table
from typer.testing import CliRunner, Result

from mrl_pg import report
from mrl_pg.cli.app import app
from mrl_pg.demo.corpus import glosses
from mrl_pg.demo.model import StaticModel
from mrl_pg.errors import InvalidSetting
from mrl_pg.report import Report, colours, plots, svg, tables, values
from mrl_pg.report.marks import marks
from mrl_pg.report.page import INTERFACES
from mrl_pg.tune import Goal, Recommendation, Tuning, tune
from mrl_pg.tune.advice.not_yet import NotYet

NOTHING = Recommendation(None, None, None, None, None, False, (), ("no <use>",), None)


@pytest.fixture(scope="module")
def url(pg_server: Server) -> Iterator[str]:
    """A database with real vectors, in which nothing changes."""
    vectors = StaticModel.load().embed([gloss.text for gloss in glosses(600)])
    with pg_server.fresh() as url:
        with connect(url) as conn:
            make_table(conn, vectors[vectors.any(axis=1)])
        yield url


@pytest.fixture(scope="module")
def tuning(url: str) -> Tuning:
    with connect(url) as conn:
        return tune(
            conn,
            "docs",
            "embedding",
            recall=0.9,
            sizes=[32, 64, 128, 256],
            sample=30,
            tries=2,
            rival=True,
        )


@pytest.fixture(scope="module")
def html(tuning: Tuning) -> str:
    return Report(tuning).html()


# ------------------------------------------------------------------ what is on it


def test_the_page_holds_all_of_the_result(tuning: Tuning, html: str) -> None:
    found = sound(html)
    words = " ".join(found.said.split())
    for point in tuning.points:
        assert f"{point.median_ms:.2f}" in words
    for option in values.shown(tuning):
        assert option.name in words
    for one in tuning.built:
        assert values.megabytes(one.bytes) in words
    advice = tuning.recommendation
    assert advice.commands is not None
    for text in (advice.commands.sql, advice.commands.python, advice.commands.shell):
        assert " ".join(text.split()) in words
    for reason in (*advice.reasons, *advice.against):
        assert reason[1:] in words
    for fact in ("30: held-out rows", "recall 0.9 at k = 10", tuning.table.read_at):
        assert fact in words
    assert f"PostgreSQL {tuning.table.server}" in words
    assert re.search(r"pgvector 0\.\d+\.\d+", words)
    assert len(found.all("svg")) == len(found.all("figure")) == 5
    assert tuning.storage is not None
    assert len(tuning.storage.pairs) >= 1
    assert len(found.all("table")) == 6 + len(tuning.examples) == 9
    # each setting has one time: what is measured again is a share of another
    best = values.choice(tuning)
    assert best is not None
    for pair in tuning.storage.pairs:
        assert f"{pair.ratio:.3f}".lstrip("0") in words
        for again in {str(pair.toast), str(pair.plain)} - {str(best)}:
            assert again not in words
    assert tuning.noise is not None
    assert str(tuning.noise) in words
    table = tables.measured(tuning)
    assert table is not None
    (exact,) = (row for row in table.rows if row[0] == "exact search")
    assert exact[1:6] == ("", "", "", "1.000", "")
    assert {"choice", "front"} <= {row[-1] for row in tables.measured(tuning).rows}  # type: ignore[union-attr]


def test_the_page_needs_nothing_else(html: str) -> None:
    found = sound(html)
    assert "http" not in re.sub(r"http-equiv", "", html)
    assert not {tag for tag, _ in found.elements} & {"link", "img", "iframe"}
    assert [a for _, a in found.elements if "src" in a] == []
    assert "@import" not in html
    (script,) = re.findall("<script>(.*?)</script>", html, re.DOTALL)
    digest = b64encode(sha256(script.encode()).digest()).decode()
    assert found.all("meta")[1]["content"] == (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    )


def test_every_colour_of_a_plot_is_one_of_the_page_in_both_themes(html: str) -> None:
    assert set(colours.LIGHT) == set(colours.DARK)
    drawn = "".join(re.findall(r"<svg.*?</svg>", html, re.DOTALL))
    assert set(re.findall(r"#[0-9a-f]{6}\b", drawn)) == set()
    used = set(re.findall(r"var\(--([\w-]+)\)", drawn))
    assert {"ink", "grid", "surface", "values", "signs", "step-1"} <= used
    assert used <= set(colours.LIGHT)
    for theme in (colours.LIGHT, colours.DARK):
        for name, colour in theme.items():
            assert f"--{name}: {colour};" in html
            if name not in ("grid", "surface", "panel", "shade"):
                # what a line or a letter needs to be seen
                least = 4.5 if name in ("ink", "muted", "alert") else 3
                assert contrast(colour, theme["surface"]) >= least, name
        for name in ("ink", "muted"):
            assert contrast(theme[name], theme["panel"]) >= 4.5, name


def test_an_index_has_one_colour_on_the_whole_page(tuning: Tuning, html: str) -> None:
    known = marks(tuning)
    tried = [known[one.name] for one in tuning.built if "alone" not in one.name]
    assert len({mark.role for mark in tried}) == len(tried) == 2
    assert known[tuning.recommendation.name or ""] in tried
    # nothing else than indexes has their colours
    others = [
        *colours.STEPS,
        *(known[n].colour for n in known if known[n] not in tried),
    ]
    assert not {mark.colour for mark in tried} & set(others)
    dots = re.findall(r'style="color: var\(--([\w-]+)\)"></i>([^<,]+)</', html)
    assert {(known[name].role, name) for name in known} >= set(dots)
    assert {name for _, name in dots} >= {one.name for one in tuning.built}
    by_name = {plot.name: plot.figure for plot in plots.plots(tuning)}
    drawn = by_name["recall-time"].axes[0].lines
    for name in {point.name for point in tuning.points}:
        (line,) = (line for line in drawn if line.get_label() == name)
        assert line.get_color() == known[name].colour
    axes = by_name["sizes"].axes[0]
    bars = zip(axes.get_yticklabels(), axes.patches, strict=True)
    edges = {label.get_text(): to_hex(bar.get_edgecolor()) for label, bar in bars}
    for name, edge in edges.items():
        assert edge == (known[name].colour if name in known else colours.LIGHT["muted"])


def test_the_choice_is_drawn_last_and_labelled(tuning: Tuning, html: str) -> None:
    name = tuning.recommendation.name
    drawn = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    labelled = [one for one in drawn if f"choice: {name}" in one]
    assert len(labelled) == 3
    (measured,) = (one for one in labelled if "recall-time-choice" in one)
    after = measured.split('id="recall-time-choice"')[1].split("recall-time-legend")[0]
    # the choice itself, and no other mark and no line
    assert after.count("<use") == 1
    assert 'id="recall-time-line' not in after


def test_the_verdict_comes_first(tuning: Tuning) -> None:
    # plots take a second, and say nothing here
    bare = replace(tuning, points=(), curves=(), options=())
    for changes, verdict in (
        ({"not_yet": None, "against": ()}, f"Take {tuning.recommendation.name}"),
        ({"not_yet": NotYet("so", 9), "against": ()}, "You need no short index yet"),
        ({"not_yet": None, "against": ("so",)}, "Something speaks against a short"),
    ):
        advice = replace(tuning.recommendation, **changes)
        page = Report(replace(bare, recommendation=advice)).html()
        found = sound(page)
        assert verdict in page.split("</h1>")[0]
        words = " ".join(found.said.split())
        headline = words.index(f"with {advice.candidates} candidates")
        assert words.index(verdict) < headline < words.index("What to run")
        assert advice.against == () or words.index("Why not") < headline


def test_long_tables_and_the_method_are_folded(tuning: Tuning, html: str) -> None:
    table = tables.measured(tuning)
    assert table is not None
    found = sound(html)
    assert len(found.all("summary")) == len(found.all("details"))
    assert f"{table.caption}: {len(table.rows)} rows" in found.said
    assert "How it was measured: rows, queries, versions, noise" in found.said
    # one example is open
    assert [d for d in found.all("details") if "open" in d] == [{"open": None}]


def test_plots_are_told_in_words(tuning: Tuning) -> None:
    told = {plot.name: plot.alt for plot in plots.plots(tuning)}
    assert str(values.choice(tuning)) in told["recall-time"]
    assert "the choice" in told["sizes"]
    for line in values.lines(tuning, "floats"):
        assert f"With {line.candidates} candidates" in told["quality-values"]
    assert "64: " in told["candidates"]


# ------------------------------------------------------------------ other results


def test_names_are_escaped(tuning: Tuning) -> None:
    evil = "a\"b<script>alert(1)</script>&amp;'$x$"
    assert tuning.recommendation.commands is not None
    commands = replace(tuning.recommendation.commands, shell=evil)
    named = replace(
        tuning,
        table=replace(tuning.table, name=evil),
        column=evil,
        read=replace(tuning.read, origin=evil),
        recommendation=replace(tuning.recommendation, commands=commands),
    )
    text = Report(named).html()
    found = sound(text)
    assert len(found.all("script")) == 1
    assert found.said.count(evil) >= 5


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"points": (), "built": ()}, "--plan only reads and predicts"),
        ({"recommendation": NOTHING}, "No short index is recommended"),
        ({"judgement": None}, "Recall of each size"),
        ({"options": ()}, "How it was measured"),
        ({"curves": 1, "options": 1}, "Recall of each size"),
        ({"goal": Goal(k=10, recall=0.999)}, "Candidates needed for recall 0.999"),
        ({"share": 0.1}, "a sample of 10.00% (seed 0)"),
    ],
)
def test_any_result_has_a_page(
    tuning: Tuning, changes: dict[str, object], words: str
) -> None:
    if "share" in changes:
        changes = {"read": replace(tuning.read, share=0.1)}
    if "curves" in changes:
        one = [c for c in tuning.curves if c.dims == 64]
        options = [o for o in tuning.options if o.dims == 64]
        changes = {"curves": tuple(one), "options": tuple(options)}
    found = sound(Report(replace(tuning, **changes)).html())  # type: ignore[arg-type]
    assert words in " ".join(found.said.split())


# ------------------------------------------------------------------ files, notebooks


def test_files_are_written(tuning: Tuning, html: str, tmp_path: Path) -> None:
    file = report.write(tuning, tmp_path / "report.html")
    assert file.read_text(encoding="utf-8") == html
    written = report.write_plots(tuning, tmp_path / "new" / "plots")
    assert {one.suffix for one in written} == {".png", ".svg"}
    assert len(written) == 10
    for one in written:
        start = one.read_bytes()[:200]
        assert start.startswith(b"\x89PNG") or b"<?xml" in start


def test_a_notebook_shows_the_page_in_a_frame(tuning: Tuning, html: str) -> None:
    shown = Report(tuning)._repr_html_()
    (frame,) = Read(shown).all("iframe")
    assert frame["srcdoc"] == html
    assert frame["title"]


def test_what_is_missing_is_said_before_anything_is_done(
    tuning: Tuning, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidSetting, match="no such folder"):
        report.write(tuning, tmp_path / "nowhere" / "report.html")
    with pytest.raises(InvalidSetting, match="is a folder"):
        report.ready(page=tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InvalidSetting, match="is a file"):
        report.write_plots(tuning, tmp_path / "file")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InvalidSetting, match=r"matplotlib\. Run pip install 'mrl_pg\["):
        report.write(tuning, tmp_path / "report.html")


def test_the_command_writes_both(url: str, tmp_path: Path) -> None:
    def run(page: Path) -> Result:
        command = ["tune", "docs", "embedding", "--plan", "--sizes", "64,128"]
        command += ["--dsn", url, "--sample", "30", "--report", str(page)]
        command += ["--show", "title, n"]
        return CliRunner().invoke(app, [*command, "--plots", str(tmp_path / "plots")])

    refused = run(tmp_path / "no" / "r.html")
    assert "no such folder" in str(refused.exception)
    assert refused.output == ""
    done = run(tmp_path / "r.html")
    assert done.exit_code == 0, done.output
    assert "Predicted" in done.stdout
    assert "r.html" in done.stderr
    page = sound((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert page.said.count("title ") >= 3 * 6
    assert (tmp_path / "plots" / "sizes.svg").exists()


# ------------------------------------------------------------------ in a browser


def test_chromium_finds_nothing_that_runs_over(html: str, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(looked_at(html, 1280, 390), encoding="utf-8")
    text, console = browse(file, "--dump-dom", "--window-size=1400,2000")
    (title,) = re.findall("<title>(.*?)</title>", text)
    # the tables of measurements, of predictions and of storage are wide
    assert sorted(title.split()) == ["1280,1280,0,0", "390,390,0,3"]
    # what is said would have been seen below, too
    assert len(console) == 2


@pytest.mark.parametrize(
    ("number", "theme"), [(0, colours.DARK), (1, colours.LIGHT)], ids=["dark", "light"]
)
def test_chromium_loads_it_in_the_theme_that_is_preferred(
    html: str, tmp_path: Path, number: int, theme: dict[str, str]
) -> None:
    file = tmp_path / "report.html"
    file.write_text(html, encoding="utf-8")
    shot = tmp_path / "shot.png"
    text, console = browse(
        file,
        "--dump-dom",
        f"--screenshot={shot}",
        f"--blink-settings=preferredColorScheme={number}",
    )
    assert console == []
    assert text.count("<figcaption>") == 5
    # the script ran, although the rule of the page forbids all others
    assert html.count(" hidden>Copy<") == 4
    assert text.count('data-copies="') == 4
    assert not re.search("<button[^>]* hidden", text)
    corner = matplotlib.image.imread(shot)[2, 2, :3]
    painted = "#" + "".join(f"{round(255 * part):02x}" for part in corner)
    assert painted == theme["surface"]


def test_buttons_copy_the_commands(tuning: Tuning, html: str, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(with_script(html, CLICK), encoding="utf-8")
    text, console = browse(file, "--dump-dom")
    assert console == []
    (title,) = re.findall("<title>(.*?)</title>", text)
    done = json.loads(unescape(title))
    assert tuning.recommendation.commands is not None
    texts = asdict(tuning.recommendation.commands)
    wanted = [texts[name] for name in INTERFACES]
    # the clipboard refuses the last text, which is selected instead
    assert done["clipboard"] == wanted
    names = [f"Copy {title}" for title in INTERFACES.values()]
    assert [" ".join(said.split()) for said in done["said"][::2]] == names
    status = done["said"][1::2]
    assert status == ["Copied"] * 3 + ["Selected. Press Ctrl+C or ⌘C"]


def test_a_plot_is_the_same_each_time(tuning: Tuning) -> None:
    one, two = (plots.plots(tuning)[0].figure for _ in range(2))
    assert svg.text(one) == svg.text(two)
