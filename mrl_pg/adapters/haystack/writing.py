"""Writing documents of Haystack, and what happens to those whose id is there."""

from collections.abc import Sequence

from haystack.dataclasses import Document
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy

from mrl_pg.adapters.documents import Documents
from mrl_pg.adapters.haystack.converted import stored_document
from mrl_pg.adapters.haystack.runs import Verb
from mrl_pg.arguments import shown
from mrl_pg.errors import InvalidSetting, KeyExists
from mrl_pg.exchange import AnyConn, Exchange
from mrl_pg.rows.upsert_job import IfExists

IF_EXISTS: dict[DuplicatePolicy, IfExists] = {
    DuplicatePolicy.NONE: "refuse",
    DuplicatePolicy.FAIL: "refuse",
    DuplicatePolicy.SKIP: "skip",
    DuplicatePolicy.OVERWRITE: "update",
}

USUAL_SIZE = 768
"""The size of embeddings if nobody says another, as in Haystack's other stores."""


def write(
    table: Documents,
    documents: list[Document],
    policy: DuplicatePolicy,
    size: int | None,
) -> Verb[int]:
    """The verb that writes documents and counts those that it wrote.

    `size` is that of their embeddings, for a table that is made. Raises InvalidSetting
    for other than documents, and DuplicateDocumentError.
    """
    if not isinstance(documents, list):
        raise InvalidSetting(
            f"documents={shown(documents)} are no list: give a list of Documents"
        )
    for document in documents:
        if not isinstance(document, Document):
            raise InvalidSetting(
                f"documents has {shown(document)}, which is no Document"
            )
    rows = [stored_document(each) for each in _each_once(documents, policy)]
    if size is None and all(row.vector is None for row in rows):
        size = USUAL_SIZE

    def verb(conn: AnyConn) -> Exchange[int]:
        try:
            report = yield from table.add(
                conn,
                rows,
                if_exists=IF_EXISTS[policy],
                size=size,
            )
        except KeyExists as error:
            raise _duplicate(error.keys) from error
        return 0 if report is None else report.inserted + report.updated

    return verb


def _each_once(
    documents: Sequence[Document], policy: DuplicatePolicy
) -> list[Document]:
    """One document for each id, as the policy has it."""
    by_id: dict[str, Document] = {}
    twice = []
    for document in documents:
        if document.id in by_id:
            twice.append(document.id)
        if document.id not in by_id or policy == DuplicatePolicy.OVERWRITE:
            by_id[document.id] = document
    if twice and IF_EXISTS[policy] == "refuse":
        raise _duplicate(twice)
    return list(by_id.values())


def _duplicate(ids: Sequence[object]) -> DuplicateDocumentError:
    return DuplicateDocumentError(
        f"documents have ids that other documents have, such as {shown(ids[0])}; "
        "nothing was written. DuplicatePolicy.SKIP leaves them out, "
        "DuplicatePolicy.OVERWRITE replaces those that are there"
    )
