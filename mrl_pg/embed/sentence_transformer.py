"""Models of the sentence-transformers library, on this machine."""

from pathlib import Path
from typing import Any, ClassVar

from mrl_pg.embed.text_model import Role, TextModel
from mrl_pg.errors import EmbeddingError, InvalidSetting
from mrl_pg.vectors import VectorsLike


class SentenceTransformerModel(TextModel):
    """A model from the Hugging Face hub or from a folder.

    Prompts are those of the model's own configuration, else those of its card in
    `mrl_pg.models`. Code that a model brings is not run; load such a model yourself
    and pass it as `loaded`.
    """

    kind: ClassVar[str] = "sentence-transformers"
    batch_texts: ClassVar[int] = 1024

    def __init__(
        self,
        model: str,
        *,
        name: str | None = None,
        dims: int | None = None,
        normalise: bool | None = None,
        device: str | None = None,
        loaded: Any = None,
    ) -> None:
        """Load the model to a device: `cuda`, `mps` or `cpu`, by default what there is.

        Raises InvalidSetting without the library, or without that device.
        """
        if name is None and isinstance(model, str) and Path(model).is_dir():
            # a path of this machine says nothing to others
            name = Path(model).resolve().name
        super().__init__(model, name=name, dims=dims, normalise=normalise)
        self.loaded = _load(self.model, device) if loaded is None else loaded

    def _vectors(self, texts: list[str], role: Role) -> VectorsLike:
        encode = (
            self.loaded.encode_query if role == "query" else self.loaded.encode_document
        )
        prompt = None if self._own_prompt(role) else self._prompt(role)
        given = {} if prompt is None else {"prompt": prompt}
        try:
            vectors: VectorsLike = encode(
                texts,
                normalize_embeddings=self.normalise,
                truncate_dim=self.dims,
                convert_to_numpy=True,
                show_progress_bar=False,
                **given,
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise EmbeddingError(
                f"{self.name} failed ({error}): try fewer or shorter texts"
            ) from error
        return vectors

    def prompt_of(self, role: Role) -> str:
        """What is put before a text: the model's own prompt, else that of its card."""
        return self._own_prompt(role) or self._prompt(role) or ""

    def _own_prompt(self, role: Role) -> str:
        known = getattr(self.loaded, "prompts", None) or {}
        own = ("query",) if role == "query" else ("document", "passage", "corpus")
        # an empty prompt is how the library says that none was given
        return next((known[word] for word in own if known.get(word)), "")


def _load(model: str, device: str | None) -> Any:
    try:
        from sentence_transformers import SentenceTransformer
    except ModuleNotFoundError as error:
        raise InvalidSetting(
            "sentence-transformers:… needs that library: pip install "
            "'mrl_pg[sentence-transformers]'"
        ) from error
    if device is not None:
        _check_device(device)
    try:
        return SentenceTransformer(model, device=device)
    except (OSError, ValueError, RuntimeError) as error:
        raise EmbeddingError(
            f"sentence-transformers cannot load {model!r} ({error}): name a model of "
            "the hub, such as sentence-transformers/all-MiniLM-L6-v2, or its folder"
        ) from error


def _check_device(device: str) -> None:
    import torch

    try:
        torch.empty(1, device=device)
    # an AssertionError is how a torch without CUDA says so
    except (RuntimeError, AssertionError, TypeError) as error:
        there = ["cpu"]
        there += ["cuda"] if torch.cuda.is_available() else []
        there += ["mps"] if torch.backends.mps.is_available() else []
        said = str(error).partition("\n")[0]
        raise InvalidSetting(
            f"device={device!r} is not here ({said}): name one of "
            f"{', '.join(there)}, or leave it out"
        ) from error
