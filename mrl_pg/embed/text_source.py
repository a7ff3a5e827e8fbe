"""Texts in a file, and its blocks with their vectors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any

from mrl_pg.arguments import names
from mrl_pg.embed.vector_store import VectorStore
from mrl_pg.errors import InvalidFile, InvalidSetting
from mrl_pg.load.block import Block, refuse
from mrl_pg.load.choice import Choice, chosen
from mrl_pg.load.readers import read
from mrl_pg.load.text_files import TextForm

BETWEEN = "\n"
"""What stands between several texts of a row."""

NO_VECTOR = "rows with a text for which the model has no vector are loaded without one"


@dataclass(frozen=True, slots=True)
class TextSource:
    """A file with a text in each row: the columns `texts`, joined by line breaks.

    `form` says how a text file is to be read, and `choice` which columns are loaded.
    """

    path: "str | PathLike[str]"
    texts: tuple[str, ...]
    choice: Choice
    form: TextForm = field(default_factory=TextForm)

    @property
    def origin(self) -> str:
        """The file's name."""
        return Path(self.path).name

    def read(self) -> Iterator[Block]:
        """Blocks with all columns; raises InvalidFile if a column has no texts."""
        # no key and no vectors, so that no column is taken for them
        for block in read(self.path, Choice(self.choice.column, ""), self.form):
            if self.choice.column in block.names:
                raise InvalidFile(
                    f"{self.origin} has a column {self.choice.column!r} already, so "
                    "its texts need no model: load it without --embed, or name "
                    "another column of the table"
                )
            yield block

    def joined(self, block: Block) -> list[str | None]:
        """The text of each row; None without one."""
        missing = [name for name in self.texts if name not in block.names]
        # a key of JSON may first appear in a later block
        if missing and block.form not in ("jsonl", "json"):
            raise self._no_column(missing[0], block)
        columns = [block[name] for name in self.texts if name in block.names]
        if not columns:
            raise self._no_column(missing[0], block)
        bad: dict[int, str] = dict(block.bad)
        rows = [
            _joined(row, i, bad) for i, row in enumerate(zip(*columns, strict=True))
        ]
        if bad:
            raise refuse(self.origin, block, bad)
        return rows

    def embedded(
        self, store: VectorStore, keys: tuple[str, ...] = ()
    ) -> Iterator[Block]:
        """Blocks with the chosen columns and the vectors of the store."""
        choice = self.choice
        if keys:
            choice = replace(choice, key=keys[0], keys=keys)
        yield from chosen(choice, self.origin, self._with_vectors(store))

    def _with_vectors(self, store: VectorStore) -> Iterator[Block]:
        for block in self.read():
            texts = self.joined(block)
            known = store.known(text for text in texts if text is not None)
            vectors: list[Any] = [
                None if text is None else known[text] for text in texts
            ]
            found = [v if v is not None and v.size else None for v in vectors]
            none = any(v is not None and not v.size for v in vectors)
            yield replace(
                block,
                names=(*block.names, self.choice.column),
                columns=(*block.columns, found),
                notes=(*block.notes, NO_VECTOR) if none else block.notes,
            )

    def _no_column(self, name: str, block: Block) -> InvalidFile:
        return InvalidFile(
            f"{self.origin} has no column {name!r} with texts; there are: "
            f"{', '.join(block.names)}: name one or several with text= (--text)"
        )


def text_columns(texts: "str | Sequence[str]") -> tuple[str, ...]:
    """The names of the columns with texts; raises InvalidSetting."""
    given = (texts,) if isinstance(texts, str) else names("text", texts)
    if not given:
        raise InvalidSetting("text= names no column: name the column with the texts")
    return given


def _joined(row: tuple[Any, ...], place: int, bad: dict[int, str]) -> str | None:
    parts = []
    for value in row:
        if value is not None and not isinstance(value, str):
            bad.setdefault(place, f"{value!r} is not text, so no model can embed it")
            return None
        if value and value.strip():
            parts.append(value)
    return BETWEEN.join(parts) or None
