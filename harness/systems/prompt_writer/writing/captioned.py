"""Prompts that people wrote: real captions of each class."""

from __future__ import annotations

from collections import Counter

from harness.artifact import Captions, Prompts
from harness.data.image_folder import rows
from harness.data.order import drawn
from harness.errors import StageError, nearest
from harness.stage import Count, Job, Seed, stage
from harness.systems.prompt_writer.writing import table
from harness.systems.prompt_writer.writing.tidying import one_line, words

WRITER = "captions"


@stage(version=1)
def from_captions(
    captions: Captions, *, classes: tuple[str, ...] | None = None, per_class: Count, seed: Seed = 0, job: Job
) -> Prompts:
    """Captions of each class as its prompts, all different within a class.

    Rows are drawn without replacement, and one sentence of each. More prompts begin with the same ones.

    Args:
        captions: rows with a label, as of scenes or of RSICD. Take those of the training side where images of the
            prompts are compared with held-out ones.
        classes: which; null: all that there are, by name.
        per_class: prompts of each class.
        seed: which rows, and which of their sentences.
        job: the runner's side.

    Raises:
        StageError: no labels; a class that no row has; fewer different captions of a class than ``per_class``.
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
    wanted = tuple(sorted(of)) if classes is None else classes
    table.check_classes(wanted)
    prompts: list[table.Prompt] = []
    for label in wanted:
        if label not in of:
            raise StageError(f"classes: no caption is of {label!r}{nearest(label, of)}")
        texts = _different(of[label], seed)
        if len(texts) < per_class:
            raise StageError(
                f"per_class: {per_class}, but the {len(of[label])} rows of {label} have {len(texts)} different "
                "captions to draw; prompt_writer.select can use them repeatedly"
            )
        prompts += [
            table.Prompt(table.name(label, i), text, label, WRITER)
            for i, text in enumerate(texts[:per_class])
        ]
    folder = job.folder()
    table.write(folder, prompts)
    rows_of = Counter({label: len(of[label]) for label in wanted})
    return Prompts(folder, facts={**table.count(prompts), "rows": dict(rows_of), "unlabelled": unlabelled})


def _different(sentences: dict[str, list[str]], seed: int) -> list[str]:
    """One sentence of each row, in the order of the draw, without those that an earlier row said already."""
    found: dict[str, str] = {}
    for name in drawn(sentences, seed):
        named = {f"{name}#{i}": text for i, text in enumerate(sentences[name]) if words(text)}
        for chosen in drawn(named, seed)[:1]:
            found.setdefault(words(named[chosen]), named[chosen])
    return list(found.values())
