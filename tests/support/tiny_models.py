"""Models of sentence-transformers that tests make, because none can be downloaded.

And pairs that such a model can learn in seconds.
"""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mrl_pg.train import Pairs

WORDS, IN_A_TEXT = 60, 4

SPECIAL = {
    f"{name}_token": f"[{name.upper()}]"
    for name in ("pad", "unk", "cls", "sep", "mask")
}

DICTIONARY = [*SPECIAL.values(), *(f"{a}{n}" for a in "ab" for n in range(WORDS))]
"""All words that a model knows."""


def translations(count: int) -> Pairs:
    """Texts of four words in one language, and the same in another.

    No word is in both languages, so a model that was not trained finds nothing. One
    that has learnt the words finds texts that it has not seen, too.
    """
    draw = random.Random(0)
    texts: dict[tuple[int, ...], None] = {}
    while len(texts) < count:
        texts[tuple(sorted(draw.sample(range(WORDS), IN_A_TEXT)))] = None
    sides = [[" ".join(f"{a}{n}" for n in text) for text in texts] for a in "ab"]
    return Pairs(sides[0], sides[1], [])


def static(folder: Path, dims: int) -> Path:
    """A model that gives each word a random vector, and a text their mean."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import StaticEmbedding

    drawn = np.random.default_rng(1).normal(size=(len(DICTIONARY), dims)) / 10
    # a text of unknown words has no vector
    drawn[: len(SPECIAL)] = 0
    vectors: NDArray[np.float32] = drawn.astype(np.float32)
    embedding = StaticEmbedding(_tokenizer(DICTIONARY), embedding_weights=vectors)
    SentenceTransformer(modules=[embedding], device="cpu").save_pretrained(str(folder))
    return folder


def layered(folder: Path, dims: int, layers: int) -> Path:
    """A transformer with random weights."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    torch.manual_seed(0)
    shape = BertConfig(
        vocab_size=len(DICTIONARY),
        hidden_size=dims,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=2 * dims,
        max_position_embeddings=16,
        # more than usual, so that each layer changes what it is given
        initializer_range=0.05,
    )
    BertModel(shape).save_pretrained(folder / "bert")
    words = _tokenizer(DICTIONARY)
    PreTrainedTokenizerFast(tokenizer_object=words, **SPECIAL).save_pretrained(
        folder / "bert"
    )
    first = Transformer(str(folder / "bert"), max_seq_length=8)
    model = SentenceTransformer(modules=[first, Pooling(dims)], device="cpu")
    model.save_pretrained(str(folder / "model"))
    return folder / "model"


def _tokenizer(words: Sequence[str]) -> "object":
    """Takes whole words that are known."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    rows = {word: row for row, word in enumerate(words)}
    made = Tokenizer(models.WordLevel(rows, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return made
