"""What a training adds to the model card of sentence-transformers."""

from mrl_pg.train.report import TrainReport

HEAD = "## Quality of prefixes"


def with_figures(card: str, report: TrainReport, *, two_d: bool = False) -> str:
    """The card with a section of sizes and figures, right after its first heading."""
    head, *lines = report.table()
    rule = "|".join(["---:"] * len(head))
    rows = [f"|{'|'.join(row)}|" for row in lines]
    table = [f"|{'|'.join(head)}|", f"|{rule}|", *rows]
    sizes = ", ".join(map(str, report.sizes))
    layers = " and at several layers (`Matryoshka2dLoss`)" if two_d else ""
    section = "\n".join(
        [
            HEAD,
            "",
            f"Trained from `{report.model}` at {sizes} dimensions{layers}: the first "
            "numbers of a vector, scaled to length 1, are an embedding at each of "
            "these sizes.",
            "",
            *table,
            "",
            f"Measured on {report.held_out:,} pairs that were not learnt from, each "
            f"searching {report.documents:,} documents. `hit@10` is the share of "
            "queries whose right answer is among the first 10, and `recall` the share "
            "of the 10 nearest documents by full vectors. `rotated` is the model "
            "before the training, after a rotation by PCA. The verdict: "
            f"{report.verdict}, because {report.reason}.",
            "",
        ]
    )
    lines_of = card.split("\n")
    # the block between the marks --- is data, and its comments begin with # as well
    start = lines_of.index("---", 1) + 1 if lines_of[:1] == ["---"] else 0
    for place in range(start, len(lines_of)):
        if lines_of[place].startswith("# "):
            rest = "\n".join(lines_of[place + 1 :])
            return "\n".join([*lines_of[: place + 1], "", section, rest.lstrip("\n")])
    return f"{card.rstrip()}\n\n{section}"
