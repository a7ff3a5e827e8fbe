"""The model card of a trained model.

Ours alone, because that of sentence-transformers quotes texts of the pairs.
"""

from mrl_pg.train.report import TrainReport
from mrl_pg.train.trainer import ModelRecipe

CARD = """\
---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags:
- sentence-transformers
- matryoshka
---

# {name}

`{model}`, trained further so that the first {sizes} numbers of its vectors, scaled to
length 1, are an embedding each.

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("{name}", truncate_dim={shortest})
queries = model.encode_query(["a question"], normalize_embeddings=True)
```

```sh
mrl-pg load docs.jsonl docs embedding --embed sentence-transformers:{name}
mrl-pg create docs embedding --dims {shortest}
```

## Quality of prefixes

{table}

Measured on {held_out:,} pairs that were not learnt from; each query searched
{documents:,} documents. `hit@10` is the share of queries whose answer is among the
first 10, `recall` the share of the 10 nearest documents by full vectors. `before`
is `{model}`, `rotated` the same after a rotation by PCA, `after` this model.

The verdict is *{verdict}*: {reason}.

## Training

- Loss: {wrapper} over {base_loss}
- Sizes: {sizes}; weights: {weights}; sizes in a step: {some}
- Pairs: {learnt:,}; epochs: {epochs}; seed: {seed}
"""


def card(report: TrainReport, recipe: ModelRecipe) -> str:
    """The text of the card, in Markdown."""
    head, *lines = report.table()
    rows = [head, ["---:"] * len(head), *lines]
    nesting = recipe.nesting
    return CARD.format(
        name=report.trained,
        model=report.model.partition(":")[2],
        sizes=", ".join(map(str, report.sizes)),
        shortest=report.knee(report.after) or report.sizes[0],
        table="\n".join(f"| {' | '.join(row)} |" for row in rows),
        held_out=report.held_out,
        documents=report.documents,
        verdict=report.verdict,
        reason=report.reason,
        wrapper="Matryoshka2dLoss" if recipe.two_d else "MatryoshkaLoss",
        base_loss=recipe.base_loss,
        weights=", ".join(f"{weight:g}" for weight in nesting.weights),
        some=nesting.dims_per_step or "all",
        learnt=report.pairs - report.held_out,
        epochs=report.epochs,
        seed=recipe.schedule.seed,
    )
