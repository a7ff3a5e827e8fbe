"""Facts of each kind of short column, as the server has them in `mrl._kinds()`."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["vector", "halfvec", "bit"]
"""How the short vector is stored: 4 bytes, 2 bytes or 1 bit a dimension."""

Stored: TypeAlias = Literal["floats", "bits"]
"""How a prefix is compared: by its values, whole or half, or by their signs.

Rounding to halves moves a distance by some 0.0005 of itself, so `vector` and `halfvec`
share a curve (benchmarks/tune.py measures how far apart they are).
"""

Distance: TypeAlias = Literal["cosine", "l2", "ip"]
"""Cosine distance `<=>`, Euclidean distance `<->`, negative inner product `<#>`."""

OPERATORS: dict[str, str] = {"cosine": "<=>", "l2": "<->", "ip": "<#>"}
"""pgvector's operator of each distance."""


@dataclass(frozen=True, slots=True)
class KindFacts:
    """Facts of one kind.

    `most_dims`: the most dimensions that an HNSW index takes (pgvector's manual,
    "HNSW"). `bits`: the size of one dimension. `computed_as`: what
    the registry says of it. `template`: the file under
    `sql/templates` that computes a short value; `function`: what stands in that
    expression and in no expression of another template. `of_pgvector`: the type is
    pgvector's own, not PostgreSQL's. `metric` and `operator`: the one metric that an
    index of this kind has, whatever the distance of the full vectors; None: theirs.
    """

    most_dims: int
    bits: int
    stored: Stored
    computed_as: Literal["prefix", "bits"]
    template: str
    function: str
    of_pgvector: bool = True
    metric: str | None = None
    operator: str | None = None


KINDS: dict[Kind, KindFacts] = {
    "vector": KindFacts(2000, 32, "floats", "prefix", "short_value", "l2_normalize"),
    "halfvec": KindFacts(4000, 16, "floats", "prefix", "short_value", "l2_normalize"),
    "bit": KindFacts(
        64000,
        1,
        "bits",
        "bits",
        "short_bits",
        "binary_quantize",
        of_pgvector=False,
        metric="hamming",
        operator="<~>",
    ),
}
"""Facts of every kind, the largest value first."""
