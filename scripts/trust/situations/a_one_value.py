"""One checkpoint, scored once: no seed is swept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import peers
from planting import Answer, Bench, situation, threshold

CHECKPOINT = """\
suite: planted/checkpoint
about: One checkpoint is scored on items.
subject: [model]
stages:
  model: {{use: planted.load, skill: {skill}}}
  said:  {{use: planted.predict, model: model, items: {items}, jitter: {jitter}}}
metrics:
  scores: {{use: classification.scores, predictions: said}}
gate:
  scores.{field}: {margin}
"""

IMAGES = """\
suite: planted/images
about: Images of a generator are held against real ones.
subject: [fake]
stages:
  real: {{use: planted.extract, count: 250, names: real, seed: 900}}
  fake:
    use: planted.extract
    count: {count}
    shift: {shift}
    distinct: {distinct}
    names: "{names}"
    seed: {seed}
metrics:
  fid:      {{use: frechet.distance, real: real, generated: fake}}
  kid:      {{use: kernel.distance, real: real, generated: fake}}
  manifold: {{use: neighbours.manifold, real: real, generated: fake}}
gate:
  {gate}
"""

WORTH = """\
suite: planted/worth
about: One value without items.
subject: [model]
stages:
  model: {{use: planted.load, skill: {skill}}}
metrics:
  worth: {{use: planted.worth, model: model}}
gate:
  worth.value: 0.1
"""

TEXTS = """\
suite: planted/texts
about: One language model is scored on documents.
subject: [model]
stages:
  model: {{use: planted.load, skill: {nll}, one_document: {one}}}
  texts: {{use: planted.likelihood, model: model}}
metrics:
  perplexity: {{use: perplexity.scores, likelihoods: texts}}
gate:
  perplexity.perplexity: 0.3
"""


def checkpoint(
    skill: float, items: int = 70, field: str = "overall_accuracy", margin: float = 0.02, jitter: float = 0.0
) -> str:
    return CHECKPOINT.format(skill=skill, items=items, field=field, margin=margin, jitter=jitter)


def images(
    gate: str,
    *,
    seed: int = 0,
    shift: float = 0.0,
    distinct: float = 1.0,
    count: int = 250,
    names: str = "fake",
) -> str:
    return IMAGES.format(gate=gate, seed=seed, shift=shift, distinct=distinct, count=count, names=names)


def _checkpoints(
    bench: Bench, field: str, before: str, after: str, measure: Callable[[Path], float] | None = None
) -> Answer:
    """Both checkpoints compared; ``measure`` is scikit-learn's function of predictions, where it has one."""
    bench.accept(before)
    compared = bench.compare(after)
    name = f"scores.{field}"
    if measure is None:
        return Answer(compared.verdict(name), f"a threshold: {compared.threshold(name)}")
    change = measure(bench.artifact("said", compared.folder)) - measure(bench.artifact("said"))
    told = threshold(change, compared.finding(name)["margin"])
    return Answer(compared.verdict(name), f"scikit-learn and a threshold: {told}")


@situation("the same checkpoint, scored again", "unchanged")
def _(bench: Bench) -> Answer:
    return _checkpoints(bench, "overall_accuracy", checkpoint(0.8), checkpoint(0.8), peers.sklearn_accuracy)


@situation("average accuracy of 70 items is 0.057 higher by luck (margin 0.02)", "inconclusive")
def _(bench: Bench) -> Answer:
    before, after = (checkpoint(s, field="average_accuracy", jitter=0.3) for s in (0.77, 0.83))
    return _checkpoints(bench, "average_accuracy", before, after, peers.sklearn_balanced_accuracy)


@situation("Jaccard index of 70 items is lower by luck (margin 0.02)", "inconclusive")
def _(bench: Bench) -> Answer:
    before, after = (checkpoint(s, field="jaccard", jitter=0.3) for s in (0.83, 0.77))
    return _checkpoints(bench, "jaccard", before, after, peers.sklearn_jaccard)


@situation("a checkpoint that is right on 0.6 in place of 0.9 of 300 items", "regressed")
def _(bench: Bench) -> Answer:
    before, after = (checkpoint(s, 300, "average_accuracy") for s in (0.9, 0.6))
    return _checkpoints(bench, "average_accuracy", before, after, peers.sklearn_balanced_accuracy)


@situation("a checkpoint that is right on 0.9 in place of 0.6 of 300 items", "improved")
def _(bench: Bench) -> Answer:
    before, after = (checkpoint(s, 300, "f1_macro") for s in (0.6, 0.9))
    return _checkpoints(bench, "f1_macro", before, after)


@situation("one of 2,000 items is wrong that was right (margin 0.02)", "unchanged")
def _(bench: Bench) -> Answer:
    return _checkpoints(
        bench, "overall_accuracy", checkpoint(0.8, 2000), checkpoint(0.7995, 2000), peers.sklearn_accuracy
    )


@situation("one value without items moves from 0.5 to 0.7 (margin 0.1)", "inconclusive")
def _(bench: Bench) -> Answer:
    bench.accept(WORTH.format(skill=0.5))
    compared = bench.compare(WORTH.format(skill=0.7))
    return Answer(compared.verdict("worth.value"), f"a threshold: {compared.threshold('worth.value')}")


@situation("one value without items, from equal bytes", "unchanged")
def _(bench: Bench) -> Answer:
    bench.accept(WORTH.format(skill=0.5))
    compared = bench.compare(WORTH.format(skill=0.5), "--fresh", "model")
    return Answer(compared.verdict("worth.value"), f"a threshold: {compared.threshold('worth.value')}")


@situation(
    "twenty ordered pairs of draws of one generator, FID at 250 images (margin 5 %)", "0 of 20 claim a change"
)
def _(bench: Bench) -> Answer:
    return _pairs(bench, "fid.distance", "fid: 5%")


@situation("twenty ordered pairs of draws of one generator, coverage (margin 0.02)", "0 of 20 claim a change")
def _(bench: Bench) -> Answer:
    return _pairs(bench, "manifold.coverage", "manifold.coverage: 0.02")


def _pairs(bench: Bench, name: str, gate: str) -> Answer:
    draws = range(1, 6)
    claims, told = 0, 0
    for first in draws:
        if first > draws[0]:
            bench.forget()
        bench.accept(images(gate, seed=first, names=f"d{first}-"))
        for second in draws:
            if second != first:
                compared = bench.compare(images(gate, seed=second, names=f"d{second}-"))
                claims += compared.verdict(name) in ("improved", "regressed")
                told += compared.threshold(name) != "unchanged"
    return Answer(f"{claims} of 20 claim a change", f"a threshold: {told} of 20")


@situation("a generator whose features lie half a deviation off, FID at 250 images", "regressed")
def _(bench: Bench) -> Answer:
    bench.accept(images("fid: 5%", seed=1))
    compared = bench.compare(images("fid: 5%", seed=2, shift=0.5))
    before, after = (
        peers.torchmetrics_fid(*(bench.artifact(stage, run) for stage in ("real", "fake")))
        for run in (None, compared.folder)
    )
    told = threshold(after - before, compared.finding("fid.distance")["margin"], "lower")
    return Answer(compared.verdict("fid.distance"), f"torchmetrics and a threshold: {told}")


@situation("a language model is worse on one of twelve documents alone", "inconclusive")
def _(bench: Bench) -> Answer:
    bench.accept(TEXTS.format(nll=2.0, one=0.0))
    compared = bench.compare(TEXTS.format(nll=2.0, one=1.0))
    (before, _), (after, error) = (
        peers.lm_eval_perplexity(bench.artifact("texts", run)) for run in (None, compared.folder)
    )
    told = threshold(after - before, 0.3, "lower")
    return Answer(
        compared.verdict("perplexity.perplexity"), f"lm-eval and a threshold: {told} (± {error:.2f})"
    )


@situation("a language model is worse on all documents", "regressed")
def _(bench: Bench) -> Answer:
    bench.accept(TEXTS.format(nll=2.0, one=0.0))
    compared = bench.compare(TEXTS.format(nll=2.3, one=0.0))
    told = compared.threshold("perplexity.perplexity")
    return Answer(compared.verdict("perplexity.perplexity"), f"lm-eval and a threshold: {told}")
