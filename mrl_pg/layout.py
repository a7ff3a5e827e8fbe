"""A short column and its index as one frozen value, which derives every name."""

import hashlib
from dataclasses import KW_ONLY, dataclass, replace

from mrl_pg import arguments
from mrl_pg.arguments import shown
from mrl_pg.errors import InvalidSetting
from mrl_pg.kinds import KEEPS, KINDS, OPERATORS, Distance, Keep, Kind

NAME_BYTES = 63
"""PostgreSQL cuts longer names without an error (NAMEDATALEN - 1)."""


@dataclass(frozen=True, slots=True)
class Graph:
    """Parameters of an HNSW graph: links per node, and the width of the build's search.

    More of both find more in a search that is as wide, and take longer to build. The
    defaults are those of pgvector.
    """

    m: int = 16
    ef_construction: int = 64

    def __str__(self) -> str:
        """`m 16, ef_construction 64`."""
        return f"m {self.m}, ef_construction {self.ef_construction}"


GRAPHS = {"usual": Graph(), "better": Graph(32, 200)}
"""Graphs by name; `docs/tune.md` says what a better one is good for."""


class Searched:
    """What a search runs on: one index, or a column with whichever is in use."""

    __slots__ = ()

    table: str
    column: str
    schema: str


@dataclass(frozen=True, slots=True)
class ColumnLayout(Searched):
    """A full column, to be searched by the index that is in use.

    An empty `schema` means the table that the search path finds.

    Raises InvalidSetting for a name that PostgreSQL would refuse.
    """

    table: str
    column: str
    schema: str = ""

    def __post_init__(self) -> None:
        """Check every name."""
        check_name("table", self.table)
        check_name("column", self.column)
        if self.schema is None:
            object.__setattr__(self, "schema", "")
        elif not isinstance(self.schema, str) or self.schema:
            check_name("schema", self.schema)
        for field in ("table", "column", "schema"):
            object.__setattr__(self, field, str.__str__(getattr(self, field)))

    def __str__(self) -> str:
        """`docs.embedding`."""
        return ".".join(filter(None, (self.schema, self.table, self.column)))


@dataclass(frozen=True, slots=True)
class IndexLayout(Searched):
    """A short column and its HNSW index on one table.

    An empty `schema` means the table that the search path finds. `short` is the name
    of the short column and `name` that of the index. If empty, they are derived, for
    example `embedding_256_halfvec` and `docs_embedding_256_halfvec_cosine_hnsw`.

    `keep` says how `create` has the short values kept: "generated", in a column that
    PostgreSQL computes, "trigger", in a column that a trigger fills, or "expression",
    in the index alone, without any column. None leaves the choice to `create`. A search
    uses what is there, whatever `keep` says.

    Raises InvalidSetting for a value that PostgreSQL or pgvector would refuse.
    """

    table: str
    column: str
    _: KW_ONLY
    dims: int
    kind: Kind = "halfvec"
    distance: Distance = "cosine"
    m: int = 16
    ef_construction: int = 64
    schema: str = ""
    short: str = ""
    name: str = ""
    keep: Keep | None = None

    def __post_init__(self) -> None:
        """Check every field and derive the names that were not given."""
        arguments.check_choice("kind", self.kind, KINDS)
        arguments.check_choice("distance", self.distance, OPERATORS)
        if self.keep is not None:
            arguments.check_choice("keep", self.keep, KEEPS)
        for field, low, high in (
            ("dims", 1, KINDS[self.kind].most_dims),
            ("m", 2, 100),
            ("ef_construction", 4, 1000),
        ):
            value = arguments.check_whole(
                field, getattr(self, field), low, high, "pgvector's HNSW index"
            )
            object.__setattr__(self, field, value)
        if self.ef_construction < 2 * self.m:
            raise InvalidSetting(
                f"ef_construction={self.ef_construction} is below twice m={self.m}: "
                "pgvector refuses such a graph; raise ef_construction or lower m"
            )
        for field in ("table", "column"):
            check_name(field, getattr(self, field))
        for field in ("schema", "short", "name"):
            given = getattr(self, field)
            if given is None:
                object.__setattr__(self, field, "")
            elif not isinstance(given, str) or given:
                check_name(field, given)
        suffix = f"_{self.dims}_{self.kind}"
        short = self.short or fit(self.column, suffix)
        name = self.name or fit(f"{self.table}_{short}", f"_{self.distance}_hnsw")
        object.__setattr__(self, "short", short)
        object.__setattr__(self, "name", name)
        for field in ("short", "name"):
            check_name(field, getattr(self, field))
        for field in ("table", "column", "kind", "distance", "schema", "short", "name"):
            # make NumPy's strings plain, because revisions contain their repr
            object.__setattr__(self, field, str.__str__(getattr(self, field)))
        if self.short == self.column:
            raise InvalidSetting(
                f"short={self.short!r} is the full column itself: give another name"
            )

    @property
    def operator(self) -> str:
        """Operator of the second pass, on full vectors."""
        return OPERATORS[self.distance]

    @property
    def short_operator(self) -> str:
        """Operator of the first pass: Hamming distance for sign bits."""
        return KINDS[self.kind].operator or self.operator

    @property
    def operator_class(self) -> str:
        """HNSW operator class of the short column."""
        return f"{self.kind}_{KINDS[self.kind].metric or self.distance}_ops"

    @property
    def named_by_hand(self) -> bool:
        """Whether the short column or the index has a name that is not derived."""
        derived = replace(self, short="", name="")
        return (self.short, self.name) != (derived.short, derived.name)

    @property
    def trigger(self) -> str:
        """Name of the trigger that keeps the short column, if `keep` is "trigger"."""
        return fit(f"zz_mrl_{self.short}", "")

    def __str__(self) -> str:
        """`docs.embedding → 256 halfvec (cosine)`."""
        where = f"{self.schema}.{self.table}" if self.schema else self.table
        return f"{where}.{self.column} → {self.dims} {self.kind} ({self.distance})"


@dataclass(frozen=True, slots=True)
class IndexInUse(IndexLayout):
    """The index that is in use of a column.

    `registry_stamp` is a number that changes with the registry of the table, by which
    a search notices that another index is in use. `asked_for` is whether the search
    named its size or kind, so that another may stand in for it.
    """

    registry_stamp: int = 0
    asked_for: bool = False


@dataclass(frozen=True, slots=True)
class TenantIndex(IndexLayout):
    """The index of one tenant, on the rows of that tenant alone."""


def fit(stem: str, suffix: str) -> str:
    """`stem` + `suffix` in 63 bytes; a long stem is cut and gets a hash."""
    if len((stem + suffix).encode()) <= NAME_BYTES:
        return stem + suffix
    mark = "_" + hashlib.sha256(stem.encode()).hexdigest()[:8]
    room = NAME_BYTES - len(mark) - len(suffix.encode())
    return stem.encode()[:room].decode(errors="ignore") + mark + suffix


def check_name(what: str, name: str) -> None:
    """Raise InvalidSetting for a name that PostgreSQL would refuse or cut."""
    if not isinstance(name, str) or not name or "\0" in name:
        raise InvalidSetting(
            f"{what}={shown(name)} is not a name: give a non-empty string"
        )
    if reason := arguments.unfit(name):
        raise InvalidSetting(f"{what}={name!r} {reason}")
    size = len(name.encode())
    if size > NAME_BYTES:
        raise InvalidSetting(
            f"{what}={shown(name)} is {size} bytes long: PostgreSQL cuts names "
            f"at {NAME_BYTES} bytes; give the name it stored"
        )
