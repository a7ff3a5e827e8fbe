"""Command-line arguments that describe a short column and its index."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, TypeAlias, cast

import typer

from mrl_pg.arguments import split_table
from mrl_pg.catalog.in_use import registered
from mrl_pg.catalog.read import read_column_facts
from mrl_pg.cli import completion
from mrl_pg.column import MatryoshkaColumn
from mrl_pg.errors import IndexNotFound, InvalidSetting, NotInstalled
from mrl_pg.exchange import Conn, run
from mrl_pg.index import MatryoshkaIndex
from mrl_pg.kinds import Distance, Keep, Kind
from mrl_pg.layout import GRAPHS, ColumnLayout, Graph, IndexLayout

Table: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="TABLE",
        help="Table, or schema.table; quoted as in SQL if a name contains a dot.",
        autocompletion=completion.tables,
    ),
]
Column: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="COLUMN",
        help="Column of the full vectors.",
        autocompletion=completion.columns,
    ),
]
Dims: TypeAlias = Annotated[
    int, typer.Option("--dims", "-d", help="Dimensions of the short vectors.")
]
KindName: TypeAlias = Annotated[
    str,
    typer.Option("--kind", help="Type of the short vectors: vector, halfvec or bit."),
]
DistanceName: TypeAlias = Annotated[
    str, typer.Option("--distance", help="Distance of the search: cosine, l2 or ip.")
]
KnownDims: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--dims",
        "-d",
        help="Dimensions of the short vectors.  \\[default: those of the index in use]",
        show_default=False,
    ),
]
KnownKind: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--kind",
        help="Type of the short vectors: vector, halfvec or bit.  \\[default: that of "
        "the index in use]",
        show_default=False,
    ),
]
KnownDistance: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--distance",
        help="cosine, l2 or ip.  \\[default: that of the index in use]",
        show_default=False,
    ),
]
M: TypeAlias = Annotated[
    int, typer.Option("--m", help="Links per node of the HNSW graph.")
]
EfConstruction: TypeAlias = Annotated[
    int,
    typer.Option(
        "--ef-construction", help="Width of the search that builds the graph."
    ),
]
GraphName: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--graph",
        metavar="NAME",
        help="usual or better, instead of --m and --ef-construction. better ("
        f"{GRAPHS['better']}) takes four times as long to build, and its searches find "
        "more.  \\[default: usual]",
    ),
]
Short: TypeAlias = Annotated[
    str, typer.Option("--short", help="Name of the short column.  \\[default: derived]")
]
Name: TypeAlias = Annotated[
    str, typer.Option("--name", help="Name of the index.  \\[default: derived]")
]

KeepName: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--keep",
        metavar="HOW",
        help="generated: a column, which rewrites the table and builds its indexes "
        "again. trigger: a column that a trigger fills. expression: an index without a "
        "column.  \\[default: expression for a table with rows and a vector index, "
        "trigger for another table above 16 MB, else generated]",
    ),
]

Filter: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--filter",
        "--where",
        help="A condition in SQL, such as 'lang = %(lang)s' with --param lang=en; a "
        "literal percent sign is written %%.",
    ),
]
Values: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        metavar="NAME=VALUE",
        help="A value that --filter names; may be repeated. PostgreSQL gives it the "
        "type that the condition needs.",
        show_default=False,
    ),
]
Recall: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--recall",
        help="Recall to promise, such as 0.99: runs the cheapest search that reached "
        "it in `mrl-pg calibrate`.",
    ),
]
Quantile: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--quantile",
        help="With --recall: the share of single queries that are to find it, such as "
        "0.95; without it, only their mean is.",
    ),
]
OneTenant: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--tenant",
        metavar="KEY",
        help="Search the rows of this tenant alone: by its own index, or exactly if it "
        "has none. See `mrl-pg tenants`.",
        show_default=False,
    ),
]
QueryFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Queries: a .npy matrix, a JSON list of vectors, or any file that "
        "`mrl-pg load` reads.  "
        "\\[default: random rows]",
        show_default=False,
    ),
]
RealQueries: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--real-queries",
        help="Use the stored real queries: see `mrl-pg queries`.",
    ),
]


def graph(name: str | None, m: int, ef_construction: int) -> Graph:
    """The graph of `--graph`, or of `--m` and `--ef-construction`.

    Raises InvalidSetting for an unknown name, or if both are given.
    """
    given = Graph(m, ef_construction)
    if name is None:
        return given
    if name not in GRAPHS:
        raise InvalidSetting(f"--graph {name!r}: choose from {', '.join(GRAPHS)}")
    if given not in (GRAPHS["usual"], GRAPHS[name]):
        raise InvalidSetting(
            f"--graph {name} is {GRAPHS[name]}: leave out --m and --ef-construction, "
            "or --graph"
        )
    return GRAPHS[name]


def describe(
    table: str,
    column: str,
    dims: int,
    kind: str,
    distance: str,
    m: int = 16,
    ef_construction: int = 64,
    short: str = "",
    name: str = "",
    keep: str | None = None,
) -> MatryoshkaIndex:
    """The index that the arguments describe; raises InvalidSetting."""
    schema, bare = split_table(table)
    return MatryoshkaIndex(
        bare,
        column,
        dims=dims,
        # the class checks both, and its error names the choices
        kind=cast(Kind, kind),
        distance=cast(Distance, distance),
        m=m,
        ef_construction=ef_construction,
        schema=schema,
        short=short,
        name=name,
        keep=cast(Keep | None, keep),
    )


@dataclass(frozen=True, slots=True)
class Meant:
    """An index as a command line describes it; the registry knows the rest."""

    table: str
    column: str
    dims: int | None = None
    kind: str | None = None
    distance: str | None = None
    short: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        """Raise InvalidSetting for a value that no index has."""
        self._described(self.dims or 1)

    def index(
        self, conn: Conn, *, only: bool = False, exact: bool = False
    ) -> MatryoshkaIndex:
        """The registered index that fits, or else the one that was described in full.

        Of several that fit, it is the one in use; with `only` that is an error, because
        a command that drops something must not choose. An `exact` search needs none.
        Raises IndexNotFound, and what the class raises.
        """
        if self.dims and self.kind and self.distance:
            return self._described(self.dims)
        schema, table = split_table(self.table)
        column = ColumnLayout(table, self.column, schema)
        try:
            known = run(conn, registered(column))
        except NotInstalled:
            if self.dims is None and not exact:
                raise
            known = []
        fit = [layout for layout in known if self._fits(layout)]
        if len(fit) > 1 and only:
            raise InvalidSetting(
                f"{column} has {len(fit)} short columns that fit: {_named(fit)}; say "
                "which by --dims, --kind and --distance"
            )
        if fit:
            return _found(fit[0])
        if self.dims is not None or exact:
            return self._described(self.dims or 1)
        # raises if the table has no such column
        run(conn, read_column_facts(column))
        raise IndexNotFound(
            f"{column} has no short column that fits; there are: {_named(known)}"
            if known
            else f"{column} has no short column yet: run `mrl-pg create`"
        )

    def column_of_tenants(self) -> MatryoshkaColumn:
        """The column, for a search of one tenant; refuses what says which index."""
        for field in ("dims", "kind", "distance", "short", "name"):
            if getattr(self, field):
                raise InvalidSetting(
                    f"--{field} and --tenant exclude each other: the tenant's index is "
                    "the one that `mrl-pg tenants set` describes"
                )
        schema, table = split_table(self.table)
        return MatryoshkaColumn(table, self.column, schema)

    def _fits(self, layout: IndexLayout) -> bool:
        pairs = (
            (self.dims, layout.dims),
            (self.kind, layout.kind),
            (self.distance, layout.distance),
            (self.short, layout.short),
            (self.name, layout.name),
        )
        return all(not asked or asked == there for asked, there in pairs)

    def _described(self, dims: int) -> MatryoshkaIndex:
        kind, distance = self.kind or "halfvec", self.distance or "cosine"
        return describe(
            self.table,
            self.column,
            dims,
            kind,
            distance,
            short=self.short,
            name=self.name,
        )


def _found(layout: IndexLayout) -> MatryoshkaIndex:
    values = {field.name: getattr(layout, field.name) for field in fields(IndexLayout)}
    return MatryoshkaIndex(**values)


def _named(layouts: Sequence[IndexLayout]) -> str:
    each = (f"{one.dims} {one.kind} ({one.distance})" for one in layouts)
    return ", ".join(each)


def values(given: Sequence[str] | None) -> dict[str, str] | None:
    """The values of `--param` by name; raises InvalidSetting."""
    pairs = [text.partition("=") for text in given or ()]
    for name, sign, _ in pairs:
        if not name or not sign:
            raise InvalidSetting(
                f"--param {name!r} has no name or no value: write NAME=VALUE, such as "
                "lang=en, and %(lang)s in --filter"
            )
    return {name: value for name, _, value in pairs} or None
