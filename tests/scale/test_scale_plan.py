"""`mrl_pg.scale`: its arithmetic against what was measured, and what it refuses."""

import json
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from support import command

from mrl_pg import scale
from mrl_pg.errors import InvalidSetting
from mrl_pg.kinds import KINDS
from mrl_pg.scale.measured import (
    DIMS,
    MeasuredCell,
    build_us,
    cells,
    cells_of,
    search_slopes,
)
from mrl_pg.scale.plan import Figure, ScalePlan, best
from mrl_pg.scale.text import text
from mrl_pg.tune.predict.index_size import graph_bytes, index_bytes, toast_bytes

MOST = cells_of("bit")[-1].rows
"""The most rows that were measured with a graph."""

FORMS = {
    "bit": ("bit", DIMS),
    "halfvec(256)": ("halfvec", 256),
    "single halfvec": ("halfvec", DIMS),
    "single vector": ("vector", DIMS),
}


LARGEST = [cells_of(series)[-1] for series in FORMS if len(cells_of(series)) > 2]
"""The largest table of each kind that was measured at three sizes at least."""


def planned(cell: MeasuredCell, recall: float = 0.95) -> ScalePlan:
    """The plan for what a cell measured."""
    kind, short = FORMS[cell.series]
    found = scale.plan(
        cell.rows, DIMS, memory="256GB", kind=kind, short=short, recall=recall
    )
    return found[0]


def near(value: float, share: float = 0.15) -> Any:
    """A value within a share of it."""
    return pytest.approx(value, rel=share)


@pytest.mark.parametrize("cell", LARGEST, ids=lambda cell: cell.series)
def test_the_largest_cells_are_met_within_15_percent(cell: MeasuredCell) -> None:
    plan = planned(cell)
    assert plan.partitions == plan.nodes == 1
    assert plan.index == Figure(near(cell.index_bytes, 0.03), "measured")
    assert plan.toast.value == near(cell.toast_bytes, 0.03)
    assert plan.graph.value == near(cell.build_peak_bytes)
    assert 3600 * plan.build_hours.value == near(cell.build_cpu_s)
    measured = cell.at(0.95)
    assert plan.candidates.value == near(measured.effort)
    assert plan.cpu_ms == Figure(near(measured.cpu_ms), "measured")
    pages = measured.index_pages + measured.heap_pages + measured.toast_pages
    assert plan.pages.value == near(pages)


@pytest.mark.parametrize("cell", cells(), ids=lambda cell: f"{cell.series} {cell.rows}")
def test_bytes_follow_from_pages_at_every_size(cell: MeasuredCell) -> None:
    assert toast_bytes("vector", DIMS, cell.rows) == near(cell.toast_bytes, 0.03)
    if cell.series != "ivfflat":
        kind, dims = FORMS[cell.series]
        size = index_bytes(kind, dims, cell.rows)  # type: ignore[arg-type]
        assert size == near(cell.index_bytes, 0.03)


def test_a_graph_fits_for_as_many_rows_as_predicted() -> None:
    known = [cell for cell in cells() if cell.fitting_rows]
    assert {cell.series for cell in known} == set(FORMS)
    for cell in known:
        kind, dims = FORMS[cell.series]
        size = graph_bytes(kind, dims, cell.fitting_rows or 0)  # type: ignore[arg-type]
        assert size == near(cell.less_memory_bytes or 0, 0.01)


def test_searches_find_more_with_more_effort_and_less_on_more_rows() -> None:
    for series in ("bit", "halfvec(256)"):
        costs = [cell.at(0.95) for cell in cells_of(series)]
        assert [cost.effort for cost in costs] == sorted(cost.effort for cost in costs)
        assert cells_of(series)[0].at(0.98).effort > costs[0].effort


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("dims", "m"), [(256, 16), (1000, 32)])
def test_memory_of_a_graph_is_that_of_the_server(
    conn: psycopg.Connection, pg_version: int, kind: str, dims: int, m: int
) -> None:
    query = "select memory from mrl._graph_size(%s, %s, %s)"
    ((memory,),) = conn.execute(query, [kind, dims, m]).fetchall()
    # older servers take 16 bytes more for each of four pieces
    older = 64 if pg_version < 16 else 0
    ours = graph_bytes(kind, dims, 1000, m)  # type: ignore[arg-type]
    assert ours + 1000 * older == pytest.approx(1000 * memory, abs=1)


# ------------------------------------------------------------------ plans


def test_a_billion_rows_are_extrapolated_and_split() -> None:
    (plan,) = scale.plan(1e9, DIMS, memory="64GB", kind="bit")
    marks = {
        value.how
        for value in (plan.index, plan.toast, plan.graph, plan.cpu_ms, plan.disk_pages)
    }
    assert marks == {"extrapolated"}
    assert plan.partitions % plan.nodes == 0
    assert plan.rows_each * plan.partitions >= plan.rows
    # what searches touch and one build fit the memory of a node
    hot = (plan.index.value + plan.heap.value) / plan.nodes
    assert hot + plan.graph.value <= 64 * 2**30
    half = scale.plan(1e9, DIMS, memory="128GB", kind="bit")[0]
    assert half.nodes < plan.nodes


def test_other_dims_and_links_are_extrapolated() -> None:
    for more in ({"dims": 1024}, {"m": 32}, {"full": "halfvec"}):
        options = {"rows": MOST, "dims": DIMS, "memory": "64GB", "kind": "bit", **more}
        (plan,) = scale.plan(**options)  # type: ignore[arg-type]
        assert plan.index.how == plan.cpu_ms.how == "extrapolated"


def test_short_vectors_stay_in_the_row() -> None:
    (small,) = scale.plan(1e6, 256, memory="8GB", kind="bit")
    (large,) = scale.plan(1e6, 1536, memory="8GB", kind="bit")
    assert small.toast.value == 0 < small.heap.value
    assert large.toast.value > large.heap.value
    # a prefix of 8 kB is outside the row as well
    (wide,) = scale.plan(1e6, 4096, memory="64GB", kind="halfvec", short=3072)
    (usual,) = scale.plan(1e6, 4096, memory="64GB", kind="halfvec")
    assert wide.toast.value > usual.toast.value


def test_the_usual_forms_are_those_that_an_index_takes() -> None:
    def names(dims: int) -> list[str]:
        return [plan.name for plan in scale.plan(1e6, dims, memory="64GB")]

    one = "one pass"
    assert names(1536) == [
        "bit(1536)",
        "halfvec(256)",
        f"halfvec(1536), {one}",
        f"vector(1536), {one}",
    ]
    assert names(3072) == ["bit(3072)", "halfvec(256)", f"halfvec(3072), {one}"]
    assert names(4096) == ["bit(4096)", "halfvec(256)"]
    assert names(128) == ["bit(128)", f"halfvec(128), {one}", f"vector(128), {one}"]


def test_a_recall_out_of_reach_is_said() -> None:
    (plan,) = scale.plan(1e6, DIMS, memory="64GB", kind="bit")
    far = replace(plan, candidates=Figure(1500.0, "extrapolated"))
    assert plan.reachable and not far.reachable
    assert "more than hnsw.ef_search can be (1000)" in text([far])
    assert best([far, plan]) is plan


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rows": 0}, "rows=0 is not a whole number of rows between 1 and"),
        ({"rows": 1.5}, "rows=1.5 is not a whole number"),
        ({"rows": float("inf")}, "rows=inf"),
        ({"dims": 0}, "dims=0"),
        ({"memory": "64"}, "memory='64' is not a size of memory"),
        ({"memory": "1e9"}, "memory='1e9' is not a size of memory"),
        ({"kind": "nope"}, "kind='nope' is unknown"),
        ({"short": 256}, "short=256 needs a kind"),
        ({"kind": "bit", "short": 2000}, "short=2000 is not between 1 and the 1536"),
        (
            {"kind": "vector", "short": 2001, "dims": 3072},
            "takes at most 2,000 dimensions. Pass at most 2,000 or kind='halfvec'",
        ),
        (
            {"kind": "halfvec", "short": 4001, "dims": 5000},
            "takes at most 4,000 dimensions. Pass at most 4,000 or kind='bit'",
        ),
        ({"recall": 0.999}, "recall=0.999 is outside 0.8 to 0.99"),
        ({"full": "bit"}, "full='bit' is unknown"),
        ({"m": 1}, "m=1"),
    ],
    ids=str,
)
def test_what_cannot_be_planned_is_refused(
    options: dict[str, object], said: str
) -> None:
    known: dict[str, object] = {"rows": 1e6, "dims": DIMS, "memory": "64GB"}
    with pytest.raises(InvalidSetting) as error:
        scale.plan(**{**known, **options})  # type: ignore[arg-type]
    assert said in str(error.value)


# ------------------------------------------------------------------ the shell


def test_the_command_prints_a_table() -> None:
    done = command.mrl_pg(
        *("plan", "--rows", "5e7", "--dims", "1536", "--memory", "64GB")
    )
    assert done.returncode == 0, done.stderr
    head, *_ = done.stdout.splitlines()
    assert head == (
        "50,000,000 rows of 1,536 dimensions as vector, recall 0.95 at k = 10, m 16, "
        "nodes of 64GB"
    )
    assert "bit(1536) takes the fewest nodes." in done.stdout
    (index,) = [line for line in done.stdout.splitlines() if line.startswith("index ")]
    assert index.count("~") == 4


def test_the_command_prints_json() -> None:
    done = command.mrl_pg(
        *("plan", "--rows", f"{MOST:_}", "--dims", "1536", "--memory", "64GB"),
        *("--kind", "bit", "--json"),
    )
    (plan,) = json.loads(done.stdout)
    assert (plan["kind"], plan["dims"], plan["rows"]) == ("bit", 1536, MOST)
    assert plan["index"]["how"] == "measured"
    assert plan["memory"] == "64GB"


def test_the_command_refuses_what_is_no_number() -> None:
    done = command.mrl_pg(
        *("plan", "--rows", "many", "--dims", "1536", "--memory", "64GB")
    )
    assert done.returncode == 2
    assert "--rows 'many' is not a number" in done.stderr


def test_lines_leave_out_what_they_are_told_to() -> None:
    """So that a page can say how far lines without the largest cells are off."""
    assert build_us("bit", MOST) != build_us("bit")
    assert search_slopes("bit", 0.95, MOST) != search_slopes("bit", 0.95)
