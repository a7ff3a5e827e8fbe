"""Databases that inputs run in: copies of each world, replaced when they change."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import psycopg
from psycopg import sql

from support.databases import Conn
from support.hostile.tables import MARKER, READER, WORLDS, World, build

NOT_OURS = "('pg_catalog', 'information_schema', 'pg_toast')"
FINGERPRINT = f"""
select 'class', nspname || '.' || relname, md5(relkind::text || relnatts::text
    || coalesce(reloptions::text, '') || coalesce(relacl::text, '') || (
        select coalesce(string_agg(attname || attisdropped::text || attstorage::text,
            ',' order by attnum), '')
        from pg_attribute where attrelid = pg_class.oid and attnum > 0
    ))
from pg_class join pg_namespace on pg_namespace.oid = relnamespace
where nspname not in {NOT_OURS} and nspname !~ '^pg_toast'
union all
select 'function', pronamespace::regnamespace || '.' || proname, count(*)::text
from pg_proc where pronamespace::regnamespace::text not in {NOT_OURS} group by 2
union all
select 'schema', nspname, '' from pg_namespace where nspname !~ '^pg_'
union all
select 'index', indexrelid::regclass::text, indisvalid::text from pg_index
where indrelid >= 16384
"""
OURS = """
select 'registry', index_name::text, md5(registry::text) from mrl.registry
union all
select 'calibration', count(*)::text, '' from mrl.calibrations
union all
select 'measurement', count(*)::text, '' from mrl.measurements
union all
select 'sampling', full_column::text, share::text from mrl.query_sampling
"""

Fingerprint: TypeAlias = "frozenset[tuple[Any, ...]]"
Url: TypeAlias = Callable[[str], str]
"""Connection string of a database of the server."""

CONTENT = """
    select 'rows', {}, concat_ws(' ', count(*), sum(hashtextextended(one::text, 0)))
    from {} as one
"""
"""The number of rows of a table, and a number that changes with their values."""


@dataclass(slots=True)
class Place:
    """A copy of a world, a connection that observes it, and its first contents."""

    world: World
    name: str
    url: str
    observer: Conn
    pristine: Fingerprint = frozenset()

    def fingerprint(self) -> Fingerprint:
        """The contents of the database."""
        found = self.observer.execute(FINGERPRINT.encode()).fetchall()
        if self.world.installed and ("schema", "mrl", "") in found:
            found += self.observer.execute(OURS.encode()).fetchall()
        counts = sql.SQL(" union all ").join(
            sql.SQL(CONTENT).format(table.name, sql.SQL(table.quoted()))
            for table in self.world.tables.values()
            if ("class", f"{table.schema}.{table.name}") in {each[:2] for each in found}
        )
        return frozenset(found + self.observer.execute(counts).fetchall())

    def changes(self) -> list[tuple[Any, ...]]:
        """Objects and rows that were added, changed or removed."""
        now = self.fingerprint()
        return sorted(now ^ self.pristine, key=str)

    def injected(self) -> bool:
        """Whether an injected statement wrote the marker."""
        found = self.observer.execute(f"select from {MARKER} limit 1".encode())
        return bool(found.fetchall())


class Ground:
    """The server's databases for inputs."""

    def __init__(self, url: Url, admin: Conn) -> None:
        """Databases are made when needed; `admin` is a superuser's connection."""
        self.url, self.admin = url, admin
        self.places: dict[str, Place] = {}
        self.templates: set[str] = set()
        self.copies = 0

    def place(self, world: str) -> Place:
        """The copy of a world."""
        if world not in self.places:
            self.places[world] = self._copy(WORLDS[world])
        return self.places[world]

    def forget(self, world: str) -> None:
        """Drop the copy, so that the next input gets a fresh copy."""
        if place := self.places.pop(world, None):
            place.observer.close()
            drop = sql.SQL("drop database {} with (force)")
            self.admin.execute(drop.format(sql.Identifier(place.name)))

    def close(self) -> None:
        """Drop everything that was made."""
        for world in [*self.places]:
            self.forget(world)
        for template in self.templates:
            drop = sql.SQL("drop database {} with (force)")
            self.admin.execute(drop.format(sql.Identifier(template)))
        self.templates.clear()

    def _copy(self, world: World) -> Place:
        template = f"hostile_{world.name}"
        if template not in self.templates:
            self._build(template, world)
            self.templates.add(template)
        self.copies += 1
        name = f"{template}_{self.copies}"
        create = sql.SQL("create database {} template {} strategy file_copy")
        self.admin.execute(create.format(*map(sql.Identifier, (name, template))))
        url = self.url(name)
        observer = psycopg.connect(url, autocommit=True, client_encoding="utf8")
        made = Place(world, name, url, observer)
        made.pristine = made.fingerprint()
        return made

    def _build(self, template: str, world: World) -> None:
        create = "create database {} template template0 encoding {} locale 'C'"
        self.admin.execute(
            sql.SQL(create).format(
                sql.Identifier(template), sql.Literal(world.encoding)
            )
        )
        known = self.admin.execute("select from pg_roles where rolname = %s", [READER])
        if not known.fetchall():
            self.admin.execute(f"create role {READER}".encode())
        with psycopg.connect(
            self.url(template), autocommit=True, client_encoding="utf8"
        ) as conn:
            build(conn, world)
