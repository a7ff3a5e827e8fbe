"""Command-line arguments that describe a short column and its index."""

import re
from pathlib import Path
from typing import Annotated, TypeAlias, cast

import typer

from mrl_pg.errors import InvalidSetting
from mrl_pg.index import MatryoshkaIndex
from mrl_pg.kinds import Distance, Keep, Kind
from mrl_pg.layout import GRAPHS, Graph

Table: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="TABLE",
        help="Table, or schema.table; quoted as in SQL if a name contains a dot.",
    ),
]
Column: TypeAlias = Annotated[
    str, typer.Argument(metavar="COLUMN", help="Column of the full vectors.")
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
    typer.Option(help="A condition in SQL; a literal percent sign is written %%."),
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


def split_table(text: str) -> tuple[str, str]:
    """Schema ('' if absent) and table in `docs`, `schema.docs` or `"a.b"."c"`.

    Capital letters stay, quoted or not. Raises InvalidSetting.
    """
    part = r'"((?:[^"]|"")+)"|([^".]+)'
    match = re.fullmatch(rf"(?:(?:{part})\.)?(?:{part})", text)
    if match is None:
        raise InvalidSetting(
            f"{text!r} is not a table name: write docs, schema.docs, or quote each "
            'part as in SQL: \'"my.schema"."my table"\''
        )
    schema, table = (
        quoted.replace('""', '"') if quoted else plain or ""
        for quoted, plain in (match.group(1, 2), match.group(3, 4))
    )
    return schema, table


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
