"""What it will cost to embed the texts of a file, told before it is spent."""

from dataclasses import dataclass

from mrl_pg.embed.text_source import TextSource
from mrl_pg.embed.vector_store import VectorStore
from mrl_pg.models import find
from mrl_pg.models.model import Price, Source

BYTES_PER_TOKEN = 4
"""About as many bytes of English text are a token."""

_OPENAI = Source(
    "both prices for a million tokens",
    "https://developers.openai.com/api/docs/models/text-embedding-3-large",
)
PRICES = {
    "text-embedding-3-small": Price(0.02, "2026-05", _OPENAI),
    "text-embedding-3-large": Price(0.13, "2026-05", _OPENAI),
}
"""Prices of OpenAI, to be looked up again from time to time."""


@dataclass(frozen=True, slots=True)
class EmbeddingCost:
    """Texts to embed, about how many tokens, and dollars if a price is known.

    `known` counts texts whose vectors are there from an earlier run. `priced` is the
    month of a price that the caller did not give, such as 2026-05.
    """

    model: str
    texts: int
    known: int
    tokens: int
    dollars: float | None
    priced: str | None = None

    def __str__(self) -> str:
        """One sentence."""
        price = (
            "the price is not known here: see the price list of the service"
            if self.dollars is None
            else f"about ${self.dollars:,.2f}"
            + (f", at the price of {self.priced}" if self.priced else "")
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
    return cost_in(model, texts, known, size // BYTES_PER_TOKEN, price)


def cost_in(
    model: str, texts: int, known: int, tokens: int, price: float | None
) -> EmbeddingCost:
    """The cost of tokens at a price for a million, by default that of PRICES."""
    facts = find(model.partition(":")[2])
    priced = None
    if price is None and facts is not None and model.startswith("openai:"):
        listed = PRICES.get(facts.name)
        if listed is not None:
            price, priced = listed.dollars, listed.month
    dollars = None if price is None else tokens * price / 1e6
    return EmbeddingCost(model, texts, known, tokens, dollars, priced)
