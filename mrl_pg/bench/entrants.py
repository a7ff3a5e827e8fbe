"""Which contenders a benchmark has, in the order in which they are built."""

from collections.abc import Sequence

from mrl_pg.bench.adaptive import Adaptive
from mrl_pg.bench.contender import Contender
from mrl_pg.bench.engines import Chroma, Lance
from mrl_pg.bench.in_process import InProcess
from mrl_pg.bench.langchain import LangChain
from mrl_pg.bench.on_server import Site
from mrl_pg.bench.ours import Ours
from mrl_pg.bench.recipes import OnePass, Recipe


def entrants(site: Site) -> list[Contender]:
    """Every contender there is, also those that cannot take part here."""
    return [
        Ours(site, "bit"),
        Ours(site, "bit", better=True),
        Ours(site, "halfvec"),
        OnePass(site, "halfvec"),
        OnePass(site, "halfvec", better=True),
        OnePass(site, "vector"),
        Recipe(site, "binary"),
        Recipe(site, "subvector"),
        LangChain(site),
        InProcess(site),
        Chroma(site),
        Lance(site),
        Adaptive(site, mended=True),
        Adaptive(site, mended=False),
    ]


def chosen(
    every: Sequence[Contender], only: Sequence[str], without: Sequence[str]
) -> list[Contender]:
    """Those whose names have one of the parts in `only`, if any, and none of others."""
    return [
        contender
        for contender in every
        if (not only or any(part in contender.name for part in only))
        and not any(part in contender.name for part in without)
    ]
