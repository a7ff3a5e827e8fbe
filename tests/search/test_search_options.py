"""What a search is asked for is declared once: its fields, keywords and help agree."""

import inspect
import re
from dataclasses import fields
from typing import Any

import pytest

from mrl_pg import MatryoshkaIndex
from mrl_pg.search.options import (
    EffortKeywords,
    FilteredKeywords,
    SearchKeywords,
    SearchOptions,
    options_of,
)
from mrl_pg.sqlalchemy.select import SelectKeywords

INDEX = MatryoshkaIndex("docs", "embedding", dims=8)


def test_keywords_are_the_fields_of_the_value() -> None:
    value = {field.name: field.type for field in fields(SearchOptions)}
    assert list(value) == list(SearchKeywords.__annotations__)
    hints = inspect.get_annotations(SearchOptions.__init__)
    for name, hint in SearchKeywords.__annotations__.items():
        told = getattr(hint, "__forward_arg__", hint)
        assert told in (value[name], hints[name]), name


@pytest.mark.parametrize("part", [EffortKeywords, FilteredKeywords, SelectKeywords])
def test_other_methods_take_a_part_of_them(part: Any) -> None:
    assert part.__annotations__.items() <= SearchKeywords.__annotations__.items()


def test_help_explains_every_option_and_its_default() -> None:
    told = inspect.getdoc(MatryoshkaIndex.search) or ""
    for field in fields(SearchOptions):
        assert f"`{field.name}`" in told, field.name
        if field.default not in (None, ()):
            assert re.search(rf"`{field.name}` \({field.default}\)", told), field.name


def test_a_keyword_that_is_none_is_refused() -> None:
    # as any call does, before anything is sent
    wrong: Any = {"limit": 3}
    with pytest.raises(
        TypeError, match="'limit' is not an option here: the options are k"
    ):
        INDEX.search(None, [1.0], **wrong)  # type: ignore[arg-type]
    exact: Any = {"exact": True}
    with pytest.raises(TypeError, match="'exact' is not an option here"):
        INDEX.recall(None, **exact)  # type: ignore[arg-type]


def test_options_are_checked_as_they_are_taken() -> None:
    assert options_of({"k": 3}) == SearchOptions(k=3)
    assert SearchOptions(recall=0.9).wants_promise
    assert not SearchOptions(recall=0.9, candidates=20).wants_promise
    assert not SearchOptions(recall=0.9, exact=True).wants_promise
