"""OpenAI's models and services with the same interface, through OpenAI's client."""

import os
from typing import Any, ClassVar
from urllib.parse import urlsplit

from mrl_pg.arguments import check_text, check_whole
from mrl_pg.embed.pace import RequestPace
from mrl_pg.embed.text_model import Role, TextModel
from mrl_pg.errors import EmbeddingError, InvalidSetting
from mrl_pg.vectors import VectorsLike

KEY, URL = "OPENAI_API_KEY", "OPENAI_BASE_URL"
"""Environment variables that the client reads, too."""

HERE = ("localhost", "127.0.0.1", "::1")
"""Hosts of services on this machine, which cost nothing."""

TRIES = 6
"""How often the client repeats a refused request; it waits as long as it is told."""


class OpenAIModel(TextModel):
    """A model behind an embeddings endpoint.

    The key comes from `api_key` or OPENAI_API_KEY, the address from `url` or
    OPENAI_BASE_URL. A service at an address of its own may need no key. Requests that
    the service refuses for now are repeated up to `retries` times by OpenAI's client.
    """

    kind: ClassVar[str] = "openai"
    # a token has a byte or more, and a request may have 300,000 tokens and 2048 texts
    batch_texts: ClassVar[int] = 512
    batch_bytes: ClassVar[int] = 250_000

    def __init__(
        self,
        model: str,
        *,
        name: str | None = None,
        dims: int | None = None,
        normalise: bool | None = None,
        url: str | None = None,
        api_key: str | None = None,
        requests_per_minute: float | None = None,
        retries: int = TRIES,
        timeout: float = 60.0,
    ) -> None:
        """Make a client, which sends nothing yet; raises InvalidSetting."""
        super().__init__(model, name=name, dims=dims, normalise=normalise)
        if url is not None:
            check_text("url", url)
        url = url or os.environ.get(URL) or None
        self.hosted = urlsplit(url or "").hostname not in HERE
        self._pace = RequestPace(requests_per_minute)
        self._key = api_key or os.environ.get(KEY) or ""
        if not self._key and not url:
            raise InvalidSetting(
                f"{self.name} needs a key: set {KEY}, or name another service's "
                f"address with {URL} (--embed-url)"
            )
        self._client: Any = _openai().OpenAI(
            api_key=self._key or "none",
            base_url=url,
            max_retries=check_whole("retries", retries, 0, 100, "the client"),
            timeout=timeout,
        )

    def _vectors(self, texts: list[str], role: Role) -> VectorsLike:
        openai = _openai()
        asked = {} if self.dims is None else {"dimensions": self.dims}
        self._pace.wait()
        try:
            answer = self._client.embeddings.create(
                model=self.model, input=self._prompted(texts, role), **asked
            )
        # from None, because the text of the client's error may hold the key
        except openai.AuthenticationError:
            raise EmbeddingError(
                f"the service of {self.name} refused the key: set {KEY} to a valid one"
            ) from None
        except openai.RateLimitError as error:
            raise EmbeddingError(
                f"the service of {self.name} refused too many requests, or the account "
                f"has nothing left ({self._said(error)}): send fewer "
                "(--requests-per-minute), or look at the account"
            ) from None
        except openai.APIConnectionError as error:
            raise EmbeddingError(
                f"the service of {self.name} cannot be reached ({self._said(error)}): "
                f"check the network and {URL} (--embed-url)"
            ) from None
        except openai.APIStatusError as error:
            raise EmbeddingError(
                f"the service of {self.name} answered {error.status_code} "
                f"({self._said(error)}): check the model's name, its size and the "
                "length of the texts"
            ) from None
        except openai.OpenAIError as error:
            raise EmbeddingError(
                f"the service of {self.name} gave no vectors ({self._said(error)}): "
                "it must answer as OpenAI's embeddings endpoint does"
            ) from None
        rows = sorted(answer.data or (), key=lambda row: row.index)
        vectors = [row.embedding for row in rows]
        if self.dims is not None and any(len(v) != self.dims for v in vectors):
            raise EmbeddingError(
                f"the service of {self.name} gave vectors of {len(vectors[0])} numbers "
                f"where dimensions={self.dims} were asked: leave --embed-dims out, or "
                "take a model that has this size"
            )
        return vectors

    def _said(self, error: Exception) -> str:
        text = " ".join(str(error).split())
        if self._key:
            text = text.replace(self._key, "…")
        return text[:300]


def _openai() -> Any:
    try:
        import openai
    except ModuleNotFoundError as error:
        raise InvalidSetting(
            "openai:… needs OpenAI's client: pip install 'mrl_pg[openai]'"
        ) from error
    return openai
