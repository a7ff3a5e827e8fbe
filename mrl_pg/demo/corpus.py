"""The corpus of the demo: each meaning in WordNet, with its definition and words."""

import lzma
from dataclasses import dataclass
from importlib.resources import files

from mrl_pg.errors import InvalidSetting

EXAMPLES = (
    ("fear of spiders", "arachnophobia"),
    ("instrument for measuring temperature", "thermometer"),
    ("person who makes maps", "cartographer"),
    ("word spelled the same backwards", "palindrome"),
    ("vehicle with two wheels and pedals", "bicycle"),
    ("inability to sleep", "insomnia"),
    ("speak very quietly", "whisper"),
    ("extremely hungry", "famished"),
)
"""Queries, each with a word that the model finds among its first 10 glosses."""

WORD_SEPARATOR = "|"


@dataclass(frozen=True, slots=True)
class Gloss:
    """One meaning: a definition and the words that have it.

    `id` is a digit for the part of speech, followed by WordNet's offset. `pos` is the
    letter of the part of speech: `n` noun (1), `v` verb (2), `a` adjective (3), `r`
    adverb (4).
    """

    id: int
    pos: str
    words: tuple[str, ...]
    text: str

    @property
    def label(self) -> str:
        """The words as people write them: `mouse, computer mouse`."""
        return ", ".join(self.words)


def glosses(limit: int | None = None) -> list[Gloss]:
    """All 117,659 glosses in WordNet's order, or `limit` of them.

    With a limit, the result is the same every time: the meanings of the words in
    `EXAMPLES`, and other rows in even steps through all parts of speech. Raises
    `InvalidSetting` for a limit without room for the examples and one more row.
    """
    rows = _read()
    if limit is None or limit >= len(rows):
        return rows
    expected = {word for _, word in EXAMPLES}
    needed = [row for row in rows if not expected.isdisjoint(row.words)]
    spare = limit - len(needed)
    if spare < 1:
        raise InvalidSetting(
            f"limit={limit} is too small, because the example queries need "
            f"{len(needed)} glosses. Pass {len(needed) + 1} or more"
        )
    ids = {row.id for row in needed}
    others = [row for row in rows if row.id not in ids]
    sample = [others[i * len(others) // spare] for i in range(spare)]
    return sorted(needed + sample, key=lambda row: row.id)


def _read() -> list[Gloss]:
    packed = files("mrl_pg.demo").joinpath("data/glosses.tsv.xz").read_bytes()
    rows = []
    for line in lzma.decompress(packed).decode("utf-8").splitlines():
        number, pos, words, text = line.split("\t")
        rows.append(Gloss(int(number), pos, tuple(words.split(WORD_SEPARATOR)), text))
    return rows
