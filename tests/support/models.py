"""Models that declare a short column, in each way that SQLAlchemy allows."""

from dataclasses import dataclass, field
from typing import Annotated, Any

from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, TypeDecorator
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    declared_attr,
    mapped_column,
    registry,
)

from mrl_pg.sqlalchemy import Matryoshka
from support.vectors import DIMS


class Base(DeclarativeBase):
    """Tables of the models below."""


class Doc(Base):
    """The model that most people write."""

    __tablename__ = "docs"
    id: Mapped[int] = mapped_column(primary_key=True)
    embedding: Mapped[Any] = mapped_column(VECTOR(DIMS), Matryoshka(32), nullable=True)


class HasEmbedding:
    embedding: Mapped[Any] = mapped_column(VECTOR(DIMS), Matryoshka(32))


class Mixed(HasEmbedding, Base):
    __tablename__ = "mixed"
    id: Mapped[int] = mapped_column(primary_key=True)


class MixedAgain(HasEmbedding, Base):
    __tablename__ = "mixed_again"
    id: Mapped[int] = mapped_column(primary_key=True)


class DeclaredLater:
    @declared_attr
    def embedding(cls) -> Mapped[Any]:
        return mapped_column(HALFVEC(DIMS), Matryoshka(32))


class Later(DeclaredLater, Base):
    __tablename__ = "later"
    id: Mapped[int] = mapped_column(primary_key=True)


Embedding = Annotated[Any, mapped_column(VECTOR(DIMS), Matryoshka(32))]
Noted = Annotated[Any, mapped_column(VECTOR(DIMS), Matryoshka(32), info={"by": 1})]


class Annotation(Base):
    __tablename__ = "annotation"
    id: Mapped[int] = mapped_column(primary_key=True)
    embedding: Mapped[Embedding]


class AnnotationAgain(Base):
    __tablename__ = "annotation_again"
    id: Mapped[int] = mapped_column(primary_key=True)
    embedding: Mapped[Embedding] = mapped_column(nullable=True, info={"own": 2})


class AnnotationWithInfo(Base):
    __tablename__ = "annotation_with_info"
    id: Mapped[int] = mapped_column(primary_key=True)
    embedding: Mapped[Noted]


class Dataclasses(MappedAsDataclass, DeclarativeBase):
    """A base whose models are dataclasses."""


class Data(Dataclasses):
    __tablename__ = "data"
    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    embedding: Mapped[Any] = mapped_column(VECTOR(DIMS), Matryoshka(32))


mapper = registry()


@mapper.mapped
@dataclass
class Plain:
    __tablename__ = "plain"
    __sa_dataclass_metadata_key__ = "sa"
    id: int = field(init=False, metadata={"sa": Column(Integer, primary_key=True)})
    embedding: Any = field(metadata={"sa": Column(VECTOR(DIMS), Matryoshka(32))})


class Thin(TypeDecorator[Any]):
    """A type of the application, around pgvector's type."""

    impl = VECTOR
    cache_ok = True


core = Table(
    "core",
    MetaData(),
    Column("id", BigInteger, primary_key=True),
    Column("embedding", VECTOR(DIMS), Matryoshka(32), info={"kept": True}),
)

decorated = Table(
    "decorated",
    MetaData(),
    Column("id", BigInteger, primary_key=True),
    Column("embedding", Thin(DIMS), Matryoshka(32)),
)

appended = Table("appended", MetaData(), Column("id", BigInteger, primary_key=True))
appended.append_column(Column("embedding", VECTOR(DIMS), Matryoshka(32)))

MODELS: list[Any] = [
    Doc,
    Mixed,
    MixedAgain,
    Later,
    Annotation,
    AnnotationAgain,
    AnnotationWithInfo,
    Data,
    Plain,
]
TABLES: list[Table] = [core, decorated, appended]
WAYS: list[Table] = [*(model.__table__ for model in MODELS), *TABLES]
