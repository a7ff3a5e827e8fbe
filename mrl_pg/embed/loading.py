"""Loads a file of texts: embeds them first, then loads rows and vectors at once."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from os import PathLike
from pathlib import Path

from mrl_pg.arguments import check_callable
from mrl_pg.embed.column_model import ColumnModel, read_model, write_model
from mrl_pg.embed.cost import EmbeddingCost, cost_of
from mrl_pg.embed.protocol import Embedder
from mrl_pg.embed.text_model import TextModel, as_matrix
from mrl_pg.embed.text_source import TextSource, text_columns
from mrl_pg.embed.vector_store import VectorStore, store_path
from mrl_pg.errors import EmbeddingError
from mrl_pg.exchange import Conn, run
from mrl_pg.exchange.progress import OnProgress, Progress
from mrl_pg.layout import ColumnLayout
from mrl_pg.load import LoadReport, UpdateReport, load_blocks
from mrl_pg.load.block import Block
from mrl_pg.load.choice import Choice
from mrl_pg.load.destination import Storage, VectorKind
from mrl_pg.load.text_files import TextForm
from mrl_pg.load.update_input import UpdateTarget, from_blocks
from mrl_pg.rotation import Rotation

BATCH = 1024
"""Texts that go to a model of the caller at once."""


def load_texts(
    conn: Conn,
    path: "str | PathLike[str]",
    table: str,
    *,
    embedder: Embedder,
    text: "str | Sequence[str]" = "text",
    schema: str | None = None,
    column: str = "embedding",
    key: str = "id",
    columns: Sequence[str] = (),
    skip: Sequence[str] = (),
    delimiter: str | None = None,
    header: bool = True,
    encoding: str | None = None,
    kind: VectorKind = "vector",
    storage: Storage | None = None,
    rotation: Rotation | None = None,
    store: "str | PathLike[str] | None" = None,
    price: float | None = None,
    confirm: Callable[[EmbeddingCost], object] | None = None,
    progress: OnProgress | None = None,
) -> LoadReport:
    """Embed the texts of a file, then load its rows and their vectors.

    `text` names the column with the texts, or several, which are joined by line
    breaks. A row without text has no vector. The other arguments are those of `load`.

    All texts are embedded before a transaction begins. The vectors are written to the
    file `store` after each batch, by default beside the input, so that the same call
    goes on after an interruption. It is removed when the rows are loaded. `confirm` is
    called with the cost before anything is sent; what it raises stops the load.
    `price` is that of the model, in dollars for a million tokens.

    The registry keeps the model's name, if the schema `mrl` is installed, the caller
    owns the table, and the column had no vectors of an unknown model before; otherwise
    a note of the report says why not. Raises ModelMismatch if another model filled the
    column, EmbeddingError, and what `load` raises.
    """
    choice = Choice(column, key, None, columns, skip)
    form = TextForm(delimiter, header, encoding)
    source = TextSource(path, text_columns(text), choice, form)
    filled = ColumnLayout(table, column, schema or "")
    known = _known(conn, filled, embedder)
    with _embedded(source, embedder, store, price, confirm, progress) as vectors:
        with conn.transaction():
            report = load_blocks(
                conn,
                source.embedded(vectors),
                table,
                schema=schema,
                column=column,
                key=choice.key_name,
                kind=kind,
                storage=storage,
                rotation=rotation,
                origin=source.origin,
                progress=progress,
            )
            if not known.note:
                run(conn, write_model(filled, embedder.name))
    return replace(report, notes=(*report.notes, *filter(None, [known.note])))


def update_texts(
    conn: Conn,
    path: "str | PathLike[str]",
    table: str,
    *,
    embedder: Embedder,
    text: "str | Sequence[str]" = "text",
    schema: str | None = None,
    column: str = "embedding",
    key: "str | Sequence[str] | None" = None,
    add_column: bool = False,
    only_missing: bool = False,
    delimiter: str | None = None,
    header: bool = True,
    encoding: str | None = None,
    kind: VectorKind = "vector",
    store: "str | PathLike[str] | None" = None,
    price: float | None = None,
    confirm: Callable[[EmbeddingCost], object] | None = None,
    progress: OnProgress | None = None,
) -> UpdateReport:
    """Embed the texts of a file, then write the vectors into rows that are there.

    Rows are found by `key`, as in `mrl_pg.load.update`. `text`, `store`, `price`
    and `confirm` are those of `load_texts`.
    """
    target = UpdateTarget(
        table, schema, column, None, key, add_column, only_missing, kind
    )
    form = TextForm(delimiter, header, encoding)
    source = TextSource(path, text_columns(text), Choice(column), form)
    filled = ColumnLayout(table, column, schema or "")
    known = _known(conn, filled, embedder)

    def blocks(keys: tuple[str, ...]) -> Iterator[Block]:
        return source.embedded(vectors, keys)

    # raises before anything is sent if the connection is in a transaction
    verb = from_blocks(conn, blocks, target, source.origin, progress)
    with _embedded(source, embedder, store, price, confirm, progress) as vectors:
        report = run(conn, verb)
        if not known.note:
            with conn.transaction():
                run(conn, write_model(filled, embedder.name))
    return replace(report, notes=(*report.notes, *filter(None, [known.note])))


def _known(conn: Conn, filled: ColumnLayout, embedder: Embedder) -> ColumnModel:
    """What is known of the column; raises ModelMismatch for another model."""
    # ends at once, because to embed takes long
    with conn.transaction():
        known = run(conn, read_model(filled, loading=True))
    known.check(embedder)
    return known


@contextmanager
def _embedded(
    source: TextSource,
    embedder: Embedder,
    path: "str | PathLike[str] | None",
    price: float | None,
    confirm: Callable[[EmbeddingCost], object] | None,
    progress: OnProgress | None,
) -> Iterator[VectorStore]:
    """The vectors of all texts; removed after the block, kept after an error."""
    for what, function in (("confirm", confirm), ("progress", progress)):
        check_callable(what, function)
    dims = getattr(embedder, "dims", None)
    place = store_path(source.path, embedder.name, dims) if path is None else Path(path)
    # raises here if the file cannot be read, before a file is made beside it
    first = next(source.read(), None)
    if first is not None:
        source.joined(first)
    store = VectorStore(place)
    try:
        if confirm is not None:
            confirm(cost_of(source, store, embedder.name, price))
        embed_texts(source, embedder, store, progress)
        yield store
    except BaseException:
        if len(store):
            store.close()
        else:
            store.remove()
        raise
    store.remove()


def embed_texts(
    source: TextSource,
    embedder: Embedder,
    store: VectorStore,
    progress: OnProgress | None = None,
) -> None:
    """Put the vectors of all texts of a file into the store that it does not have."""
    most = embedder.batch_texts if isinstance(embedder, TextModel) else BATCH
    waiting: dict[str, None] = {}
    rows = 0
    for block in source.read():
        texts = [text for text in source.joined(block) if text is not None]
        known = store.known(texts)
        waiting.update((text, None) for text in texts if text not in known)
        rows += len(block)
        while len(waiting) >= most:
            _embed(embedder, store, list(islice(waiting, most)), waiting)
        if progress is not None:
            progress(Progress("embedding texts", rows - len(waiting), block.total))
    if waiting:
        _embed(embedder, store, list(waiting), waiting)
    if progress is not None and rows:
        progress(Progress("embedding texts", rows, rows))


def _embed(
    embedder: Embedder, store: VectorStore, texts: list[str], waiting: dict[str, None]
) -> None:
    vectors = as_matrix(embedder.name, embedder.embed_documents(texts), len(texts))
    before = store.dims()
    if before not in (None, vectors.shape[1]):
        raise EmbeddingError(
            f"{embedder.name} gave vectors of {vectors.shape[1]} numbers, and of "
            f"{before} before: remove {str(store.path)!r}, which holds the vectors so "
            "far, or correct the model"
        )
    store.put(dict(zip(texts, vectors, strict=True)))
    for text in texts:
        del waiting[text]
