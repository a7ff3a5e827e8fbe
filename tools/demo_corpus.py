"""Writes the demo's corpus: every WordNet gloss with its words, compressed.

    python tools/demo_corpus.py

Reads the WordNet 3.0 database files (Debian package `wordnet-base`) and writes
`glosses.tsv.xz` and `LICENSE.wordnet`. The same input gives the same bytes.
"""

import argparse
import lzma
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

WORDNET = Path("/usr/share/wordnet")
DATA = Path(__file__).resolve().parent.parent / "mrl_pg" / "demo" / "data"

FILES = (("noun", "n"), ("verb", "v"), ("adj", "a"), ("adv", "r"))
"""Name endings of WordNet's data files, and the letters of their parts of speech."""

WORD_SEPARATOR = "|"
LICENSE_LINES = 29
"""Number of licence lines at the start of each data file. Each line has a number."""

MARKER = re.compile(r"\((?:a|p|ip)\)$")
EXAMPLE = re.compile(r'[;:,]?\s*"([^"]+)"')


@dataclass(frozen=True, slots=True)
class Synset:
    """One meaning: its words, its definition, and the meanings that it points to.

    `id` is WordNet's offset behind a digit for the part of speech (1 noun, 2 verb,
    3 adjective, 4 adverb), as in WordNet's Prolog files. `pointers` holds pairs of
    WordNet's relation symbol and the id of the other synset.
    """

    id: int
    pos: str
    words: tuple[str, ...]
    gloss: str
    examples: tuple[str, ...]
    pointers: tuple[tuple[str, int], ...]


def synset_id(pos: str, offset: str) -> int:
    """A number for a part of speech and an offset; it is unique over all files."""
    digit = "nvar".index("a" if pos == "s" else pos) + 1
    return digit * 100_000_000 + int(offset)


def parse(line: str, pos: str) -> Synset:
    """The synset on one line of a data file (format: manual page wndb(5))."""
    head, _, text = line.partition(" | ")
    fields = head.split()
    last = 4 + 2 * int(fields[3], 16)
    words = tuple(MARKER.sub("", word).replace("_", " ") for word in fields[4:last:2])
    pointers = tuple(
        (fields[at], synset_id(fields[at + 2], fields[at + 1]))
        for at in range(last + 1, last + 1 + 4 * int(fields[last]), 4)
    )
    gloss, examples = split_gloss(text.strip())
    return Synset(synset_id(pos, fields[0]), pos, words, gloss, examples, pointers)


def split_gloss(text: str) -> tuple[str, tuple[str, ...]]:
    """The definition, and the quoted sentences after it."""
    parts = re.split(r'[;:]\s*(?=")', text, maxsplit=1)
    examples = EXAMPLE.findall(parts[1]) if len(parts) > 1 else []
    return parts[0].strip().rstrip(";"), tuple(examples)


def synsets(wordnet: Path = WORDNET) -> Iterator[Synset]:
    """Every synset, nouns first, in the order of the files."""
    for name, pos in FILES:
        text = (wordnet / f"data.{name}").read_text(encoding="utf-8")
        for line in text.splitlines():
            if not line.startswith("  "):
                yield parse(line, pos)


def license_text(wordnet: Path = WORDNET) -> str:
    """The licence at the start of every data file, without its line numbers."""
    text = (wordnet / "data.noun").read_text(encoding="utf-8")
    lines = text.splitlines()[:LICENSE_LINES]
    return "\n".join(re.sub(r"^\s*\d+ ?", "", line).rstrip() for line in lines) + "\n"


def main() -> None:
    """Write both files and print their size."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--wordnet", type=Path, default=WORDNET)
    parser.add_argument("--out", type=Path, default=DATA, help="folder to write to")
    args = parser.parse_args()
    rows = [
        f"{s.id}\t{s.pos}\t{WORD_SEPARATOR.join(s.words)}\t{s.gloss}\n"
        for s in synsets(args.wordnet)
    ]
    packed = lzma.compress("".join(rows).encode(), preset=9 | lzma.PRESET_EXTREME)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "glosses.tsv.xz").write_bytes(packed)
    (args.out / "LICENSE.wordnet").write_text(
        license_text(args.wordnet), encoding="utf-8"
    )
    print(f"{len(rows):,} glosses, {len(packed) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
