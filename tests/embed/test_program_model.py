"""A program as a model: what it reads, what it may write, how it fails."""

import shlex
import sys
from pathlib import Path

import pytest

from mrl_pg.embed import ProgramModel
from mrl_pg.embed.text_model import TextModel
from mrl_pg.errors import EmbeddingError

READ = (
    "import json, os, struct, sys; texts = [json.loads(line) for line in sys.stdin]; "
)
LENGTHS = (
    "[[len(t), t.count('\\n'), os.environ['MRL_PG_EMBED'] == 'query'] for t in texts]"
)
WRITERS = {
    "a list of lists": f"json.dump({LENGTHS}, sys.stdout)",
    "a list a line": f"[print(json.dumps(v)) for v in {LENGTHS}]",
    "raw float32": "write = sys.stdout.buffer.write; "
    f"[write(struct.pack('<3f', *v)) for v in {LENGTHS}]",
}


def program(code: str, *arguments: str) -> ProgramModel:
    words = (sys.executable, "-c", code, *arguments)
    return ProgramModel(shlex.join(words), name="mine")


@pytest.mark.parametrize("how", WRITERS)
def test_what_a_program_may_write(how: str) -> None:
    model = program(READ + WRITERS[how])
    rows = model.embed_documents(["a b", "with\na line, ü"])
    assert rows.tolist() == [[3, 0, 0], [14, 1, 0]]
    assert model.embed_queries(["[1"]).tolist() == [[2, 0, 1]]
    assert isinstance(model, TextModel)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import sys; sys.exit(3)", "program:mine ended with exit code 3"),
        (READ + "print('loading …'); print([1])", "wrote .* neither JSON nor"),
        (READ + "print([[1]])", "gave 1 vectors of 1 numbers for 2 texts"),
        (READ, "wrote 0 bytes for 2 texts"),
    ],
)
def test_how_a_program_fails(code: str, message: str) -> None:
    with pytest.raises(EmbeddingError, match=message) as raised:
        program(code, "--key=secret").embed_documents(["a", "b"])
    assert "secret" not in str(raised.value)


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(EmbeddingError, match=r"program:openia:x cannot be started"):
        ProgramModel("openia:x --key=secret").embed_queries(["a"])


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("python my_embed.py --key secret", "my_embed.py"),
        ("/usr/bin/python3.11 -m my_embed", "my_embed"),
        ("uv run /home/me/my_embed.py", "my_embed.py"),
        ("./embed --key=secret", "embed"),
    ],
)
def test_the_name_of_a_program_is_its_file(command: str, name: str) -> None:
    assert ProgramModel(command).name == f"program:{name}"


def test_nothing_runs_in_a_shell(tmp_path: Path) -> None:
    made = tmp_path / "made"
    with pytest.raises(EmbeddingError):
        ProgramModel(f"false; touch {made}").embed_queries(["a"])
    assert not made.exists()
