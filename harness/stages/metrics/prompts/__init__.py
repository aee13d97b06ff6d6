"""Checks of prompts before images are made from them: whether each suits its class, and how varied they all are.

Adding a check takes one function, one line and one field: see ``table.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Interval

from harness.artifact import ImageTextModel, Json, Prompts, TextEmbedder, Tokenizer
from harness.compute.influence import ratio
from harness.errors import StageError, nearest
from harness.formats.embedder import EMBEDDER
from harness.stage import Count, Fraction, HigherShare, Items, Job, Scores, stage
from harness.stages.metrics.prompts.content import naming, patterns
from harness.stages.metrics.prompts.diversity import variety
from harness.stages.metrics.prompts.language import runs
from harness.stages.metrics.prompts.table import CHECKS, Answers, Limits, answers, details, share
from harness.stages.metrics.prompts.words import Context
from harness.stages.systems.prompt_writer.drafting import INSTRUCT

if TYPE_CHECKING:
    from harness.formats.prompts import Prompt

__all__ = ["checks", "variety"]

Cosine = Annotated[float, Interval(ge=-1, le=1)]


@dataclass(frozen=True, kw_only=True)
class CheckScores(Scores):
    """The share of N prompts that pass each check, in [0, 1]; ``docs/prompt-checks.md`` explains each check."""

    passed: HigherShare
    """All checks; one that does not apply to a prompt does not fail it."""
    present: HigherShare
    """The prompt has enough words."""
    clean: HigherShare
    """No markup, no control characters."""
    varied: HigherShare
    """No word is repeated too often."""
    no_echo: HigherShare
    """It contains no part of an instruction, or of an assistant's answer to one."""
    fits: HigherShare
    """The text encoder reads all of it, cues included."""
    class_kept: HigherShare
    """The word for the class is not cut off."""
    class_named: HigherShare
    """There is a word for the class."""
    relevant: HigherShare
    """It is close enough to its class in the embedding."""
    apart: HigherShare
    """It is nearer to its class than to any other, up to ``margin``; 0 if there is only one class."""
    from_above: HigherShare
    """A phrase says that the view is from above."""
    not_from_ground: HigherShare
    """No phrase says that the view is from the ground."""
    vocabulary: HigherShare
    """It uses words of remote sensing."""
    supported: HigherShare
    """Its words are in its passages. The share is over prompts with passages; 0 if no prompt has any."""
    close: HigherShare
    """It is near one of its passages; the share is over the same prompts."""
    unambiguous: HigherShare
    """No word is likely to be drawn as something else."""
    unrepeated: HigherShare
    """It is not the same, or nearly the same, as an earlier prompt of its class."""
    class_specific: HigherShare
    """It is not the same, or nearly the same, as a prompt of another class."""
    consistent: HigherShare
    """It does not ask for what the negative prompt forbids."""


@stage(version=1, software=EMBEDDER)  # a tokenizer and a judge need no other software
def checks(
    prompts: Prompts,
    embedder: TextEmbedder,
    tokenizer: Tokenizer,
    judge: ImageTextModel | None = None,
    *,
    positive: tuple[str, ...] = (),
    negative: tuple[str, ...] = (),
    instruction: str = "",
    class_words: Mapping[str, tuple[str, ...]] | None = None,
    words: Count = 3,
    repetition: Fraction = 0.5,
    tokens: Annotated[int, Ge(3)] = 77,
    relevance: Cosine = 0.0,
    margin: Annotated[float, Interval(ge=-2, le=2)] = -0.1,
    vocabulary: Count = 1,
    support: Fraction = 0.5,
    closeness: Cosine = 0.2,
    likeness: Fraction = 0.8,
    job: Job,
) -> CheckScores:
    """Run eighteen checks on each prompt, and report which fail, on what evidence.

    Texts are compared without case and plurals. Some checks do not apply to some prompts (for example, a template has
    no passages). Such prompts are left out of that check's share, and the details give the number it applies to.

    Args:
        prompts: at least one.
        embedder: gives the cosines of prompts with passages, and with classes unless there is a ``judge``.
        tokenizer: tokenizer of the pipeline that the prompts are for.
        judge: an image-text model whose text encoder gives the cosines of prompts with classes.
        positive: cues that the pipeline adds after each prompt. They count as part of it for its length, its view and
            its contradictions.
        negative: cues of the negative prompt; none of them may be in the prompt.
        instruction: the instruction given to the writer, if it is not the harness's own; five consecutive words of
            either are an echo.
        class_words: words that name a class, for classes that the harness has no words for or whose words should be
            replaced: ``{Crop Land: [field, farm]}``. A class's own name always names it.
        words: least number of words in a prompt.
        repetition: largest share that one word may have of the content words.
        tokens: most tokens that the text encoder takes, start and end included.
        relevance: least cosine with the prompt's class, which is the mean direction of the words that name it.
        margin: least difference to the cosine with the nearest other class; a little below 0, because classes of land
            cover overlap (shrubs are natural and woody).
        vocabulary: least number of different words of remote sensing, without those for the view.
        support: least share of content words that are also in the passages.
        closeness: least cosine with the nearest passage.
        likeness: share of common pairs of neighbouring words from which two prompts count as the same.
        job: gives the device.

    Raises:
        StageError: no prompts, words for a class that no prompt has, an input that cannot be opened.
    """
    from harness.formats.prompts import read
    from harness.stages.metrics.prompts.measuring import (
        embedding,
        judging,
        spans_of,
        twins,
        with_classes,
        with_passages,
    )

    read_prompts = read(prompts)
    classes = _classes(read_prompts)
    given = class_words or {}
    for label in given:
        if label not in classes:
            raise StageError(f"class_words: no prompt is of {label!r}{nearest(label, classes)}")
    names = naming(classes, given)
    named = patterns(names)
    embedded_by, embed = embedding(embedder, job.device)
    judged_by, near = judging(judge, job.device) if judge else (embedded_by, embed)
    within, across = twins(read_prompts, named)
    context = Context(
        positive=positive,
        negative=negative,
        named=named,
        instructed=frozenset(runs(INSTRUCT.text) + runs(instruction)),
        spans=spans_of(tokenizer),
        tokens=tokens,
        cosines=with_classes(read_prompts, names, near),
        resting=with_passages(read_prompts, embed),
        twins_within=within,
        twins_across=across,
    )
    limits = Limits(words, repetition, tokens, relevance, margin, vocabulary, support, closeness, likeness)
    conditions: dict[str, Json] = {
        "n": len(read_prompts),
        "relevance_by": judged_by,
        "passages_by": embedded_by,
    }
    return _scores(answers(read_prompts, context, limits), classes, limits, conditions)


def _scores(
    found: Sequence[Answers], classes: Sequence[str], limits: Limits, conditions: Mapping[str, Json]
) -> CheckScores:
    """Share of passing prompts for each check, among the prompts that it applies to, with the rows of a ratio.

    A prompt that a check does not apply to does not affect its share.
    """
    columns = {"passed": [float(answer.all_passed) for answer in found]}
    values = {"passed": share(columns["passed"])}
    steps = {"passed": 1 / len(found)}
    for check in CHECKS:
        answered = [answer.passed[check.name] for answer in found]
        passed, asked = [float(p or False) for p in answered], [float(p is not None) for p in answered]
        if any(asked):
            values[check.name], columns[check.name] = ratio(passed, asked)
        else:
            values[check.name], columns[check.name] = 0.0, [0.0] * len(found)
        steps[check.name] = 1 / max(1.0, sum(asked))
    return CheckScores(
        items=Items(
            [answer.prompt.name for answer in found],
            columns,
            cluster=[answer.prompt.label for answer in found],
        ),
        steps=steps,
        conditions=conditions,
        details=details(found, classes, limits),
        **values,
    )


def _classes(prompts: Sequence[Prompt]) -> list[str]:
    """The classes, in the order of their first prompts."""
    if not prompts:
        raise StageError("no prompts to check")
    return list(dict.fromkeys(prompt.label for prompt in prompts))
