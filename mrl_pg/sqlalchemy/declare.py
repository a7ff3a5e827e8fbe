"""`Matryoshka`: declares the short column of a vector column."""

from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import count
from operator import attrgetter
from typing import Any, ClassVar

from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlalchemy import Column, Table, TypeDecorator, event
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeEngine

from mrl_pg.arguments import flag
from mrl_pg.errors import InvalidSetting, NoPrimaryKey, NotAVectorColumn
from mrl_pg.index import MatryoshkaIndex
from mrl_pg.kinds import Distance, Keep, Kind
from mrl_pg.layout import IndexLayout
from mrl_pg.sqlalchemy import create

INFO = "mrl_pg"
"""Key of `Column.info` that holds what reflection found."""

_PLACES = count()


@dataclass(frozen=True, slots=True)
class Declaration:
    """The arguments of `Matryoshka`; `short` and `name` are empty if not given."""

    dims: int
    kind: Kind
    distance: Distance
    m: int
    ef_construction: int
    short: str
    name: str
    keep: Keep = "generated"
    rotated: bool = False

    def on(self, table: str, column: str, schema: str = "") -> MatryoshkaIndex:
        """The index that it declares on a table."""
        return _index(self, table, column, schema)

    def clashes(self, other: "Declaration") -> bool:
        """Whether another declaration on the column would use the same index name."""
        same = self.on("table", "column").name == other.on("table", "column").name
        return same and self != other

    def allows(self, found: IndexLayout) -> bool:
        """Whether an index in the database matches the declaration.

        If the declaration has no name, the index may have any name.
        """
        wanted = self.on(found.table, found.column, found.schema)
        return (
            all(
                getattr(wanted, field) == getattr(found, field)
                for field in (
                    "dims",
                    "kind",
                    "distance",
                    "m",
                    "ef_construction",
                    "short",
                )
            )
            and found.keep in (None, self.keep)
            and self.name in ("", found.name)
        )


# cached, because every search needs one of a few indexes
@lru_cache(maxsize=1024)
def _index(
    declared: Declaration, table: str, column: str, schema: str
) -> MatryoshkaIndex:
    fields = asdict(declared)
    # about the full column, and no part of an index
    del fields["rotated"]
    return MatryoshkaIndex(table, column, schema=schema, **fields)


class Matryoshka(SchemaItem):
    """Declares a short column of `dims` leading dimensions, and its HNSW index.

    It stands beside the type of a vector column, declarative or Core:

        embedding = mapped_column(VECTOR(1536), Matryoshka(256))
        Column("embedding", VECTOR(1536), Matryoshka(256, kind="bit"))

    `kind`: vector, halfvec or bit; `distance`: cosine, l2 or ip; `m` and
    `ef_construction`: options of pgvector's index; `short` and `name`: names of the
    short column and of the index, instead of the derived names; `keep`: "generated",
    "trigger" for a column that a trigger fills, or "expression" for an index without a
    short column; `rotated`: the column holds rotated vectors, so that searches have the
    server rotate their queries (docs/rotation.md). A column may have several
    declarations, for several sizes; a search uses the first.

    The short column is not an attribute of the model and not a column of the Table,
    because the server computes it. `alembic revision --autogenerate` and
    `MetaData.create_all` create it.

    Raises InvalidSetting at once for values that PostgreSQL or pgvector would refuse.
    """

    __visit_name__ = "matryoshka"
    made_by_alembic: ClassVar[bool] = False
    """Whether `op.add_column` creates the short column; `register` sets it."""
    # SQLAlchemy reads this when it copies or merges a column, as for a constraint
    _type_bound = False

    def __init__(
        self,
        dims: int,
        *,
        kind: Kind = "halfvec",
        distance: Distance = "cosine",
        m: int = 16,
        ef_construction: int = 64,
        short: str = "",
        name: str = "",
        keep: Keep = "generated",
        rotated: bool = False,
    ) -> None:
        """Check what can be checked without the table."""
        # checks the arguments, with any names for the table and the column
        checked = MatryoshkaIndex(
            "table",
            "column",
            dims=dims,
            kind=kind,
            distance=distance,
            m=m,
            ef_construction=ef_construction,
            short=short,
            name=name,
            keep=keep,
        )
        self.declaration = Declaration(
            checked.dims,
            checked.kind,
            checked.distance,
            checked.m,
            checked.ef_construction,
            short or "",
            name or "",
            checked.keep or "generated",
            flag("rotated", rotated),
        )
        self._place = next(_PLACES)

    def __repr__(self) -> str:
        """`Matryoshka(256, kind='halfvec', distance='cosine')`."""
        own = self.declaration
        return f"Matryoshka({own.dims}, kind={own.kind!r}, distance={own.distance!r})"

    def _set_parent(self, parent: Any, **kw: Any) -> None:
        """SQLAlchemy's hook: add the declaration to its column."""
        if not isinstance(parent, Column):
            raise ArgumentError(
                f"{self!r} belongs to a column, not to {parent!r}: "
                "Column(…, VECTOR(…), Matryoshka(…)) or mapped_column(…)"
            )
        for other in declarations(parent):
            if self.declaration.clashes(other):
                raise InvalidSetting(
                    f"{self!r} would make a second index of the same name: give one "
                    "of them another name="
                )
        held: Any = parent.constraints
        held.add(self)
        event.listen(parent, "after_parent_attach", _attached)

    def _copy(self, **kw: Any) -> "Matryoshka":
        """Itself, because it knows no column; for a mixin or for other metadata."""
        return self


@compiles(Matryoshka)
def _nothing(element: Matryoshka, compiler: Any, **kw: Any) -> str:
    """Nothing, because CREATE TABLE does not contain the short column."""
    statement = type(getattr(compiler, "statement", None))
    if statement.__module__.startswith("alembic.") and not element.made_by_alembic:
        raise InvalidSetting(
            f"op.add_column would leave out what {element!r} declares: call "
            "mrl_pg.alembic.register() in env.py"
        )
    return ""


def declarations(column: Any) -> tuple[Declaration, ...]:
    """The declarations on a column, in order, or those that reflection found."""
    held = [item for item in column.constraints if isinstance(item, Matryoshka)]
    held.sort(key=attrgetter("_place"))
    # a dict, because a column and its Annotated type may declare the same
    declared = dict.fromkeys(item.declaration for item in held)
    return tuple(declared) or column.info.get(INFO, ())


def indexes_of(table: Any) -> tuple[MatryoshkaIndex, ...]:
    """The indexes declared on a Table or on a mapped class, in order.

    Each works with psycopg as well: `index.search(conn, query)`.
    """
    table = getattr(table, "__table__", table)
    return tuple(
        declaration.on(table.name, column.name, table.schema or "")
        for column in table.columns
        for declaration in declarations(column)
    )


def check(column: Any, dims: int) -> None:
    """Raise NotAVectorColumn, InvalidSetting or NoPrimaryKey for a bad declaration."""
    full = full_type(column)[1]
    if dims > full:
        raise InvalidSetting(
            f"Matryoshka({dims}) is above the {full} dimensions of {column}: a prefix "
            "can be at most as long as its vector"
        )
    if not column.table.primary_key.columns:
        raise NoPrimaryKey(
            f"table {column.table} has no primary key, which identifies answers: "
            "add one"
        )


def full_type(column: Any) -> tuple[str, int]:
    """`vector` or `halfvec`, and the dimensions of a full column.

    Raises NotAVectorColumn.
    """
    plain: TypeEngine[Any] = column.type
    while isinstance(plain, TypeDecorator):
        plain = plain.impl_instance
    if not isinstance(plain, (VECTOR, HALFVEC)):
        raise NotAVectorColumn(
            f"column {column} is of type {column.type!r}: the full column must be "
            "VECTOR(n) or HALFVEC(n) of pgvector.sqlalchemy"
        )
    if plain.dim is None:
        raise NotAVectorColumn(
            f"column {column} declares no dimensions, so its rows may differ: "
            f"give {type(plain).__name__}(n)"
        )
    return type(plain).__name__.lower(), plain.dim


def listen_to(table: Table) -> None:
    """Have `CREATE TABLE` also create the short columns that a table declares."""
    event.listen(table, "before_create", _before_create)
    event.listen(table, "after_create", _after_create)


def _attached(column: Any, table: Table) -> None:
    if isinstance(table, Table):
        listen_to(table)


def listen_to_every_table() -> None:
    """Do so for all tables, because a table from a pickle has lost its listeners."""
    event.listen(Table, "before_create", _before_create_unheard)
    event.listen(Table, "after_create", _after_create_unheard)


def _before_create_unheard(table: Any, connection: Any, **kw: Any) -> None:
    if not event.contains(table, "before_create", _before_create):
        _before_create(table, connection, **kw)


def _after_create_unheard(table: Any, connection: Any, **kw: Any) -> None:
    if not event.contains(table, "after_create", _after_create):
        _after_create(table, connection, **kw)


def _before_create(table: Any, connection: Any, **kw: Any) -> None:
    # in Alembic's offline mode there is no connection, only the runner
    to = connection or kw["_ddl_runner"]
    if to.dialect.name != "postgresql" or not indexes_of(table):
        return
    for column in table.columns:
        for declaration in declarations(column):
            check(column, declaration.dims)
    create.check_installed(to)


def _after_create(table: Any, connection: Any, **kw: Any) -> None:
    to = connection or kw["_ddl_runner"]
    if to.dialect.name != "postgresql":
        return
    # the translated schema, if the connection translates schemas
    schema = connection.schema_for_object(table) if connection else table.schema
    for index in indexes_of(table):
        create.create(to, replace(index, schema=schema or ""))
