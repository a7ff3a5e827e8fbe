"""Published facts about models whose weights are public."""

from mrl_pg.models.model import Model, Prompts, Source

_HUB = "https://huggingface.co/"
_NORMALIZE = "its last module normalizes"


def _represent(says: str, url: str) -> Prompts:
    query = "Represent this sentence for searching relevant passages: "
    return Prompts(query, "", (Source(says, url),))


_BGE_PROMPTS = _represent(
    "a query instruction for each model; passages need none",
    "https://github.com/FlagOpen/FlagEmbedding/blob/master/examples/inference/"
    "embedder/README.md",
)
_MXBAI_PROMPTS = _represent(
    "an example has it before the query, and nothing before documents",
    "https://www.mixedbread.com/api-reference/integrations/unstructured",
)
_ARCTIC_PROMPTS = _represent(
    "a prefix for queries alone, said of the first models of the family",
    "https://github.com/Snowflake-Labs/arctic-embed",
)
_ARCTIC_2_PROMPTS = Prompts(
    "query: ",
    "",
    (
        Source(
            "what its prompt named query puts before a query (not the maker's page)",
            "https://hivebook.wiki/wiki/snowflake-arctic-embed-apache-2-0-multilingual-"
            "embedding-family",
        ),
    ),
)
_E5_PROMPTS = Prompts(
    "query: ",
    "passage: ",
    (
        Source(
            "both prefixes for retrieval (a copy of the card of e5-base-v2)",
            "https://deepinfra.com/intfloat/e5-base-v2",
        ),
    ),
)
_ME5_PROMPTS = Prompts(
    "query: ",
    "passage: ",
    (
        Source(
            "both prefixes (a copy of the card of multilingual-e5-large)",
            "https://deepinfra.com/intfloat/multilingual-e5-large",
        ),
    ),
)


def _nomic_prompts(url: str) -> Prompts:
    says = "a task prefix before each text (a copy of the card)"
    return Prompts("search_query: ", "search_document: ", (Source(says, url),))


_QWEN3_PROMPTS = Prompts(
    "Instruct: Given a web search query, retrieve relevant passages that "
    "answer the query\nQuery:",
    "",
    (
        Source(
            "Instruct: a task, a new line, Query: and the query (a wiki about the "
            "maker's repository); the task is that of its examples",
            "https://deepwiki.com/QwenLM/Qwen3-Embedding/2.1-text-embedding-models",
        ),
    ),
)
_GEMMA_PROMPTS = Prompts(
    "task: search result | query: ",
    "title: none | text: ",
    (
        Source(
            "an example of the query's prompt alone (not the maker's page)",
            "https://ericlbuehler.github.io/mistral.rs/examples/python/"
            "embedding-gemma/",
        ),
    ),
)
_JINA_5 = (
    Source(
        "dimensions from the full size down to 32",
        "https://jina.ai/news/jina-embeddings-v5-text-distilling-4b-quality-into-"
        "sub-1b-multilingual-embeddings",
    ),
    Source(
        "the technical report, of February 2026", "https://arxiv.org/abs/2602.15547"
    ),
)


def _plain(
    name: str,
    maker: str,
    full: int,
    why: Source,
    *,
    unit: bool | None = None,
    prompts: Prompts | None = None,
) -> Model:
    """A model trained on full vectors only."""
    modules = f"{_HUB}{name}/blob/main/modules.json"
    sources = [Source(f"{full} dimensions", f"{_HUB}{name}"), why]
    sources += [Source(_NORMALIZE, modules)] if unit else []
    return Model(
        name, maker, full, (), (), unit, False, tuple(sources), prompts=prompts
    )


def _card(
    name: str,
    maker: str,
    full: int,
    says: str,
    *,
    trained: tuple[int, ...] | None = None,
    advertised: tuple[int, ...] = (),
    shortest: int | None = None,
    unit: bool | None = None,
    prefix: bool | None = True,
    more: tuple[Source, ...] = (),
    aliases: tuple[str, ...] = (),
    note: str = "",
    prompts: Prompts | None = None,
) -> Model:
    """A model whose card lists its sizes."""
    sources = (Source(says, f"{_HUB}{name}"), *more)
    return Model(
        name,
        maker,
        full,
        trained,
        advertised,
        unit,
        prefix,
        sources,
        shortest,
        aliases,
        note,
        prompts,
    )


_NO_MATRYOSHKA = Source(
    "a question of 2025 whether the family will support Matryoshka; still open",
    "https://github.com/FlagOpen/FlagEmbedding/issues/1474",
)
_BEFORE = Source(
    "older than the Matryoshka loss (Kusupati et al. 2022)",
    "https://arxiv.org/abs/2205.13147",
)
_E5 = Source(
    "contrastive pre-training and fine-tuning; no nested sizes (Wang et al. 2022)",
    "https://arxiv.org/abs/2212.03533",
)
_ME5 = Source(
    "contrastive pre-training and fine-tuning; no nested sizes (Wang et al. 2024)",
    "https://arxiv.org/abs/2402.05672",
)
_NOMIC = Source(
    "trained for any size from 64 to 768, which version 1 was not",
    "https://www.nomic.ai/blog/posts/nomic-embed-matryoshka",
)
_STATIC = Source("how it was trained", f"{_HUB}blog/static-embeddings")
_STELLA = "each size has its own linear layer, so a shorter output is not a prefix"


def _stella(name: str) -> Model:
    return _card(
        f"NovaSearch/{name}",
        "NovaSearch",
        8192,
        "sizes 512 to 8192 by Matryoshka, 1024 by default",
        advertised=(512, 768, 1024, 2048, 4096, 6144),
        unit=False,
        prefix=None,
        more=(
            Source(
                "the last module is the linear layer of one size; none normalizes",
                f"{_HUB}NovaSearch/{name}/blob/main/modules.json",
            ),
        ),
        aliases=(f"dunzhang/{name}",),
        note=_STELLA,
    )


def _qwen3(parameters: str, full: int) -> Model:
    return _card(
        f"Qwen/Qwen3-Embedding-{parameters}",
        "Alibaba",
        full,
        f"supports Matryoshka: any size from 32 to {full}",
        shortest=32,
        prompts=_QWEN3_PROMPTS,
    )


OPEN_WEIGHTS: tuple[Model, ...] = (
    _card(
        "nomic-ai/nomic-embed-text-v1.5",
        "Nomic",
        768,
        "results at 768, 512, 256, 128 and 64",
        advertised=(64, 128, 256, 512),
        shortest=64,
        more=(_NOMIC,),
        prompts=_nomic_prompts(_HUB + "BASF-AI/nomic-embed-text-v1.5"),
        note="its card applies layer_norm before it truncates",
    ),
    _plain(
        "nomic-ai/nomic-embed-text-v1",
        "Nomic",
        768,
        _NOMIC,
        prompts=_nomic_prompts(_HUB + "BASF-AI/nomic-embed-text-v1"),
    ),
    _card(
        "nomic-ai/nomic-embed-text-v2-moe",
        "Nomic",
        768,
        "trained with Matryoshka embeddings: 768 down to 256",
        advertised=(256,),
        shortest=256,
        prompts=_nomic_prompts(
            "https://www.promptlayer.com/models/nomic-embed-text-v2-moe"
        ),
    ),
    _card(
        "mixedbread-ai/mxbai-embed-large-v1",
        "Mixedbread",
        1024,
        "supports Matryoshka; its example truncates to 512",
        advertised=(512,),
        aliases=("mxbai-embed-large",),
        prompts=_MXBAI_PROMPTS,
    ),
    _card(
        "Snowflake/snowflake-arctic-embed-m-v1.5",
        "Snowflake",
        768,
        "trained with a Matryoshka loss for 256 dimensions",
        trained=(256,),
        advertised=(256,),
        prompts=_ARCTIC_PROMPTS,
    ),
    _card(
        "Snowflake/snowflake-arctic-embed-m-v2.0",
        "Snowflake",
        768,
        "768 dimensions, 256 by Matryoshka",
        advertised=(256,),
        prompts=_ARCTIC_2_PROMPTS,
    ),
    _card(
        "Snowflake/snowflake-arctic-embed-l-v2.0",
        "Snowflake",
        1024,
        "1024 dimensions, 256 by Matryoshka",
        advertised=(256,),
        prompts=_ARCTIC_2_PROMPTS,
    ),
    _card(
        "jinaai/jina-embeddings-v3",
        "Jina AI",
        1024,
        "its configuration lists 32, 64, 128, 256, 512, 768 and 1024",
        advertised=(32, 64, 128, 256, 512, 768),
        shortest=32,
        unit=True,
        more=(Source(_NORMALIZE, f"{_HUB}jinaai/jina-embeddings-v3"),),
    ),
    _card(
        "jinaai/jina-embeddings-v4",
        "Jina AI",
        2048,
        "single vectors of 2048, which can be cut to 128, 256, 512 and 1024",
        advertised=(128, 256, 512, 1024),
        shortest=128,
    ),
    _card(
        "jinaai/jina-embeddings-v5-text-small",
        "Jina AI",
        1024,
        "1024 dimensions; 32, 64, 128, 256, 512 and 768 by Matryoshka",
        advertised=(32, 64, 128, 256, 512, 768),
        more=_JINA_5,
    ),
    _card(
        "jinaai/jina-embeddings-v5-text-nano",
        "Jina AI",
        768,
        "768 dimensions; 32, 64, 128, 256 and 512 by Matryoshka",
        advertised=(32, 64, 128, 256, 512),
        more=_JINA_5,
    ),
    _card(
        "ibm-granite/granite-embedding-311m-multilingual-r2",
        "IBM",
        768,
        "768 dimensions, which can be cut to 512, 384, 256 or 128",
        advertised=(128, 256, 384, 512),
        more=(
            Source(
                "of the two sizes, the full-size model supports Matryoshka",
                "https://arxiv.org/abs/2605.13521",
            ),
        ),
    ),
    *(
        _card(
            f"ibm-granite/{name}",
            "IBM",
            full,
            f"{full} dimensions; no others",
            prefix=None,
        )
        for name, full in (
            ("granite-embedding-97m-multilingual-r2", 384),
            ("granite-embedding-english-r2", 768),
            ("granite-embedding-small-english-r2", 384),
        )
    ),
    _card(
        "voyageai/voyage-4-nano",
        "Voyage AI",
        2048,
        "open weights of the family of voyage-4",
        advertised=(256, 512, 1024),
        more=(
            Source(
                "its vectors are of the space of voyage-4-large, voyage-4 and "
                "voyage-4-lite",
                "https://blog.voyageai.com/2026/01/15/voyage-4",
            ),
            Source(
                "256, 512, 1024 and 2048 dimensions by Matryoshka, said of voyage-4 "
                "(not the maker's page)",
                "https://vercel.com/ai-gateway/models/voyage-4/faq",
            ),
        ),
        note="its vectors can be compared with those of the hosted voyage-4 models",
    ),
    _card(
        "google/embeddinggemma-300m",
        "Google",
        768,
        "768 dimensions; 512, 256 and 128 by Matryoshka",
        trained=(128, 256, 512),
        advertised=(128, 256, 512),
        unit=True,
        more=(
            Source(
                "losses on 768 and on the nested 512, 256 and 128; output normalized",
                "https://developers.googleblog.com/en/"
                "gemma-explained-embeddinggemma-architecture-and-recipe/",
            ),
        ),
        aliases=("embeddinggemma",),
        prompts=_GEMMA_PROMPTS,
    ),
    _qwen3("0.6B", 1024),
    _qwen3("4B", 2560),
    _qwen3("8B", 4096),
    _card(
        "Alibaba-NLP/gte-multilingual-base",
        "Alibaba",
        768,
        "elastic output: any size from 128 to 768",
        shortest=128,
    ),
    *(
        _card(name, "Alibaba", full, f"{full} dimensions; no others", prefix=None)
        for name, full in (
            ("Alibaba-NLP/gte-base-en-v1.5", 768),
            ("Alibaba-NLP/gte-large-en-v1.5", 1024),
        )
    ),
    _stella("stella_en_400M_v5"),
    _stella("stella_en_1.5B_v5"),
    _card(
        "sentence-transformers/static-retrieval-mrl-en-v1",
        "Sentence Transformers",
        1024,
        "trained with a Matryoshka loss",
        more=(_STATIC,),
    ),
    _card(
        "sentence-transformers/static-similarity-mrl-multilingual-v1",
        "Sentence Transformers",
        1024,
        "trained with a Matryoshka loss",
        more=(_STATIC,),
    ),
    _plain("BAAI/bge-m3", "BAAI", 1024, _NO_MATRYOSHKA, unit=True),
    _plain(
        "BAAI/bge-large-en-v1.5",
        "BAAI",
        1024,
        _NO_MATRYOSHKA,
        unit=True,
        prompts=_BGE_PROMPTS,
    ),
    _plain("BAAI/bge-base-en-v1.5", "BAAI", 768, _NO_MATRYOSHKA, prompts=_BGE_PROMPTS),
    _plain(
        "BAAI/bge-small-en-v1.5",
        "BAAI",
        384,
        _NO_MATRYOSHKA,
        unit=True,
        prompts=_BGE_PROMPTS,
    ),
    _plain(
        "sentence-transformers/all-MiniLM-L6-v2",
        "Sentence Transformers",
        384,
        _BEFORE,
        unit=True,
    ),
    _plain(
        "sentence-transformers/all-mpnet-base-v2", "Sentence Transformers", 768, _BEFORE
    ),
    _plain(
        "intfloat/e5-small-v2", "Microsoft", 384, _E5, unit=True, prompts=_E5_PROMPTS
    ),
    _plain(
        "intfloat/e5-base-v2", "Microsoft", 768, _E5, unit=True, prompts=_E5_PROMPTS
    ),
    _plain("intfloat/e5-large-v2", "Microsoft", 1024, _E5, prompts=_E5_PROMPTS),
    _plain(
        "intfloat/multilingual-e5-small", "Microsoft", 384, _ME5, prompts=_ME5_PROMPTS
    ),
    _plain(
        "intfloat/multilingual-e5-base", "Microsoft", 768, _ME5, prompts=_ME5_PROMPTS
    ),
    _plain(
        "intfloat/multilingual-e5-large", "Microsoft", 1024, _ME5, prompts=_ME5_PROMPTS
    ),
)
