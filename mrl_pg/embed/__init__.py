"""Texts into vectors: models on this machine, hosted models, and any program.

No model is imported before it is used.
"""

from mrl_pg.embed.column_model import set_model, set_model_async
from mrl_pg.embed.cost import EmbeddingCost
from mrl_pg.embed.demo_model import DemoModel
from mrl_pg.embed.loading import load_texts, update_texts
from mrl_pg.embed.named import embedder
from mrl_pg.embed.openai_model import OpenAIModel
from mrl_pg.embed.program import ProgramModel
from mrl_pg.embed.projected import ProjectedModel
from mrl_pg.embed.projection import Projection
from mrl_pg.embed.protocol import AsyncEmbedder, Embedder
from mrl_pg.embed.sentence_transformer import SentenceTransformerModel
from mrl_pg.embed.text_model import TextModel
from mrl_pg.embed.text_search import hybrid, hybrid_async, search, search_async

__all__ = [
    "AsyncEmbedder",
    "DemoModel",
    "Embedder",
    "EmbeddingCost",
    "OpenAIModel",
    "ProgramModel",
    "ProjectedModel",
    "Projection",
    "SentenceTransformerModel",
    "TextModel",
    "embedder",
    "hybrid",
    "hybrid_async",
    "load_texts",
    "search",
    "search_async",
    "set_model",
    "set_model_async",
    "update_texts",
]
