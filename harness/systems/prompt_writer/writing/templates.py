"""Prompts from templates: the honest control. What a language model writes has to be better than this."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product

from harness.artifact import Prompts
from harness.data.order import drawn
from harness.errors import StageError
from harness.stage import Count, Job, Seed, stage
from harness.systems.prompt_writer.writing import table
from harness.systems.prompt_writer.writing.phrases import GENERIC, LAND_COVER, LIGHTS, VIEWS, Label, Words
from harness.systems.prompt_writer.writing.wording import Phrase, spoken

WRITER = "templates"


@stage(version=1)
def from_templates(
    *,
    classes: tuple[Label, ...],
    per_class: Count,
    templates: tuple[Phrase, ...] | None = None,
    seed: Seed = 0,
    job: Job,
) -> Prompts:
    """Prompts that are put together from fixed words, all different within a class.

    Each depends on seed, class and its number in the class alone; more prompts begin with the same ones.

    Args:
        classes: their names. The paper's seven have words of their own: a view, what the class is made of here, and
            what may be seen of it. All others have a view and their name.
        per_class: prompts of each class.
        templates: instead of these, sentences with ``{class}``; a class has as many prompts as there are.
        seed: which are drawn.
        job: the runner's side.

    Raises:
        StageError: no class; fewer different prompts of a class than ``per_class``.
    """
    table.check_classes(classes)
    prompts = []
    for label in classes:
        every = _from(templates, label) if templates is not None else _curated(label)
        if len(every) < per_class:
            raise StageError(
                f"per_class: {per_class}, but there are {len(every)} different prompts of {label}; "
                "prompt_writer.select can use them repeatedly"
            )
        texts = drawn(every, seed)[:per_class]
        prompts += [table.Prompt(table.name(label, i), text, label, WRITER) for i, text in enumerate(texts)]
    folder = job.folder()
    table.write(folder, prompts)
    generic = [label for label in classes if label not in LAND_COVER and templates is None]
    return Prompts(folder, facts={**table.count(prompts), "generic": generic})


def _from(templates: Sequence[Phrase], label: str) -> list[str]:
    return list(dict.fromkeys(template.of(label) for template in templates))


def _curated(label: Label) -> list[str]:
    """All that can be said of a class."""
    words = LAND_COVER[label] if label in LAND_COVER else GENERIC  # noqa: SIM401 - a table of choices
    return [
        f"{view} {subject}{detail}{light}".replace("{class}", spoken(label))
        for view, (subject, detail), light in product(VIEWS, _seen(words), LIGHTS)
    ]


def _seen(words: Words) -> list[tuple[str, str]]:
    """Subjects, each with one of its details or with two of them."""
    return [
        (subject, detail)
        for subjects, details in zip(words.subjects, words.details, strict=True)
        for subject, detail in product(subjects, _details(details))
    ]


def _details(details: Sequence[str]) -> list[str]:
    return [f" with {one}" for one in details] + [f" with {a} and {b}" for a, b in combinations(details, 2)]
