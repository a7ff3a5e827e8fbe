"""Facts of each kind of short column, the same as in `mrl._kinds()` on the server."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["vector", "halfvec", "bit"]
"""How the short vector is stored: 4 bytes, 2 bytes or 1 bit a dimension."""

Stored: TypeAlias = Literal["floats", "bits"]
"""How a prefix is compared: by its values (single or half precision), or by signs.

Rounding to half precision changes a distance by about 0.05 %, so `vector` and `halfvec`
share a recall curve (benchmarks/tune.py measures the difference).
"""

Distance: TypeAlias = Literal["cosine", "l2", "ip"]
"""Cosine distance `<=>`, Euclidean distance `<->`, negative inner product `<#>`."""

Keep: TypeAlias = Literal["generated", "expression", "trigger"]
"""How short values are kept: in a generated column, in an expression index alone, or in
a plain column that a trigger fills."""

KEEPS: tuple[Keep, ...] = ("generated", "expression", "trigger")

OPERATORS: dict[str, str] = {"cosine": "<=>", "l2": "<->", "ip": "<#>"}
"""pgvector's operator of each distance."""


@dataclass(frozen=True, slots=True)
class KindFacts:
    """Facts of one kind."""

    most_dims: int
    """The most dimensions that an HNSW index takes (pgvector's manual, "HNSW")."""

    bits: int
    """Bits that one dimension takes."""

    stored: Stored
    computed_as: Literal["prefix", "bits"]
    """How the registry says that a short value is computed."""

    template: str
    """The file under `sql/templates` that computes a short value."""

    function: str
    """The function that this template calls, and no other template does."""

    of_pgvector: bool
    """Whether the type is pgvector's; otherwise it is PostgreSQL's."""

    metric: str | None
    operator: str | None
    """Metric and operator of indexes of this kind; None: those of the full column."""


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
