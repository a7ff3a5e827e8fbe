"""Published facts about hosted models, whose weights are not public."""

from mrl_pg.models.model import Model, Source

_OPENAI = "https://platform.openai.com/docs/guides/embeddings"
_OPENAI_NEWS = "https://openai.com/index/new-embedding-models-and-api-updates/"
_OPENAI_SHORT = Source(
    "trained so that numbers can be removed from the end; no sizes are named",
    _OPENAI,
)
_OPENAI_UNIT = Source("embeddings have length 1", _OPENAI)

_VERTEX = (
    "https://cloud.google.com/vertex-ai/generative-ai/docs/embeddings/"
    "get-text-embeddings"
)
_VERTEX_UNIT = Source("vectors are normalized", _VERTEX)
_GEMINI = "https://ai.google.dev/gemini-api/docs/embeddings"

_VOYAGE = "https://docs.voyageai.com/docs/embeddings"
_VOYAGE_SHORT = Source(
    "256, 512 and 1024 leading entries of 2048 are embeddings of their own",
    "https://docs.voyageai.com/docs/flexible-dimensions-and-quantization",
)
_VOYAGE_UNIT = Source(
    "embeddings are normalized to length 1", "https://docs.voyageai.com/docs/faq"
)
_VOYAGE_DEFAULT = "the default output of 1024 is itself a prefix of the full 2048"

_COHERE_V4 = "https://docs.oracle.com/iaas/Content/generative-ai/cohere-embed-4.htm"
_COHERE_V3 = Source(
    "shorter output came with version 4; version 3 has none (Oracle's page)", _COHERE_V4
)
_MISTRAL = "https://docs.mistral.ai/capabilities/embeddings/code_embeddings"


def _voyage(name: str) -> Model:
    return Model(
        name,
        "Voyage AI",
        full=2048,
        trained=None,
        advertised=(256, 512, 1024),
        unit=True,
        prefix=True,
        sources=(
            Source("sizes 256, 512, 1024 (default) and 2048", _VOYAGE),
            _VOYAGE_SHORT,
            _VOYAGE_UNIT,
        ),
        note=_VOYAGE_DEFAULT,
    )


def _cohere_v3(name: str, full: int) -> Model:
    page = "https://docs.cohere.com/docs/cohere-embed"
    sources = (Source(f"{full} dimensions", page), _COHERE_V3)
    # Bedrock omits the minor version
    aliases = (name.removesuffix(".0"),)
    return Model(name, "Cohere", full, (), (), None, False, sources, aliases=aliases)


HOSTED: tuple[Model, ...] = (
    Model(
        "text-embedding-3-small",
        "OpenAI",
        full=1536,
        trained=None,
        advertised=(512,),
        unit=True,
        prefix=True,
        sources=(
            Source("1536 dimensions, results at 512", _OPENAI_NEWS),
            _OPENAI_SHORT,
            _OPENAI_UNIT,
        ),
        note="the API takes any size in dimensions=",
    ),
    Model(
        "text-embedding-3-large",
        "OpenAI",
        full=3072,
        trained=None,
        advertised=(256, 1024),
        unit=True,
        prefix=True,
        sources=(
            Source("3072 dimensions, results at 256 and 1024", _OPENAI_NEWS),
            _OPENAI_SHORT,
            _OPENAI_UNIT,
        ),
        note="the API takes any size in dimensions=",
    ),
    Model(
        "text-embedding-ada-002",
        "OpenAI",
        full=1536,
        trained=(),
        advertised=(),
        unit=True,
        prefix=False,
        sources=(
            Source("dimensions= is for text-embedding-3 and later", _OPENAI),
            _OPENAI_UNIT,
        ),
    ),
    Model(
        "gemini-embedding-001",
        "Google",
        full=3072,
        trained=(768, 1536),
        advertised=(768, 1536),
        unit=True,
        prefix=True,
        sources=(
            Source(
                "one loss each for nested sizes, of which 768 and 1536 are named "
                "(Lee et al. 2025)",
                "https://arxiv.org/abs/2503.07891",
            ),
            Source("3072 by default, 1536 and 768 recommended", _GEMINI),
            _VERTEX_UNIT,
        ),
    ),
    Model(
        "gemini-embedding-2",
        "Google",
        full=3072,
        trained=None,
        advertised=(768, 1536),
        unit=None,
        prefix=True,
        sources=(
            Source("3072 by default; 768 and 1536 by Matryoshka", _GEMINI),
            Source(
                "up to 3072, fewer on request, with Matryoshka support",
                "https://docs.cloud.google.com/vertex-ai/generative-ai/docs/models/"
                "gemini/embedding-2",
            ),
        ),
        aliases=("gemini-embedding-2-preview",),
    ),
    Model(
        "text-embedding-005",
        "Google",
        full=768,
        trained=None,
        advertised=(256,),
        unit=True,
        prefix=True,
        sources=(
            Source("up to 768 dimensions", _VERTEX),
            Source(
                "the Gecko model: evaluated at 768 and 256 (Lee et al. 2024)",
                "https://arxiv.org/abs/2403.20327",
            ),
            _VERTEX_UNIT,
        ),
    ),
    Model(
        "text-embedding-004",
        "Google",
        full=768,
        trained=None,
        advertised=(),
        unit=True,
        prefix=None,
        sources=(Source("up to 768 dimensions", _VERTEX), _VERTEX_UNIT),
    ),
    Model(
        "text-multilingual-embedding-002",
        "Google",
        full=768,
        trained=None,
        advertised=(),
        unit=True,
        prefix=None,
        sources=(Source("up to 768 dimensions", _VERTEX), _VERTEX_UNIT),
    ),
    _voyage("voyage-3-large"),
    _voyage("voyage-3.5"),
    _voyage("voyage-3.5-lite"),
    _voyage("voyage-code-3"),
    _voyage("voyage-4-large"),
    _voyage("voyage-4"),
    _voyage("voyage-4-lite"),
    Model(
        "embed-v4.0",
        "Cohere",
        full=1536,
        trained=None,
        advertised=(256, 512, 1024),
        unit=None,
        prefix=True,
        sources=(
            Source("Matryoshka embeddings of 256, 512, 1024 and 1536", _COHERE_V4),
        ),
        aliases=("embed-v4", "cohere-embed-v4"),
    ),
    _cohere_v3("embed-english-v3.0", 1024),
    _cohere_v3("embed-multilingual-v3.0", 1024),
    _cohere_v3("embed-english-light-v3.0", 384),
    _cohere_v3("embed-multilingual-light-v3.0", 384),
    Model(
        "codestral-embed",
        "Mistral",
        full=3072,
        trained=None,
        advertised=(),
        unit=None,
        prefix=True,
        sources=(
            Source("at most 3072, 1536 by default, any size n: the first n", _MISTRAL),
        ),
        shortest=1,
        aliases=("codestral-embed-2505",),
        note="the default output of 1536 is itself a prefix of the full 3072",
    ),
    Model(
        "mistral-embed",
        "Mistral",
        full=1024,
        trained=None,
        advertised=(),
        unit=None,
        prefix=None,
        sources=(
            Source(
                "1024 dimensions",
                "https://docs.mistral.ai/capabilities/embeddings/text_embeddings",
            ),
        ),
    ),
    Model(
        "titan-embed-text-v2",
        "Amazon",
        full=1024,
        trained=None,
        advertised=(256, 512),
        unit=True,
        prefix=None,
        sources=(
            Source(
                "1024 (default), 512 or 256, normalized unless normalize is false",
                "https://docs.aws.amazon.com/bedrock/latest/userguide/"
                "model-parameters-titan-embed-text.html",
            ),
        ),
        aliases=("titan-embed-text-v2:0", "titan-text-embeddings-v2"),
        note="the page does not say that a shorter output is a prefix of a longer one",
    ),
)
