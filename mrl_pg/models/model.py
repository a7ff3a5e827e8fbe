"""The published facts about one embedding model, with their sources."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """One published fact: what a page says, in our words, and its address."""

    says: str
    url: str


@dataclass(frozen=True, slots=True)
class Prompts:
    """Texts that a model wants before each query and each document.

    `sources` are the pages that say so; none if nobody has checked the texts.
    """

    query: str
    document: str
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars for a million tokens, as a page had it in a month such as 2026-05."""

    dollars: float
    month: str
    source: Source


@dataclass(frozen=True, slots=True)
class Model:
    """An embedding model as its maker describes it; None means that nothing was found.

    `full`: dimensions of the longest output. `trained`: sizes below `full` that the
    training loss included; empty if the loss was on full vectors only. `advertised`:
    sizes below `full` that the maker lists. `shortest`: the smallest size, if the maker
    offers every size down to it. `unit`: whether full vectors have length 1 without
    further work. `prefix`: whether the leading dimensions are an embedding by design;
    False for a model trained on full vectors only, because its prefix is like any other
    subset. `prompts`: what its card puts before queries and documents.
    """

    name: str
    maker: str
    full: int
    trained: tuple[int, ...] | None
    advertised: tuple[int, ...]
    unit: bool | None
    prefix: bool | None
    sources: tuple[Source, ...]
    shortest: int | None = None
    aliases: tuple[str, ...] = ()
    note: str = ""
    prompts: Prompts | None = None
