"""Progress of a command whose output goes to a pipe or a file."""

import pytest

from mrl_pg.cli import bar


def test_a_pipe_gets_a_line_for_each_stage_and_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    with bar.bar("starting") as update:
        for seconds, stage, done in (
            (0.5, "reading", 1),  # too soon after the start
            (1.0, "reading", 2),
            (9.0, "reading", 3),  # the same stage, and not yet time
            (2.0, "reading", 4),
            (0.5, "building", 5),  # a new stage, and not yet time
            (1.0, "building", 6),
        ):
            clock[0] += seconds
            update(description=stage, completed=done, total=20)
    assert capsys.readouterr().err.splitlines() == [
        "reading (10 %)",
        "reading (20 %)",
        "building (30 %)",
    ]
