"""Searches by a manager: what a queryset filters, its nearest rows as instances."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

from asgiref.sync import sync_to_async
from django.core.exceptions import EmptyResultSet, FullResultSet
from django.db import connections
from django.db.models import Manager, Model, QuerySet

from mrl_pg.arguments import split_table
from mrl_pg.column import MatryoshkaColumn
from mrl_pg.embed.protocol import Embedder
from mrl_pg.embed.text_search import search
from mrl_pg.errors import InvalidSetting
from mrl_pg.search.options import FilteredKeywords, SearchKeywords
from mrl_pg.search.result import SearchResult
from mrl_pg.vectors import VectorLike

if TYPE_CHECKING:
    # in `typing` itself from Python 3.11 on
    from typing_extensions import Unpack

M = TypeVar("M", bound=Model)

TAKEN = ("filter", "params", "columns")
"""Options of a search that the queryset itself says."""


class NearestRows(list[M], Generic[M]):
    """Instances, nearest first, each with a `distance`.

    `result` is the SearchResult, which has the promise and says how the search went.
    """

    def __init__(self, found: Sequence[M], result: SearchResult) -> None:
        """Take the instances and the result that named them."""
        super().__init__(found)
        self.result = result


class NearestQuerySet(QuerySet[M]):
    """A queryset that can be searched by the distance of a vector."""

    def nearest(
        self,
        field: str,
        vector: "VectorLike | str",
        *,
        embedder: Embedder | None = None,
        **options: "Unpack[SearchKeywords]",
    ) -> NearestRows[M]:
        """The k rows of this queryset that are nearest to a vector, in two passes.

        A text stands for its vector by `embedder`, or else by the model that the
        registry names for the column, as in `mrl_pg.embed.search`.

        What the queryset filters is the condition of the first pass. `select_related`,
        `only`, annotations and the like hold for the instances; its order does not.
        The options are those of `MatryoshkaColumn.search`: `k`, `candidates`, `recall`,
        `exact` and so on. The index is the one in use of the column.

        It runs on Django's connection, in Django's transaction. Raises InvalidSetting
        for a queryset that is sliced or combined, and what `search` raises, for a text
        also what `mrl_pg.embed.search` raises.
        """
        for name in TAKEN:
            if name in options:
                raise InvalidSetting(
                    f"{name}= is not an option here: use .filter() of the queryset"
                )
        query = self.query
        if query.is_sliced or query.combinator or query.distinct:
            raise InvalidSetting(
                "a sliced, combined or distinct queryset cannot be searched: filter "
                "it, and say how many rows by k="
            )
        if self._fields is not None:
            raise InvalidSetting(
                "a search returns instances: leave out values() and values_list()"
            )
        if embedder is not None and not isinstance(vector, str):
            raise InvalidSetting("embedder= is for a text: this is a vector already")
        options = {**options, **self._condition()}
        meta = self.model._meta
        schema, table = split_table(meta.db_table)
        searched = MatryoshkaColumn(table, meta.get_field(field).column, schema)
        connection = connections[self.db]
        connection.ensure_connection()
        connection.validate_no_broken_transaction()
        with connection.wrap_database_errors:
            if isinstance(vector, str):
                result = search(
                    connection.connection,
                    searched,
                    vector,
                    embedder=embedder,
                    **options,
                )
            else:
                result = searched.search(connection.connection, vector, **options)
        key = meta.pk
        distances = {key.to_python(hit.key): hit.distance for hit in result}
        # by key alone, because the search has filtered already
        rows = {row.pk: row for row in self.order_by().filter(pk__in=distances)}
        for pk, row in rows.items():
            row.distance = distances[pk]
        # a row may have gone since
        return NearestRows([rows[pk] for pk in distances if pk in rows], result)

    async def anearest(
        self,
        field: str,
        vector: "VectorLike | str",
        *,
        embedder: Embedder | None = None,
        **options: "Unpack[SearchKeywords]",
    ) -> NearestRows[M]:
        """The same in Django's thread for the database, as its own async methods do."""
        return await sync_to_async(self.nearest)(
            field, vector, embedder=embedder, **options
        )

    def _condition(self) -> FilteredKeywords:
        """The conditions of this queryset, for the first pass."""
        try:
            return self._compiled()
        except EmptyResultSet:
            return {"filter": "false"}
        except FullResultSet:
            return {}

    def _compiled(self) -> FilteredKeywords:
        query = self.query.chain()
        if not query.where:
            return {}
        compiler = query.get_compiler(using=self.db)
        query.get_initial_alias()
        if len([name for name, n in query.alias_refcount.items() if n]) == 1:
            condition, params = compiler.compile(query.where)
        else:
            # other tables take part
            keys = self.order_by().values("pk").query
            inner, params = keys.get_compiler(using=self.db).as_sql()
            column = compiler.quote_name_unless_alias(self.model._meta.pk.column)
            condition = f"{column} in ({inner})"
        return {"filter": condition, "params": list(params)}


class NearestManager(Manager.from_queryset(NearestQuerySet)):  # type: ignore[misc]
    """A manager whose querysets can be searched: `Doc.objects.nearest(…)`."""
