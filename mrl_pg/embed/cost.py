"""What it will cost to embed the texts of a file, told before it is spent."""

from dataclasses import dataclass

from mrl_pg.embed.text_source import TextSource
from mrl_pg.embed.vector_store import VectorStore
from mrl_pg.models import find

BYTES_PER_TOKEN = 4
"""About as many bytes of English text are a token."""

PRICES = {"text-embedding-3-small": 0.02, "text-embedding-3-large": 0.13}
"""Dollars for a million tokens, as announced in January 2024
(https://openai.com/index/new-embedding-models-and-api-updates/)."""


@dataclass(frozen=True, slots=True)
class EmbeddingCost:
    """Texts to embed, about how many tokens, and dollars if a price is known.

    `known` counts texts whose vectors are there from an earlier run.
    """

    model: str
    texts: int
    known: int
    tokens: int
    dollars: float | None

    def __str__(self) -> str:
        """One sentence."""
        price = (
            "the price is not known here: see the price list of the service"
            if self.dollars is None
            else f"about ${self.dollars:,.2f}"
        )
        known = f" ({self.known:,} more are embedded already)" if self.known else ""
        return (
            f"{self.model} is to embed {self.texts:,} texts{known}, about "
            f"{self.tokens:,} tokens: {price}"
        )


def cost_of(
    source: TextSource, store: VectorStore, model: str, price: float | None = None
) -> EmbeddingCost:
    """Read the file once and count. `price` is in dollars for a million tokens.

    A text that occurs twice in one block of rows counts once.
    """
    texts = known = size = 0
    for block in source.read():
        distinct = {text for text in source.joined(block) if text is not None}
        there = store.known(distinct)
        known += len(there)
        texts += len(distinct) - len(there)
        size += sum(
            len(text.encode("utf-8", "surrogatepass")) for text in distinct - {*there}
        )
    facts = find(model.partition(":")[2])
    if price is None and facts is not None and model.startswith("openai:"):
        price = PRICES.get(facts.name)
    tokens = size // BYTES_PER_TOKEN
    dollars = None if price is None else tokens * price / 1e6
    return EmbeddingCost(model, texts, known, tokens, dollars)
