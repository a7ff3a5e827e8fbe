"""OpenAI's client against a local service: what is sent, and every refusal."""

from collections.abc import Iterator

import numpy as np
import pytest
from support.embedding_server import KEY, Service, service, vector_of

from mrl_pg.embed import OpenAIModel
from mrl_pg.errors import EmbeddingError, InvalidSetting


@pytest.fixture(scope="module")
def started() -> Iterator[Service]:
    with service() as state:
        yield state


@pytest.fixture
def endpoint(started: Service, monkeypatch: pytest.MonkeyPatch) -> Service:
    """The service as it was at first."""
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    fresh = Service(url=started.url)
    for name, value in vars(fresh).items():
        setattr(started, name, value)
    return started


def test_vectors_come_in_the_order_of_the_texts(
    endpoint: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OpenAIModel, "batch_texts", 2)
    model = OpenAIModel("text-embedding-3-small", url=endpoint.url, dims=512)
    texts = ["one", "two", "three"]
    vectors = model.embed_documents(texts)
    assert np.allclose(vectors, [vector_of(text, 512) for text in texts], atol=1e-6)
    assert [len(asked["input"]) for asked in endpoint.asked] == [2, 1]
    assert {asked["dimensions"] for asked in endpoint.asked} == {512}
    assert endpoint.keys == [f"Bearer {KEY}"] * 2


def test_an_open_model_gets_its_prompt_and_needs_no_key(
    endpoint: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.setenv("OPENAI_BASE_URL", endpoint.url)
    model = OpenAIModel("nomic-embed-text:v1.5")
    model.embed_queries(["a"])
    (asked,) = endpoint.asked
    assert asked["input"] == ["search_query: a"]
    assert "dimensions" not in asked
    assert not model.hosted


def test_a_refusal_for_now_is_repeated(endpoint: Service) -> None:
    endpoint.statuses = [429, 500]
    model = OpenAIModel("m", url=endpoint.url)
    assert model.embed_queries(["a"]).shape == (1, 8)
    assert len(endpoint.asked) == 3


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "refused the key: set OPENAI_API_KEY"),
        (429, "refused too many requests.*requests-per-minute"),
        (400, "answered 400 .*check the model's name"),
        (503, "answered 503"),
    ],
)
def test_no_refusal_shows_the_key(endpoint: Service, status: int, message: str) -> None:
    endpoint.statuses = [status]
    model = OpenAIModel("m", url=endpoint.url, retries=0)
    with pytest.raises(EmbeddingError, match=message) as raised:
        model.embed_queries(["a"])
    error: BaseException | None = raised.value
    assert KEY not in f"{error} {error!r} {model!r} {vars(error)}"
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_a_service_that_is_not_there() -> None:
    model = OpenAIModel("m", url="http://127.0.0.1:9/v1", api_key=KEY, retries=0)
    with pytest.raises(EmbeddingError, match="cannot be reached"):
        model.embed_queries(["a"])


def test_a_service_that_ignores_the_size(endpoint: Service) -> None:
    endpoint.obeys = False
    with pytest.raises(EmbeddingError, match="8 numbers where dimensions=4 were asked"):
        OpenAIModel("m", url=endpoint.url, dims=4).embed_queries(["a"])


def test_a_service_that_leaves_texts_out(endpoint: Service) -> None:
    endpoint.missing = 1
    with pytest.raises(EmbeddingError, match="gave 1 vectors of 8 numbers for 2 texts"):
        OpenAIModel("m", url=endpoint.url).embed_queries(["a", "b"])


def test_the_vendor_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(
        InvalidSetting, match="openai:m needs a key: set OPENAI_API_KEY"
    ):
        OpenAIModel("m")
