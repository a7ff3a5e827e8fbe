"""Trains the demo's static Matryoshka model on WordNet and writes its weights.

    pip install -e . torch==2.13.0 sentence-transformers
    python tools/train_demo_model.py

The model is a `StaticEmbedding`: one vector per word, and a text is the mean of its
words. The loss is `MatryoshkaLoss` over `MultipleNegativesRankingLoss`. Every random
choice has a seed, and the number of steps is fixed, so that the same versions on the
same machine give the same weights. 5,000 synsets are held out, with every pair that
contains one of them. 4,000 of these synsets measure the model that ships.
"""

# torch and the libraries around it are not development dependencies
# mypy: disable-error-code="import-not-found"

import argparse
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from demo_corpus import DATA, WORDNET, Synset, synsets
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import (
    MatryoshkaLoss,
    MultipleNegativesRankingLoss,
)
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer, models

from mrl_pg.demo.model import StaticModel, stem, token_ids, words

HELD_OUT = 5_000
MEASURED = 4_000
"""Held-out synsets that are measured: fewer, because some synsets have no pair with a
known word."""

LEVELS = 24
"""Largest quantised weight. int8 could store 127, but the file would be a third
larger. 24 changes hit@10 by at most .003 in either direction."""

COMMON = 20
"""An inflected word that occurs in fewer texts shares the vector of its known stem."""

DROPPED = 0.4
"""Share of its words that a query of several words loses, chosen again in every step,
because people type fewer words than a gloss has."""

NEAR = ("@", "@i", "&", "\\", "+")
"""Relations between synsets whose glosses should be close: more general, similar,
pertaining to, and derived from."""

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Texts:
    """Tokenised texts, end to end: text i is `flat[starts[i] : starts[i + 1]]`."""

    flat: NDArray[np.int64]
    starts: NDArray[np.int64]

    def batch(
        self, rows: NDArray[np.int64], dropped: float, rng: np.random.Generator
    ) -> dict[str, torch.Tensor]:
        """Input for `StaticEmbedding`; texts of 4 or more words lose some words."""
        counts = self.starts[rows + 1] - self.starts[rows]
        offsets = np.cumsum(counts) - counts
        places = np.arange(counts.sum()) + np.repeat(
            self.starts[rows] - offsets, counts
        )
        kept = rng.random(places.size) >= dropped
        kept |= np.repeat(counts < 4, counts)
        # a text must not become empty
        kept[offsets + rng.integers(0, counts)] = True
        left = np.add.reduceat(kept.astype(np.int64), offsets)
        return {
            "input_ids": torch.from_numpy(self.flat[places][kept]),
            "offsets": torch.from_numpy(np.cumsum(left) - left),
        }


def own_pairs(synset: Synset, by_id: Mapping[int, Synset]) -> Iterator[Pair]:
    """Pairs with the gloss: each word, each example and each more special gloss."""
    for text in synset.words + synset.examples:
        yield text, synset.gloss
    for symbol, other in synset.pointers:
        if symbol in ("~", "~i"):
            yield by_id[other].gloss, synset.gloss


def held_pairs(
    held: Sequence[Synset],
    by_id: Mapping[int, Synset],
    known: Mapping[str, int],
    rng: np.random.Generator,
) -> list[Pair]:
    """One random pair per synset, among the pairs with a known word on both sides."""
    drawn: list[Pair] = []
    for synset in held:
        choices = [
            pair
            for pair in own_pairs(synset, by_id)
            if token_ids(pair[0], known) and token_ids(pair[1], known)
        ]
        if choices and len(drawn) < MEASURED:
            drawn.append(choices[int(rng.integers(len(choices)))])
    return drawn


def train_pairs(
    all_synsets: Sequence[Synset], held: set[int], by_id: Mapping[int, Synset]
) -> list[Pair]:
    """Distinct pairs in a fixed order, none with a held-out synset on either side."""
    glosses = {by_id[row].gloss for row in held}
    pairs: dict[Pair, None] = {}
    for synset in all_synsets:
        if synset.id in held or synset.gloss in glosses:
            continue
        # with DROPPED, this pair teaches which words of a gloss matter
        pairs[synset.gloss, synset.gloss] = None
        for text in synset.words + synset.examples:
            pairs[text, synset.gloss] = None
        for word in synset.words[1:]:
            pairs[word, synset.words[0]] = None
        for symbol, other in synset.pointers:
            near = by_id[other]
            if symbol in NEAR and other not in held and near.gloss not in glosses:
                pairs[synset.gloss, near.gloss] = None
                pairs[synset.words[0], ", ".join(near.words)] = None
    return list(pairs)


def build_vocabulary(pairs: Sequence[Pair], size: int) -> dict[str, int]:
    """The most frequent words of the training texts, without rare inflections.

    After `size` words, adds the most frequent word of each gloss without a known word.
    """
    texts = dict.fromkeys(text for pair in pairs for text in pair)
    seen = Counter(word for text in texts for word in dict.fromkeys(words(text)))
    known: dict[str, int] = {}
    for word in sorted(seen, key=lambda word: (-seen[word], word)):
        if len(known) == size:
            break
        if seen[word] >= COMMON or stem(word, known) is None:
            known[word] = len(known)
    for text in [words(gloss) for gloss, other in pairs if gloss == other]:
        if not any(word in known or stem(word, known) for word in text):
            known[max(text, key=lambda word: (seen[word], word))] = len(known)
    return known


def tokenise(
    pairs: Sequence[Pair], known: Mapping[str, int]
) -> tuple[Texts, NDArray[np.int64]]:
    """The distinct texts, and the pairs as row numbers of them.

    Pairs with a text without known words are left out.
    """
    rows: dict[str, int] = {}
    ids: list[list[int]] = []
    for text in dict.fromkeys(text for pair in pairs for text in pair):
        tokens = token_ids(text, known)
        if tokens:
            rows[text] = len(ids)
            ids.append(tokens)
    starts = np.cumsum([0] + [len(tokens) for tokens in ids])
    flat = np.array([i for tokens in ids for i in tokens], dtype=np.int64)
    row_pairs = [(rows[a], rows[b]) for a, b in pairs if a in rows and b in rows]
    return Texts(flat, starts), np.array(row_pairs, dtype=np.int64)


def train(
    texts: Texts, pairs: NDArray[np.int64], size: int, args: argparse.Namespace
) -> NDArray[np.float32]:
    """Trained vectors of shape (size, dims)."""
    rng = np.random.default_rng(args.seed)
    start = rng.normal(0, args.init, (size, max(args.nested))).astype(np.float32)
    # StaticEmbedding requires a tokenizer, although `tokenise` has already run
    unused = Tokenizer(models.WordLevel({"x": 0}, unk_token="x"))
    layer = StaticEmbedding(unused, embedding_weights=start)
    model = SentenceTransformer(modules=[layer], device="cpu")
    ranking = MultipleNegativesRankingLoss(model, scale=20.0)
    loss = MatryoshkaLoss(model, ranking, matryoshka_dims=args.nested)
    optimizer = torch.optim.Adam(model.parameters(), lr=args.rate)
    order = rng.permutation(len(pairs))
    at, began = 0, time.monotonic()
    for step in range(args.steps):
        if at + args.batch > len(order):
            order, at = rng.permutation(len(pairs)), 0
        batch = pairs[order[at : at + args.batch]]
        at += args.batch
        rate = args.rate * (0.01 + 0.5 * (1 + math.cos(math.pi * step / args.steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        query = texts.batch(batch[:, 0], DROPPED, rng)
        answer = texts.batch(batch[:, 1], 0.0, rng)
        # swap the sides every other step, because the loss ranks the second side only
        sides = [query, answer] if step % 2 else [answer, query]
        value = loss(sides, None)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        if step % 50 == 0:
            print(
                f"step {step} of {args.steps}, loss {value.item():.3f}, "
                f"{time.monotonic() - began:.0f} s",
                flush=True,
            )
    weights: NDArray[np.float32] = layer.embedding.weight.detach().numpy()
    return weights


def hits(model: StaticModel, pairs: Sequence[Pair], size: int) -> float:
    """Share of pairs whose answer is among the 10 nearest answers of the query."""
    query = model.embed([pair[0] for pair in pairs])[:, :size]
    answer = model.embed([pair[1] for pair in pairs])[:, :size]
    query /= np.linalg.norm(query, axis=1, keepdims=True) + 1e-9
    answer /= np.linalg.norm(answer, axis=1, keepdims=True) + 1e-9
    near = query @ answer.T
    own = np.diag(near)[:, None]
    return float(((near > own).sum(axis=1) < 10).mean())


def save(
    path: Path,
    weights: NDArray[np.float32],
    vocabulary: Mapping[str, int],
    nested: Sequence[int],
    held: Sequence[Pair],
) -> None:
    """Quantise the weights, measure them, and write both to one file."""
    scale = (np.abs(weights).max(axis=1, keepdims=True) / LEVELS).astype(np.float16)
    whole = np.round(weights / np.maximum(scale.astype(np.float32), 1e-7))
    packed = np.clip(whole, -127, 127).astype(np.int8)
    model = StaticModel(
        weights=packed,
        scale=scale[:, 0].astype(np.float32),
        vocabulary=vocabulary,
        nested=tuple(nested),
        quality={},
    )
    quality = [hits(model, held, size) for size in nested]
    np.savez_compressed(
        path,
        weights=packed,
        scale=scale[:, 0],
        vocabulary=np.frombuffer("\n".join(vocabulary).encode(), dtype=np.uint8),
        nested=np.array(nested, dtype=np.int32),
        quality=np.array(quality, dtype=np.float32),
    )
    for size, quality_of_size in zip(nested, quality, strict=True):
        print(f"{size} dims: hit@10 {quality_of_size:.3f} of {len(held)} held out")
    print(f"{len(vocabulary):,} words, {path.stat().st_size / 1e6:.2f} MB")


def arguments() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--wordnet", type=Path, default=WORDNET)
    parser.add_argument("--out", type=Path, default=DATA / "model.npz")
    parser.add_argument("--words", type=int, default=32_000, help="vocabulary size")
    parser.add_argument(
        "--nested", type=int, nargs="+", default=[512, 256, 128, 64, 32]
    )
    parser.add_argument("--steps", type=int, default=1_800)
    parser.add_argument("--batch", type=int, default=2_048)
    parser.add_argument("--rate", type=float, default=0.01, help="learning rate")
    parser.add_argument("--init", type=float, default=0.02, help="spread at the start")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """Split the synsets, train, measure and write the model."""
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    everything = list(synsets(args.wordnet))
    by_id = {synset.id: synset for synset in everything}
    rng = np.random.default_rng(args.seed)
    # hold out only long glosses, because a gloss such as "tench" must be trained
    long = [synset for synset in everything if len(words(synset.gloss)) > 2]
    held = [long[row] for row in rng.choice(len(long), HELD_OUT, replace=False)]
    pairs = train_pairs(everything, {synset.id for synset in held}, by_id)
    vocabulary = build_vocabulary(pairs, args.words)
    texts, rows = tokenise(pairs, vocabulary)
    print(f"{len(rows):,} pairs, {len(vocabulary):,} words", flush=True)
    weights = train(texts, rows, len(vocabulary), args)
    measured = held_pairs(held, by_id, vocabulary, rng)
    save(args.out, weights, vocabulary, args.nested, measured)


if __name__ == "__main__":
    main()
