"""Any program as a model: texts on its stdin, vectors on its stdout."""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mrl_pg.arguments import check_text
from mrl_pg.embed.text_model import Role, TextModel
from mrl_pg.errors import EmbeddingError, InvalidSetting
from mrl_pg.vectors import VectorsLike

ROLE = "MRL_PG_EMBED"
"""Environment variable that tells the program what the texts are."""

CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")

INTERPRETER = re.compile(r"(python|pypy|node|deno|ruby|perl|bash|sh|uv|env)[\d.]*$")


class ProgramModel(TextModel):
    """Runs a command for each batch, without a shell.

    Its stdin has one text a line, each as a JSON string. The environment variable
    MRL_PG_EMBED says `document` or `query`. Its stdout has the vectors in the same
    order: a JSON list of lists, one JSON list a line, or raw little-endian float32.
    Its stderr is that of the caller.
    """

    kind: ClassVar[str] = "program"
    # each batch starts the program, which may load a model first
    batch_texts: ClassVar[int] = 4096
    batch_bytes: ClassVar[int] = 32_000_000

    def __init__(
        self,
        command: str,
        *,
        name: str | None = None,
        dims: int | None = None,
        normalise: bool | None = None,
    ) -> None:
        """Take a command line; raises InvalidSetting if it has no words.

        Without a `name` the registry keeps the file name of the program, because the
        rest of a command may hold a key.
        """
        check_text("command", command)
        try:
            self._words = shlex.split(command)
        except ValueError as error:
            raise InvalidSetting(
                f"the command of the model cannot be split into words ({error}): quote "
                "it as in a shell"
            ) from None
        if not self._words:
            raise InvalidSetting(
                "the command of the model is empty: write a program and its arguments"
            )
        label = name or _file_name(self._words)
        super().__init__(label, dims=dims, normalise=normalise)

    def _vectors(self, texts: list[str], role: Role) -> VectorsLike:
        lines = "".join(f"{json.dumps(text)}\n" for text in texts)
        try:
            done = subprocess.run(
                self._words,
                input=lines.encode(),
                stdout=subprocess.PIPE,
                env={**os.environ, ROLE: role},
                check=False,
            )
        except OSError as error:
            raise EmbeddingError(
                f"{self.name} cannot be started ({error.strerror}): write a program "
                "that is on PATH, or openai:MODEL, sentence-transformers:MODEL or demo"
            ) from None
        if done.returncode:
            raise EmbeddingError(
                f"{self.name} ended with exit code {done.returncode}: its own messages "
                "say why; it reads one JSON string a line and writes one JSON list of "
                "numbers a line"
            )
        vectors: VectorsLike = _read(self.name, done.stdout, len(texts))
        return vectors


def _file_name(words: list[str]) -> str:
    first, *rest = (Path(word).name for word in words)
    if INTERPRETER.match(first):
        # python my_embed.py, python -m my_embed, uv run my_embed.py
        named = [word for word in rest if not word.startswith("-") and word != "run"]
        return named[0] if named else first
    return first


def _read(name: str, data: bytes, count: int) -> Any:
    if _is_text(data):
        try:
            vectors = _json(data.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            vectors = None
        if vectors:
            # one text, whose vector stands alone
            return [vectors] if count == 1 and _is_numbers(vectors) else vectors
    elif len(data) % (4 * count) == 0:
        return np.frombuffer(data, "<f4").reshape(count, -1)
    raise EmbeddingError(
        f"{name} wrote {len(data):,} bytes for {count} texts, which are neither JSON "
        "nor as many float32 numbers for each text: write one JSON list of numbers a "
        "line, or raw little-endian float32, and nothing else on stdout"
    )


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.splitlines() if line.strip()]


# Numbers that by chance are UTF-8 without control characters are not to be expected.
def _is_text(data: bytes) -> bool:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return False
    return not CONTROL.search(text)


def _is_numbers(value: object) -> bool:
    return (
        isinstance(value, list) and bool(value) and isinstance(value[0], (int, float))
    )
