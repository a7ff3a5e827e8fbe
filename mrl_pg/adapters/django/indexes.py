"""The index of a model: what `Meta.indexes` declares, and the SQL of its migrations."""

from typing import Any

from django.db.models import Index, Model
from psycopg import sql

from mrl_pg.arguments import split_table
from mrl_pg.errors import InvalidSetting
from mrl_pg.index import MatryoshkaIndex
from mrl_pg.kinds import Distance, Keep, Kind


class ShortIndex(Index):
    """A short column of a VectorField and its HNSW index, made by `mrl.create_index`.

    >>> ShortIndex(fields=["embedding"], dims=256)

    `dims`, `kind`, `distance`, `m`, `ef_construction` and `keep` are those of
    `MatryoshkaIndex`; the name is derived if you give none. `rebuild=True` allows a
    generated column although it rebuilds vector indexes of the table. Django sees no
    field for the short column, because the server computes it.
    """

    # PostgreSQL's; Django's is 30, for other databases
    max_name_length = 63

    def __init__(
        self,
        *,
        fields: "tuple[str, ...] | list[str]" = (),
        dims: int,
        kind: Kind = "halfvec",
        distance: Distance = "cosine",
        m: int = 16,
        ef_construction: int = 64,
        keep: Keep | None = None,
        rebuild: bool = False,
        name: str | None = None,
    ) -> None:
        """Take one field; raises InvalidSetting for a value that no index has."""
        if len(fields) != 1 or fields[0].startswith("-"):
            raise InvalidSetting(
                f"fields={list(fields)!r}: a short index is on one vector field, such "
                'as fields=["embedding"]'
            )
        self.options: dict[str, Any] = {
            "dims": dims,
            "kind": kind,
            "distance": distance,
            "m": m,
            "ef_construction": ef_construction,
            "keep": keep,
        }
        self.rebuild = rebuild
        MatryoshkaIndex("t", "c", **self.options)
        super().__init__(fields=fields, name=name)

    def deconstruct(self) -> Any:
        """What a migration file holds: options that are no defaults are named."""
        path, args, kwargs = super().deconstruct()
        usual = {"kind": "halfvec", "distance": "cosine", "m": 16}
        usual |= {"ef_construction": 64, "keep": None}
        kwargs |= {
            name: value
            for name, value in self.options.items()
            if name not in usual or value != usual[name]
        }
        if self.rebuild:
            kwargs["rebuild"] = True
        return path, args, kwargs

    def set_name_with_model(self, model: type[Model]) -> None:
        """Name the index as mrl_pg does: docs_embedding_256_halfvec_cosine_hnsw."""
        self.name = self.described(model).name

    def described(self, model: type[Model]) -> MatryoshkaIndex:
        """The same index as a value of mrl_pg."""
        schema, table = split_table(model._meta.db_table)
        column = model._meta.get_field(self.fields[0]).column
        name = self.name or ""
        options = self.options
        return MatryoshkaIndex(table, column, schema=schema, name=name, **options)

    def create_sql(
        self, model: type[Model], schema_editor: Any, using: str = "", **options: Any
    ) -> Any:
        """The statement that makes it: a call of `mrl.create_index`."""
        if options.get("concurrently"):
            raise InvalidSetting(
                "a short index takes several statements to build concurrently: write "
                "AddShortIndexConcurrently in place of AddIndexConcurrently"
            )
        return self.create_call("mrl.create_index", model)

    def create_call(self, function: str, model: type[Model]) -> str:
        """A call of a function that takes the arguments of `mrl.create_index`."""
        given = self.options | {"index_name": self.name, "rebuild": self.rebuild}
        return self._call(function, model, given)

    def remove_sql(self, model: type[Model], schema_editor: Any, **options: Any) -> Any:
        """The statement that drops the index, and its column if no other needs it."""
        call = self._call("mrl.drop_index", model, {"index_name": self.name})
        # Django takes it for a statement with placeholders
        return call.replace("%", "%%")

    def _call(
        self, function: str, model: type[Model], arguments: dict[str, Any]
    ) -> str:
        index = self.described(model)
        table = sql.Identifier(*filter(None, (index.schema, index.table)))
        parts = [
            sql.Literal(table.as_string()),
            sql.Literal(index.column),
            *(
                sql.SQL("{} => {}").format(sql.SQL(name), sql.Literal(value))
                for name, value in arguments.items()
                if value is not None
            ),
        ]
        called = sql.SQL("select {}({})").format(
            sql.SQL(function), sql.SQL(", ").join(parts)
        )
        return called.as_string()
