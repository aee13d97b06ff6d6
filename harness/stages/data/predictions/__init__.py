"""Predictions of a classifier that was trained and applied elsewhere, from a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.artifact import Json, Predictions
from harness.formats import predictions as table
from harness.formats.tables import Row, is_text
from harness.sources.content import passed_over
from harness.sources.hub import Source
from harness.stage import Job, Reading, Seed, stage
from harness.stages.data._own_table import idle_without_repeats, name_of, rows_of, table_of, unique
from harness.stages.data.predictions.classes import Named, chosen, declared, indices
from harness.stages.data.predictions.columns import Form, form_of
from harness.stages.data.predictions.values import PREDICTED, log_probabilities, matrix, rounded

__all__ = ["read"]


@stage(version=1, software=("numpy", "pyarrow"), idle=idle_without_repeats)
def read(
    *,
    source: Source,
    item: Reading[str] = "item",
    label: Reading[str] = "label",
    prediction: Reading[str | None] = None,
    logits: Reading[str | None] = None,
    probabilities: Reading[str | None] = None,
    cluster: Reading[str | None] = None,
    classes: Reading[tuple[str, ...] | None] = None,
    seed_column: Reading[str | None] = None,
    seed: Seed = 0,
    job: Job,
) -> Predictions:
    """Read the predictions of a classifier from a table: CSV, JSON lines or parquet; text is UTF-8.

    A row is an item with its label and one of ``prediction``, ``logits`` and ``probabilities``. If no column is named,
    the file must have exactly one of these names, or columns like ``logits.Crop Land``.

    Logits and probabilities are one column with a list (in CSV a JSON list, ``[0.2, 0.8]``), or one column for each
    class, named with ``{class}``: ``probabilities: "p_{class}"`` reads ``p_Crop Land`` and ``p_Water Body``.
    Probabilities become log-probabilities. They must be in [0, 1] and sum to 1 within 0.001; those below 1e-12 are
    clipped there and counted in the facts. A prediction alone has no cross-entropy: score it with
    ``classification.accuracies``.

    Labels and predictions are class names, or indices from 0. In CSV whole numbers are indices, unless a class has such
    a name. Without ``classes``, the classes are: those that a parquet file of ``datasets`` declares for the label; with
    one column for each class, their names in alphabetical order; with a list, the indices as names; with predictions,
    all that occur, in alphabetical order, or the indices up to the largest. The order of a list's values is not in the
    file, so with names as labels ``classes`` must give it.

    Args:
        source: the file, or a folder with one. ``path:../out/seed-{seed}.csv`` is one file for each repeat.
        item: the column with the item's name; unique, and the same in every run.
        label: the column with its class.
        prediction: the column with the predicted class.
        logits: the column with the logits, or the columns, with ``{class}``.
        probabilities: the same for probabilities.
        cluster: the column with the item's cluster, if items are not independent (tiles of one scene);
            ``classification.accuracies`` takes intervals over clusters.
        classes: the class names, in the order of logits, probabilities and indices.
        seed_column: the column with the seed of the repeat; only rows of ``seed`` are read.
        seed: the repeat: chooses the file or the rows. It draws nothing.
        job: gives the folder.

    Raises:
        StageError: a file that is no such table; a missing column; a value that is missing, not finite, of another
            length, or no such class; an item that occurs twice; no rows. Names file and row.
    """
    named = {"prediction": prediction, "logits": logits, "probabilities": probabilities}
    file = table_of(source.path)
    rows = rows_of(file, seed_column, seed)
    form = form_of(rows[0], {kind: column for kind, column in named.items() if column is not None}, classes)
    items = unique(rows, item)
    found = _classes(file, rows, form, label, classes)
    clusters = None if cluster is None else [name_of(row, cluster, "cluster") for row in rows]
    facts: dict[str, Json] = {"classes": list(found.classes), "count": len(rows), "read": form.kind}
    facts |= passed_over(source.path)
    labels = indices(rows, label, found)
    folder = job.folder()
    if form.kind == PREDICTED:
        predicted = indices(rows, form.column, found)
        table.write(folder, table.Rows(items, labels, prediction=predicted, cluster=clusters))
        return Predictions(folder, facts=facts)
    values = matrix(rows, form, found.classes)
    if form.kind == "probabilities":
        values, clipped = log_probabilities(values, rows, labels)
        facts |= clipped
    stored, ties = rounded(values, rows)
    table.write(folder, table.Rows(items, labels, stored, cluster=clusters))
    return Predictions(folder, facts={**facts, **ties})


def _classes(
    file: Path, rows: Sequence[Row], form: Form, label: str, classes: tuple[str, ...] | None
) -> Named:
    text = is_text(file)
    if classes is not None:
        return chosen(classes, text, "classes")
    if (names := declared(file, label)) is not None:
        return chosen(tuple(names), text, f"{file}: {label}")
    if form.by_class:
        return chosen(tuple(sorted(form.by_class)), text, str(file))
    return Named.derived(rows, label, form, text)
