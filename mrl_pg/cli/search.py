"""`mrl-pg search`: the two-pass search from a shell."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from mrl_pg.cli.describe import (
    Column,
    Filter,
    KnownDims,
    KnownDistance,
    KnownKind,
    Meant,
    Name,
    OneTenant,
    Quantile,
    Recall,
    Short,
    Table,
    Values,
    values,
)
from mrl_pg.cli.embedding import (
    Embed,
    EmbedDims,
    EmbedUrl,
    ModelName,
    ProjectionFile,
    refuse_without_model,
)
from mrl_pg.cli.options import PG_DEFAULT, Directory, Dsn, Json, Pg, connection, say
from mrl_pg.cli.rows import show
from mrl_pg.column import MatryoshkaColumn
from mrl_pg.embed import embedder
from mrl_pg.embed import hybrid as hybrid_text
from mrl_pg.embed import search as search_text
from mrl_pg.errors import InvalidFile, InvalidSetting
from mrl_pg.index import MatryoshkaIndex
from mrl_pg.load.vectors import read_vectors
from mrl_pg.search.hybrid_result import HybridResult
from mrl_pg.search.options import SearchKeywords
from mrl_pg.search.result import SearchResult

Query = Annotated[
    Path | None,
    typer.Option(
        "--query",
        "-q",
        metavar="FILE",
        help="The query vector: .npy, a JSON list, or any file that `mrl-pg load` "
        "reads; - reads JSON from stdin.",
        allow_dash=True,
        show_default=False,
    ),
]

WORDS = "Searching for words"
"""Panel of `--help` with the options of full text search."""


def search(
    table: Table,
    column: Column,
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="[TEXT]",
            help="What to search for, in words. The model of the column turns it "
            "into a vector. Or give --query.",
            show_default=False,
        ),
    ] = None,
    query: Query = None,
    embed: Embed = None,
    model: ModelName = None,
    embed_dims: EmbedDims = None,
    embed_url: EmbedUrl = None,
    projection: ProjectionFile = None,
    dims: KnownDims = None,
    kind: KnownKind = None,
    distance: KnownDistance = None,
    k: Annotated[int, typer.Option("--k", "-k", help="Rows in the answer.")] = 10,
    candidates: Annotated[
        int | None,
        typer.Option(
            help="Rows that the second pass compares.  \\[default: 160, or 8 k if more]"
        ),
    ] = None,
    ef_search: Annotated[
        int | None,
        typer.Option(
            help="Width of the index search.  \\[default: candidates, at most 1000]"
        ),
    ] = None,
    max_scan_tuples: Annotated[
        int | None,
        typer.Option(
            help="Most rows that a filtered search visits.  "
            "\\[default: the server's, 20000]"
        ),
    ] = None,
    rerank: Annotated[
        int | None,
        typer.Option(
            help="Candidates that are read in full, for kind bit.  \\[default: all]"
        ),
    ] = None,
    filter: Filter = None,
    param: Values = None,
    columns: Annotated[
        str,
        typer.Option(
            "--show",
            "--columns",
            help="Columns to show beside the key, comma separated.",
        ),
    ] = "",
    exact: Annotated[
        bool, typer.Option("--exact", help="Compare every row; use no index.")
    ] = False,
    recall: Recall = None,
    quantile: Quantile = None,
    probes: Annotated[
        int | None,
        typer.Option(
            help="Partitions to search, those nearest to the query, of a table that "
            "`mrl-pg parts` made.  \\[default: all]"
        ),
    ] = None,
    tenant: OneTenant = None,
    hybrid: Annotated[
        bool,
        typer.Option(
            "--hybrid",
            help="Search for the words of TEXT as well, and fuse both by rank. The "
            "vector is that of TEXT, or of --query.",
            rich_help_panel=WORDS,
        ),
    ] = False,
    words_only: Annotated[
        bool,
        typer.Option(
            "--words-only",
            help="Search for the words of TEXT alone, by full text search.",
            rich_help_panel=WORDS,
        ),
    ] = False,
    words_in: Annotated[
        str,
        typer.Option(
            "--words-in",
            metavar="COLUMN",
            help="The column with the words, of type text, varchar or tsvector.",
            rich_help_panel=WORDS,
        ),
    ] = "text",
    config: Annotated[
        str,
        typer.Option(
            help="PostgreSQL's text search configuration, such as german or simple.",
            rich_help_panel=WORDS,
        ),
    ] = "english",
    match: Annotated[
        str,
        typer.Option(
            metavar="any|all",
            help="How many of the words a row must have. In both cases `or`, -word and "
            '"a phrase" mean what they say.',
            rich_help_panel=WORDS,
        ),
    ] = "any",
    short: Short = "",
    name: Name = "",
    dsn: Dsn = None,
    directory: Directory = None,
    pg: Pg = PG_DEFAULT,
    as_json: Json = False,
) -> None:
    """Find the k rows nearest to a text or a vector, in order of exact distance.

    With --hybrid, find the best by vectors and by words; with --words-only, by words.

    A TEXT needs no --embed if the registry knows the model that embedded the rows;
    another model is refused.

    Example: mrl-pg search docs embedding "fear of spiders" --show title

    Example: mrl-pg search docs embedding --query q.json --show title

    Example: mrl-pg search docs embedding "storm -snow" --hybrid --words-in title
    """
    meant = Meant(table, column, dims, kind, distance, short, name)
    params = values(param)
    asked: dict[str, Any] = {
        "name": model,
        "dims": embed_dims,
        "url": embed_url,
        "projection": projection,
    }
    vector: Any = None
    if hybrid and words_only:
        raise InvalidSetting("--hybrid and --words-only exclude each other: give one")
    if text is None and (hybrid or words_only):
        raise InvalidSetting(
            f"--{'hybrid' if hybrid else 'words-only'} searches for words: give a TEXT"
        )
    if words_only:
        refuse_without_model(asked)
        refuse_with_words(
            query=query,
            embed=embed,
            candidates=candidates,
            ef_search=ef_search,
            max_scan_tuples=max_scan_tuples,
            rerank=rerank,
            exact=exact,
            recall=recall,
            quantile=quantile,
            tenant=tenant,
            probes=probes,
        )
    elif hybrid and query is not None:
        refuse_without_model(asked)
        if embed is not None:
            raise InvalidSetting(
                "--embed and --query are two ways to a vector: give one of the two"
            )
        vector = read_query(query, column)
    elif text is None:
        refuse_without_model(asked)
        if query is None or embed is not None:
            raise InvalidSetting(
                "nothing to search for: give a TEXT, or a vector with --query"
            )
        vector = read_query(query, column)
    elif query is not None:
        raise InvalidSetting(
            "a TEXT and --query are two things to search for: give one of the two"
        )
    elif embed is None:
        refuse_without_model(asked)
    options: SearchKeywords = {
        "k": k,
        "candidates": candidates,
        "ef_search": ef_search,
        "max_scan_tuples": max_scan_tuples,
        "rerank": rerank,
        "filter": filter,
        "params": params,
        "probes": probes,
        "columns": [part.strip() for part in columns.split(",") if part.strip()],
        "exact": exact,
        "recall": recall,
        "quantile": quantile,
        "tenant": tenant,
    }
    of_words: dict[str, Any] = {"text": words_in, "config": config, "match": match}
    result: SearchResult | HybridResult
    with connection(dsn, directory, pg) as conn:
        index: MatryoshkaIndex | MatryoshkaColumn
        if tenant is None:
            index = meant.index(conn, exact=exact or words_only)
        else:
            index = meant.column_of_tenants()
        if words_only:
            result = index.search_words(
                conn,
                str(text),
                **of_words,
                k=k,
                filter=filter,
                params=params,
                columns=options["columns"],
            )
        elif hybrid and vector is not None:
            result = index.hybrid(conn, vector, str(text), **of_words, **options)
        elif hybrid:
            chosen = None if embed is None else embedder(embed, **asked)
            result = hybrid_text(
                conn, index, str(text), embedder=chosen, **of_words, **options
            )
        elif text is None:
            result = index.search(conn, vector, **options)
        else:
            chosen = None if embed is None else embedder(embed, **asked)
            result = search_text(conn, index, text, embedder=chosen, **options)
    if result.fallback:
        say(
            f"{index} is not there, so index {result.index_name} answered: "
            "run `mrl-pg create`, or `mrl-pg indexes` to see what is there"
        )
    if rerank is not None and (result.reranked or 0) > rerank:
        say(
            f"all {result.reranked} candidates were read in full, because index "
            f"{result.index_name} has no bits in a column"
        )
    if as_json:
        typer.echo(json.dumps(as_dict(result), indent=2, default=str))
        return
    show(*as_rows(result))
    if result.shards is not None:
        shards = "shard was" if result.shards == 1 else "shards were"
        say(f"{result.shards} {shards} asked")
    if result.promise:
        say(str(result.promise))
    if result.cut_short:
        step = "--max-scan-tuples" if result.parts is None else "--probes"
        say(
            f"only {result.seen} of {result.candidates} candidates were found, but "
            f"the table has more: raise {step}, or search with --exact"
        )


def read_query(path: Path, column: str) -> Any:
    """The only vector in a file; InvalidFile if the file has none or several."""
    rows = read_vectors(path, column)
    if len(rows) != 1:
        raise InvalidFile(
            f"{path} holds {len(rows)} vectors, and a search needs one: give a .npy "
            "file with one vector, or a JSON list of numbers"
        )
    return rows[0]


def read_queries(path: Path | None, column: str, real_queries: bool = False) -> Any:
    """The vectors in a file, one per row; None without a file."""
    if path is not None and real_queries:
        raise InvalidSetting(
            "queries come from --queries or --real-queries: give one of the two"
        )
    return None if path is None else read_vectors(path, column)


def refuse_with_words(**options: object) -> None:
    """Raise InvalidSetting for options of vectors in a search by words alone."""
    for option, value in options.items():
        if value is not None and value is not False:
            raise InvalidSetting(
                f"--{option.replace('_', '-')} is about vectors, and --words-only "
                "searches for words alone: give --hybrid instead, or leave it out"
            )


def as_rows(
    result: SearchResult | HybridResult,
) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Heads and lines for people: key, distance or score, and shown columns."""
    shown = result[0].columns if result else ()
    if isinstance(result, HybridResult):
        ranked = [
            (
                str(hit.key),
                f"{hit.score:.4f}",
                *(
                    "-" if n is None else str(n)
                    for n in (hit.vector_rank, hit.word_rank)
                ),
                *map(str, hit.columns.values()),
            )
            for hit in result
        ]
        return ("key", "score", "by vector", "by words", *shown), ranked
    lines = [
        (str(hit.key), f"{hit.distance:.4f}", *map(str, hit.columns.values()))
        for hit in result
    ]
    return ("key", "distance", *shown), lines


def as_dict(result: SearchResult | HybridResult) -> dict[str, Any]:
    """A result as values for JSON."""
    fused = isinstance(result, HybridResult)
    ranks = ("score", "vector_rank", "word_rank") if fused else ()
    return {
        "hits": [
            {
                "key": hit.key,
                **{rank: getattr(hit, rank) for rank in ranks},
                "distance": hit.distance,
                "columns": dict(hit.columns),
            }
            for hit in result
        ],
        "k": result.k,
        "candidates": result.candidates,
        "seen": result.seen,
        "reranked": result.reranked,
        "ef_search": result.ef_search,
        "scan": result.scan,
        "cut_short": result.cut_short,
        "promise": asdict(result.promise) if result.promise else None,
        "index": result.index_name,
        "fallback": result.fallback,
        "shards": result.shards,
        "parts": result.parts,
    }
