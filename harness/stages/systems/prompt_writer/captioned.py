"""Prompts written by people: real captions of each class."""

from __future__ import annotations

from collections.abc import Mapping

from harness.artifact import Captions, Json, Prompts
from harness.compute.seeded_shuffle import drawn
from harness.errors import StageError, nearest
from harness.formats import prompts as table
from harness.formats.image_folder import rows
from harness.stage import Count, Job, Seed, stage
from harness.stages.systems.prompt_writer.drafting import one_line, words

WRITER = "captions"


@stage(version=1)
def from_captions(
    captions: Captions,
    *,
    classes: tuple[str, ...] | Mapping[str, tuple[str, ...]] | None = None,
    per_class: Count,
    seed: Seed = 0,
    job: Job,
) -> Prompts:
    """Use captions of each class as its prompts, all different within a class.

    Rows are drawn without replacement, and one sentence of each. A larger ``per_class`` begins with the same prompts.

    Args:
        captions: rows with a label, such as scenes or RSICD. Use the training split if images made from the prompts
            are compared with held-out ones.
        classes: the classes; null: all labels, sorted by name. A mapping assigns labels to the classes of another
            scheme, many to one, as ``folders.relabel`` does for images: ``{Bare Land: [bareland, desert]}``.
        per_class: prompts of each class.
        seed: seed for the draw of rows and of their sentences.
        job: provides device, folders and log.

    Raises:
        StageError: no labels; a class without rows, or listed twice; fewer different captions of a class than
            ``per_class``.
    """
    of: dict[str, dict[str, list[str]]] = {}
    unlabelled = 0
    for row in rows(captions):
        if row.label is None:
            unlabelled += 1
        else:
            of.setdefault(row.label, {})[row.name] = [one_line(sentence) for sentence in row.captions]
    if not of:
        raise StageError("captions: no row has a label, so no class has captions")
    taken = _taken(classes, sorted(of))
    prompts: list[table.Prompt] = []
    for label, labels in taken.items():
        rows_of = {name: said for one in labels for name, said in of[one].items()}
        texts = _different(rows_of, seed)
        if len(texts) < per_class:
            raise StageError(
                f"per_class: {per_class}, but the {len(rows_of)} rows of {label} have {len(texts)} different "
                "captions to draw; prompt_writer.select can use them repeatedly"
            )
        prompts += [
            table.Prompt(table.name(label, i), text, label, WRITER)
            for i, text in enumerate(texts[:per_class])
        ]
    folder = job.folder()
    table.write(folder, prompts)
    drawn_from: dict[str, Json] = {n: sum(len(of[one]) for one in labels) for n, labels in taken.items()}
    return Prompts(folder, facts={**table.count(prompts), "rows": drawn_from, "unlabelled": unlabelled})


def _taken(
    classes: tuple[str, ...] | Mapping[str, tuple[str, ...]] | None, known: list[str]
) -> dict[str, tuple[str, ...]]:
    """The labels whose rows belong to each class of the prompts."""
    named = known if classes is None else list(classes)
    table.check_classes(named)
    scheme: dict[str, tuple[str, ...]] = {label: (label,) for label in named}
    if isinstance(classes, Mapping):
        scheme = dict(classes)
    labels = [label for taken in scheme.values() for label in taken]
    for label in labels:
        if label not in known:
            raise StageError(f"classes: no caption is of {label!r}{nearest(label, known)}")
        if labels.count(label) > 1:
            raise StageError(f"classes: {label!r} is taken twice")
    return scheme


def _different(sentences: dict[str, list[str]], seed: int) -> list[str]:
    """One sentence of each row, in the order of the draw, without repetitions of earlier ones."""
    found: dict[str, str] = {}
    for name in drawn(sentences, seed):
        named = {f"{name}#{i}": text for i, text in enumerate(sentences[name]) if words(text)}
        for chosen in drawn(named, seed)[:1]:
            found.setdefault(words(named[chosen]), named[chosen])
    return list(found.values())
