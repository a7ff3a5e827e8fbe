"""Search over HTTP: `uvicorn app:app`, then POST a vector to /search."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from pgvector.sqlalchemy import VECTOR
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from mrl_pg import InvalidSetting, InvalidVector, MrlError
from mrl_pg.sqlalchemy import Matryoshka, distance, install, register, search


class Base(DeclarativeBase):
    """Base of the models."""


class Doc(Base):
    """A title, and the vector of a text."""

    __tablename__ = "docs"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    lang: Mapped[str]
    embedding: Mapped[Any] = mapped_column(VECTOR(512), Matryoshka(128), deferred=True)


engine = create_async_engine(os.environ["DATABASE_URL"])  # postgresql+psycopg://…
register(engine)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Make the tables; a real application leaves that to Alembic."""
    async with engine.begin() as connection:
        await connection.run_sync(install)
        await connection.run_sync(Base.metadata.create_all)
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


async def session() -> AsyncIterator[AsyncSession]:
    """A session for one request."""
    async with AsyncSession(engine) as opened:
        yield opened


@app.exception_handler(InvalidVector)
@app.exception_handler(InvalidSetting)
async def refuse(request: Request, error: MrlError) -> JSONResponse:  # noqa: D103
    return JSONResponse({"detail": str(error)}, status_code=422)


class Asked(BaseModel):
    """The body of a request."""

    vector: list[float]
    k: int = 10
    lang: str | None = None


@app.post("/search")
async def nearest(
    asked: Asked, session: Annotated[AsyncSession, Depends(session)]
) -> list[dict[str, Any]]:
    """The k documents nearest to a vector, nearest first."""
    docs = select(Doc.id, Doc.title, distance.label("distance"))
    if asked.lang is not None:
        docs = docs.where(Doc.lang == asked.lang)
    found = await session.execute(search(docs, Doc.embedding, asked.vector, k=asked.k))
    return [dict(row) for row in found.mappings()]
