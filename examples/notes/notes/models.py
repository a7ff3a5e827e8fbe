"""The tables: notes, each with a vector of its text, and their tags."""

from typing import Any

from pgvector.sqlalchemy import VECTOR
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from mrl_pg.sqlalchemy import Matryoshka


class Base(DeclarativeBase):
    """Base of the models; its metadata is what Alembic compares."""


class Note(Base):
    """A text and its embedding; the first pass of a search reads 256 of 512 dims."""

    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    tags: Mapped[list["Tag"]] = relationship(order_by="Tag.name")
    # deferred, so that a search leaves the vector in the database
    embedding: Mapped[Any] = mapped_column(
        VECTOR(512), Matryoshka(256), nullable=False, deferred=True
    )


class Tag(Base):
    """A word that groups notes."""

    __tablename__ = "tags"

    note_id: Mapped[int] = mapped_column(ForeignKey("notes.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
