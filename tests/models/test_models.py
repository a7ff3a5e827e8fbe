"""Known models: figures that agree with each other, names found, the docs' table."""

import re
from pathlib import Path

import pytest

from mrl_pg.embed.cost import PRICES
from mrl_pg.errors import InvalidSetting
from mrl_pg.models import MODELS, Model, Prompts, find, ladder

PAGE = Path(__file__).parents[2] / "docs/models.md"


def by_name(name: str) -> Model:
    model = find(name)
    assert model is not None, name
    return model


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_figures_agree_with_each_other(model: Model) -> None:
    assert model.full > 1
    for sizes in (model.trained or (), model.advertised):
        assert list(sizes) == sorted(set(sizes))
        assert all(1 <= size < model.full for size in sizes)
        if model.shortest is not None:
            assert all(size >= model.shortest for size in sizes)
    if model.prefix is False:
        assert model.trained == ()
        assert (model.advertised, model.shortest) == ((), None)
    if model.trained:
        assert model.prefix


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_every_model_has_a_public_source(model: Model) -> None:
    assert model.sources
    for source in model.sources:
        assert re.fullmatch(r"https://[a-z0-9.]+\.[a-z]+/\S+", source.url)
        assert source.says


def test_every_spelling_leads_to_one_model() -> None:
    names = [name for model in MODELS for name in (model.name, *model.aliases)]
    assert len({re.sub(r"\W|_", "", name).lower() for name in names}) == len(names)
    for model in MODELS:
        for name in (model.name, *model.aliases):
            for spelling in (name, name.upper(), name.replace("-", "_"), f" {name} "):
                assert find(spelling) is model
            assert find(name.rsplit("/", 1)[-1]) is model


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("openai/text-embedding-3-small", "text-embedding-3-small"),
        ("models/gemini-embedding-001", "gemini-embedding-001"),
        ("amazon.titan-embed-text-v2:0", "titan-embed-text-v2"),
        ("cohere.embed-v4:0", "embed-v4.0"),
        ("cohere.embed-english-v3", "embed-english-v3.0"),
        ("Embed V4.0", "embed-v4.0"),
        ("voyageai/voyage-3.5-lite", "voyage-3.5-lite"),
        ("BGE_M3", "BAAI/bge-m3"),
        ("mxbai-embed-large:latest", "mixedbread-ai/mxbai-embed-large-v1"),
        ("nomic-embed-text:v1.5", "nomic-ai/nomic-embed-text-v1.5"),
        ("embeddinggemma:300m", "google/embeddinggemma-300m"),
        ("dunzhang/stella_en_400M_v5", "NovaSearch/stella_en_400M_v5"),
    ],
)
def test_names_are_found_as_providers_and_hubs_write_them(
    written: str, name: str
) -> None:
    assert by_name(written).name == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        ":",
        "e5",
        "voyage-3",
        "text-embedding-3",
        "nomic-embed-text",
        "my-model",
    ],
)
def test_what_is_not_known_is_not_guessed(name: str) -> None:
    assert find(name) is None


def test_a_version_is_its_own_model() -> None:
    assert by_name("nomic-embed-text-v1.5").prefix is True
    assert by_name("nomic-embed-text-v1").prefix is False


def test_the_ladder_is_of_trained_sizes_where_they_are_known() -> None:
    assert ladder(by_name("embeddinggemma-300m")) == (128, 256, 512)
    assert ladder(by_name("gemini-embedding-001")) == (768, 1536)
    assert ladder(by_name("gemini-embedding-001"), full=1536) == (768,)


def test_the_ladder_is_of_advertised_sizes_where_training_is_not_told() -> None:
    assert ladder(by_name("voyage-3.5")) == (256, 512, 1024)
    assert ladder(by_name("voyage-3.5"), full=1024) == (256, 512)
    assert ladder(by_name("gte-multilingual-base")) == (128, 256, 384, 512)


def test_the_ladder_has_steps_for_all_other_models() -> None:
    steps = (8, 16, 32, 64, 128, 256)
    assert ladder(384) == ladder(by_name("all-MiniLM-L6-v2")) == steps
    # its sizes are advertised, but are no prefixes of one another
    assert ladder(by_name("stella_en_400M_v5"), full=1024) == ladder(1024)
    assert ladder(1024) == (*steps, 384, 512, 768)
    assert ladder(3) == ()
    for model in MODELS:
        sizes = ladder(model)
        assert sizes
        assert list(sizes) == sorted(set(sizes))
        assert sizes[-1] < model.full


@pytest.mark.parametrize(("model", "full"), [(0, None), (8, 9), (8, 0), (-1, None)])
def test_a_ladder_of_no_size_is_refused(model: int, full: int | None) -> None:
    with pytest.raises(InvalidSetting, match="pass the length of your vectors"):
        ladder(model, full=full)


# ------------------------------------------------------------------ the docs' table


def row(model: Model) -> str:
    """What docs/models.md says of a model."""
    known = {True: "yes", False: "no", None: "?"}
    trained = "?" if model.trained is None else ", ".join(map(str, model.trained))
    offered = [str(size) for size in model.advertised]
    if model.shortest is not None:
        offered.append(f"any from {model.shortest}")
    urls = dict.fromkeys(source.url for source in model.sources)
    sources = " ".join(f"[{i}]({url})" for i, url in enumerate(urls, start=1))
    cells = (
        f"`{model.name}`",
        str(model.full),
        trained or "-",
        ", ".join(offered) or "-",
        known[model.unit],
        known[model.prefix],
        sources,
    )
    return f"| {' | '.join(cells)} |"


def test_the_table_in_the_docs_is_that_of_the_code() -> None:
    page = PAGE.read_text(encoding="utf-8").splitlines()
    rows = [line for line in page if re.match(r"\| `\S+` \| \d", line)]
    assert rows == [row(model) for model in MODELS]


def prompt_rows() -> list[str]:
    """What docs/models.md says of prompts, a row for each."""
    wanting: dict[Prompts, list[str]] = {}
    for model in MODELS:
        if model.prompts is not None:
            wanting.setdefault(model.prompts, []).append(model.name.split("/")[-1])
    rows = []
    for prompts, names in wanting.items():
        links = [f"[{i}]({each.url})" for i, each in enumerate(prompts.sources, 1)]
        query = prompts.query.replace("\n", "\\n").replace("|", "\\|")
        document = prompts.document.replace("|", "\\|")
        cells = (
            ", ".join(f"`{name}`" for name in names),
            f"`{query}`",
            f"`{document}`" if document else "-",
            " ".join(links) or "not checked",
        )
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def test_the_docs_have_every_prompt_and_say_which_nobody_checked() -> None:
    page = PAGE.read_text(encoding="utf-8")
    expected = prompt_rows()
    for line in expected:
        assert line in page
    unchecked = sum(line.endswith("| not checked |") for line in expected)
    assert page.count("| not checked |") == unchecked


def test_every_source_of_a_prompt_is_public() -> None:
    for model in MODELS:
        for source in model.prompts.sources if model.prompts else ():
            assert re.fullmatch(r"https://[a-z0-9.]+\.[a-z]+/\S+", source.url)


def test_a_price_has_a_month_and_a_source() -> None:
    for name, price in PRICES.items():
        assert find(name) is not None
        assert price.dollars > 0
        assert re.fullmatch(r"20\d\d-\d\d", price.month)
        assert price.source.url.startswith("https://")


def test_the_docs_have_every_note() -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    for model in MODELS:
        assert model.note in text, model.name


def test_the_examples_in_the_docs_print_what_they_say(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = PAGE.read_text(encoding="utf-8")
    pairs = re.findall(r"```python\n(.*?)```\n\n```\n(.*?)```", page, re.DOTALL)
    example, printed = next(pair for pair in pairs if "mrl_pg.models" in pair[0])
    exec(compile(example, "docs/models.md", "exec"), {})
    assert capsys.readouterr().out == printed
