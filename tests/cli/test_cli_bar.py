"""Progress of a command whose output goes to a pipe or a file."""

import pytest

from mrl_pg.cli import bar


@pytest.mark.parametrize(
    ("lines", "said"), [(True, "k 10: exact answers (25 %)\n"), (False, "")]
)
def test_a_pipe_gets_lines_where_it_is_asked(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    lines: bool,
    said: str,
) -> None:
    monkeypatch.setattr(bar, "LINE_SECONDS", 0.0)
    with bar.bar("starting", lines=lines) as update:
        update(description="k 10: exact answers", completed=5, total=20)
    assert capsys.readouterr().err == said
