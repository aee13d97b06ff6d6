"""Which stages a seed decides, and which of them a suite repeats.

A verdict can be about a *recipe* only if every random stage of the recipe was repeated: a suite that sweeps only the
seed of the sampling shows nothing about the variation of the one training before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.artifact import (
    Artifact,
    Classifier,
    Extractor,
    ImageTextModel,
    LanguageModel,
    Pipeline,
    TextEmbedder,
)
from harness.stage import Mark
from harness.store.record import Subject
from harness.suite import Node, Suite
from harness.suite.reach import settings

LEARNT: tuple[type[Artifact], ...] = (
    Classifier,
    Extractor,
    ImageTextModel,
    LanguageModel,
    Pipeline,
    TextEmbedder,
)
"""Kinds of artifact that a training produces."""


def subject_of(suite: Suite, metric: str, seeds: Mapping[str, Sequence[int]]) -> Subject:
    """The random stages between the subject and a metric, and which of them are repeated.

    Args:
        suite: the suite, with all its values bound.
        metric: name of a metric of the suite.
        seeds: node → the swept seeds upstream of it or on it.
    """
    way = list(_way(suite, metric))
    drawn = [name for name in way if draws(suite, name)]
    kinds = {name: _is_learnt(suite.nodes[name]) for name in way}
    once = {name: _seed(suite.nodes[name]) for name in drawn if not seeds[name]}
    learnt = tuple(name for name in once if kinds[name])
    subject = [name for name in way if name in {s.partition(".")[0] for s in suite.subject}]
    fixed = "this checkpoint" if any(kinds[name] for name in subject) else "these files"
    return Subject(tuple(name for name in drawn if seeds[name]), once, learnt, fixed)


def draws(suite: Suite, name: str) -> bool:
    """Whether a node's seed affects its output, at any point of the matrix."""
    return any(suite.nodes[name].stage.draws(parameters) for parameters in settings(suite, name))


def _way(suite: Suite, metric: str) -> Iterator[str]:
    """The stages from the subject to a metric, without the metric itself, in the suite's order."""
    subject = {s.partition(".")[0] for s in suite.subject}
    above = suite.upstream(metric)
    for name in suite.nodes:
        if name in above and (name in subject or subject & suite.upstream(name)):
            yield name


def _seed(node: Node) -> str:
    return next(f"{node.name}.{n}" for n, spec in node.stage.parameters.items() if spec.mark is Mark.SEED)


def _is_learnt(node: Node) -> bool:
    return any(issubclass(kind, LEARNT) for kind in node.stage.outputs.values())
