"""What the store for Haystack tells of the metadata of its documents."""

from collections.abc import Sequence
from typing import Any

from mrl_pg.adapters import fields
from mrl_pg.adapters.haystack.converted import RESERVED
from mrl_pg.adapters.haystack.filters import Filters, condition_of, path_of
from mrl_pg.adapters.haystack.runs import Runs, Verb
from mrl_pg.exchange import AnyConn, Exchange


class Metadata(Runs):
    """The methods of a store that tell of metadata."""

    def get_metadata_fields_info(self) -> dict[str, dict[str, str]]:
        """The fields of the metadata, each with its `type`.

        Types are integer, real, text, boolean, array and object, or mixed if documents
        do not agree.
        """
        return self._run(self._fields_info)

    async def get_metadata_fields_info_async(self) -> dict[str, dict[str, str]]:
        """The same without blocking the event loop."""
        return await self._run_async(self._fields_info)

    def get_metadata_field_min_max(self, metadata_field: str) -> dict[str, Any]:
        """The `min` and `max` of a field of numbers or of texts, otherwise None."""
        return self._run(self._min_max(metadata_field))

    async def get_metadata_field_min_max_async(
        self, metadata_field: str
    ) -> dict[str, Any]:
        """The same without blocking the event loop."""
        return await self._run_async(self._min_max(metadata_field))

    def get_metadata_field_unique_values(
        self,
        metadata_field: str,
        search_term: str | None = None,
        from_: int = 0,
        size: int = 10,
        filters: Filters = None,
    ) -> tuple[list[Any], int]:
        """A page of the distinct values of a field, and how many there are in all.

        `search_term` is a text that they hold, upper and lower case alike.
        """
        return self._run(
            self._unique(metadata_field, search_term, from_, size, filters)
        )

    async def get_metadata_field_unique_values_async(
        self,
        metadata_field: str,
        search_term: str | None = None,
        from_: int = 0,
        size: int = 10,
        filters: Filters = None,
    ) -> tuple[list[Any], int]:
        """The same without blocking the event loop."""
        return await self._run_async(
            self._unique(metadata_field, search_term, from_, size, filters)
        )

    def count_unique_metadata_by_filter(
        self, filters: dict[str, Any], metadata_fields: list[str]
    ) -> dict[str, int]:
        """How many distinct values fields have in documents that a filter leaves."""
        return self._run(self._count_unique(filters, metadata_fields))

    async def count_unique_metadata_by_filter_async(
        self, filters: dict[str, Any], metadata_fields: list[str]
    ) -> dict[str, int]:
        """The same without blocking the event loop."""
        return await self._run_async(self._count_unique(filters, metadata_fields))

    def _fields_info(self, conn: AnyConn) -> Exchange[dict[str, dict[str, str]]]:
        types = yield from fields.field_types(self.documents, conn)
        return {name: {"type": types[name]} for name in types if name != RESERVED}

    def _min_max(self, field: str) -> Verb[dict[str, Any]]:
        def verb(conn: AnyConn) -> Exchange[dict[str, Any]]:
            low, high = yield from fields.extremes(self.documents, conn, path_of(field))
            return {"min": low, "max": high}

        return verb

    def _unique(
        self, field: str, term: str | None, first: int, most: int, filters: Filters
    ) -> Verb[tuple[list[Any], int]]:
        condition = condition_of(filters)

        def verb(conn: AnyConn) -> Exchange[tuple[list[Any], int]]:
            found = yield from fields.distinct_values(
                self.documents,
                conn,
                path_of(field),
                condition,
                within=term,
                first=first,
                most=most,
            )
            return found.values, found.total

        return verb

    def _count_unique(
        self, filters: Filters, names: Sequence[str]
    ) -> Verb[dict[str, int]]:
        condition = condition_of(filters)
        paths = [path_of(name) for name in names]

        def verb(conn: AnyConn) -> Exchange[dict[str, int]]:
            counts = yield from fields.distinct_counts(
                self.documents, conn, paths, condition
            )
            return dict(zip(map(".".join, paths), counts, strict=True))

        return verb
