"""Nodes of LlamaIndex as rows, and rows as nodes."""

from llama_index.core.schema import BaseNode, MetadataMode, TextNode
from llama_index.core.vector_stores.utils import (
    metadata_dict_to_node,
    node_to_metadata_dict,
)

from mrl_pg.adapters.documents import StoredDocument
from mrl_pg.arguments import shown
from mrl_pg.errors import InvalidVector

OWN_FIELDS = {"_node_content", "_node_type", "document_id", "doc_id", "ref_doc_id"}
"""What LlamaIndex adds to the metadata of a node that it stores."""


def row_of(node: BaseNode) -> StoredDocument:
    """The row of a node; raises InvalidVector if it has no embedding."""
    if node.embedding is None:
        raise InvalidVector(
            f"node {shown(node.node_id)} has no embedding: embed it first, or add it "
            "to an index, which does"
        )
    return StoredDocument(
        node.node_id,
        node.get_content(metadata_mode=MetadataMode.NONE),
        node_to_metadata_dict(node, remove_text=True, flat_metadata=False),
        node.embedding,
    )


def node_of(stored: StoredDocument) -> BaseNode:
    """The node of a row; what the row says counts, if SQL has changed it."""
    text = stored.text or ""
    if "_node_content" not in stored.metadata:
        return TextNode(id_=stored.key, text=text, metadata=dict(stored.metadata))
    node = metadata_dict_to_node(dict(stored.metadata), text=text)
    node.node_id = stored.key
    own = {name: node.metadata[name] for name in OWN_FIELDS & node.metadata.keys()}
    now = {
        name: value
        for name, value in stored.metadata.items()
        # a column without a value is no field
        if name not in OWN_FIELDS and (value is not None or name in node.metadata)
    }
    ordered = {name: now[name] for name in node.metadata if name in now}
    node.metadata = {**ordered, **now, **own}
    return node
