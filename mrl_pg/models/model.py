"""What is published about one embedding model, with where it was read."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """One published figure: what a page says, in our words, and its address."""

    says: str
    url: str


@dataclass(frozen=True, slots=True)
class Model:
    """An embedding model as its maker describes it; None where nothing was found.

    `full`: length of its longest output. `trained`: sizes below `full` that its
    training loss included; empty if the loss was on full vectors only. `advertised`:
    sizes below `full` that the maker offers by name, and `shortest`, if any size down
    to that one is offered. `unit`: whether output is of length 1 by itself, at full
    size. `prefix`: whether the leading dimensions are an embedding by design; False
    for a model trained on full vectors alone, whose prefix is like any other subset.
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
