"""Adds notes and finds them."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from mrl_pg.sqlalchemy import distance, search
from notes.embed import embed
from notes.models import Note, Tag


async def add(session: AsyncSession, text: str, tags: Sequence[str] = ()) -> None:
    """Add a note and commit."""
    names = sorted(set(tags))
    session.add(
        Note(text=text, embedding=embed(text), tags=[Tag(name=name) for name in names])
    )
    await session.commit()


async def find(
    session: AsyncSession, text: str, *, tag: str | None = None, k: int = 3
) -> list[tuple[Note, float]]:
    """The k notes nearest in meaning with their distances; with `tag`, only tagged."""
    notes = select(Note, distance).options(selectinload(Note.tags))
    if tag is not None:
        notes = notes.where(Note.tags.any(Tag.name == tag))
    found = await session.execute(search(notes, Note.embedding, embed(text), k=k))
    return [(note, far) for note, far in found]
