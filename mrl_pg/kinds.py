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
    """Facts of one kind."""

    most_dims: int
    """The most dimensions that an HNSW index takes (pgvector's manual, "HNSW")."""

    bits: int
    """The size of one dimension."""

    stored: Stored
    computed_as: Literal["prefix", "bits"]
    """How the registry says that a short value is computed."""

    template: str
    """The file under `sql/templates` that computes a short value."""

    function: str
    """What stands in that expression and in no expression of another template."""

    of_pgvector: bool
    """The type is pgvector's own, not PostgreSQL's."""

    metric: str | None
    operator: str | None
    """The metric of every index of this kind; None: that of the full vectors."""


KINDS: dict[Kind, KindFacts] = {
    "vector": KindFacts(
        most_dims=2000,
        bits=32,
        stored="floats",
        computed_as="prefix",
        template="short_value",
        function="l2_normalize",
        of_pgvector=True,
        metric=None,
        operator=None,
    ),
    "halfvec": KindFacts(
        most_dims=4000,
        bits=16,
        stored="floats",
        computed_as="prefix",
        template="short_value",
        function="l2_normalize",
        of_pgvector=True,
        metric=None,
        operator=None,
    ),
    "bit": KindFacts(
        most_dims=64000,
        bits=1,
        stored="bits",
        computed_as="bits",
        template="short_bits",
        function="binary_quantize",
        of_pgvector=False,
        metric="hamming",
        operator="<~>",
    ),
}
"""Facts of every kind, the largest values first."""
