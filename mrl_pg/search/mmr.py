"""Maximal marginal relevance: rows that are near the query and unlike each other.

J. Carbonell and J. Goldstein, "The use of MMR, diversity-based reranking for reordering
documents and producing summaries", SIGIR 1998.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mrl_pg import arguments
from mrl_pg.arguments import shown
from mrl_pg.errors import InvalidSetting, InvalidVector
from mrl_pg.exchange import AnyConn, Exchange, FoundRows
from mrl_pg.kinds import OPERATORS, Distance
from mrl_pg.layout import Searched
from mrl_pg.search.by_column import Query, chosen
from mrl_pg.search.effort import rows_to_fetch
from mrl_pg.search.find import find_once, until_fresh
from mrl_pg.search.options import SearchOptions, check_count
from mrl_pg.search.plan import SearchPlan, rotated
from mrl_pg.search.result import Hit, NearestFound, SearchResult, read_found
from mrl_pg.search.shape import Shape
from mrl_pg.vectors import VectorLike, VectorsLike, as_vector

LEAST_FETCH = 20
"""Rows to choose from if k is small, as in LangChain."""


def mmr(
    query: VectorLike,
    vectors: VectorsLike,
    k: int,
    diversity: float = 0.5,
    distance: Distance = "cosine",
) -> list[int]:
    """Places of k vectors near the query and unlike each other, in the order chosen.

    The first is the nearest. Each next one has the largest

        (1 - diversity) * likeness(query, v) - diversity * max(likeness(v, chosen))

    where likeness is the cosine, for "ip" the inner product, and for "l2" the negative
    Euclidean distance. With `diversity=0` these are the k nearest; LangChain's
    `lambda_mult` is 1 - diversity. Of equal ones the first is chosen. Takes the time of
    k times as many products as there are vectors, shape (n, dims).

    Raises InvalidSetting and InvalidVector.
    """
    share, count = check_diversity(diversity), check_count("k", k)
    arguments.check_choice("distance", distance, OPERATORS)
    rows = _matrix(vectors)
    if not len(rows):
        return []
    cosine = distance == "cosine"
    point = as_vector(query, dims=rows.shape[1], cosine=cosine).astype(np.float64)
    if cosine:
        rows, point = _unit(rows), _unit(point[np.newaxis])[0]
    to_query = _likeness(rows, point, distance)
    scores = to_query
    # the largest likeness to a row that was chosen
    nearest = np.full(len(rows), -np.inf)
    places: list[int] = []
    left = np.ones(len(rows), dtype=bool)
    for _ in range(min(count, len(rows))):
        place = int(np.argmax(np.where(left, scores, -np.inf)))
        places.append(place)
        left[place] = False
        np.maximum(nearest, _likeness(rows, rows[place], distance), out=nearest)
        scores = (1 - share) * to_query - share * nearest
    return places


def find_mmr(
    conn: AnyConn,
    searched: Searched,
    query: Query,
    options: SearchOptions,
    *,
    fetch: int | None,
    diversity: float,
) -> Exchange[SearchResult]:
    """k of the `fetch` nearest rows, chosen by their full vectors."""
    share, count = (
        check_diversity(diversity),
        rows_to_fetch(options, fetch, LEAST_FETCH),
    )
    searched, vector = yield from chosen(searched, query)
    shown_columns = tuple(options.columns)
    if searched.column not in shown_columns:
        options = replace(options, columns=(*shown_columns, searched.column))

    def once(plan: SearchPlan, last: bool) -> Exchange[SearchResult]:
        rows: list[NDArray[np.float64]] = []

        def read(shape: Shape, answer: FoundRows) -> NearestFound:
            rows[:] = _full_vectors(shape, answer, searched.column)
            return read_found(shape, answer)

        result = yield from find_once(conn, plan.fetching(count), read, last=last)
        layout, facts = plan.shape.layout, plan.shape.facts
        # the rows were read as they are stored
        point = rotated(facts, as_vector(vector, dims=facts.full_dims))
        places = mmr(point, np.array(rows), options.k, share, layout.distance)
        hits = [_with_columns(result[place], shown_columns) for place in places]
        return replace(result, hits=tuple(hits))

    return (yield from until_fresh(conn, searched, vector, options, once))


def check_diversity(diversity: float) -> float:
    """The share; raises InvalidSetting unless it is from 0 to 1."""
    share = arguments.number("diversity", diversity)
    if not 0 <= share <= 1:
        raise InvalidSetting(
            f"diversity={shown(diversity)} is outside 0 (the nearest rows) to 1 (rows "
            "as unlike as possible)"
        )
    return share


def _full_vectors(
    shape: Shape, answer: FoundRows, column: str
) -> list[NDArray[np.float64]]:
    """The full vectors as the server wrote them, whatever the caller's loaders are."""
    result = answer.result
    if result is None:
        return []
    place = len(shape.facts.keys) + shape.columns.index(column)
    texts = [result.get_value(row, place) for row in range(result.ntuples)]
    # an answer has a distance, so it has a vector
    return [np.fromstring((text or b"")[1:-1], sep=",") for text in texts]


def _with_columns(hit: Hit, columns: Sequence[str]) -> Hit:
    return replace(hit, columns={column: hit.columns[column] for column in columns})


def _matrix(vectors: VectorsLike) -> NDArray[np.float64]:
    try:
        given = [
            getattr(each, "to_numpy", lambda each=each: each)() for each in vectors
        ]
        rows = np.asarray(given, dtype=np.float64)
        if (len(rows) and rows.ndim != 2) or not np.isfinite(rows).all():
            raise ValueError
    except Exception as error:
        raise InvalidVector(
            f"vectors={shown(vectors)} are not finite vectors of one length: pass a "
            "list of them, or an array of shape (n, dims)"
        ) from error
    return rows


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of length 1; rows of zeros, which are like no other, stay."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float64] = rows / np.where(lengths > 0, lengths, 1)
    return unit


def _likeness(
    rows: NDArray[np.float64], point: NDArray[np.float64], distance: Distance
) -> NDArray[np.float64]:
    likeness: NDArray[np.float64] = (
        -np.linalg.norm(rows - point, axis=1) if distance == "l2" else rows @ point
    )
    return likeness
