"""What two numbers mean: the protocol."""

from __future__ import annotations

import peers
from planting import Answer, Bench, situation, threshold

from situations.a_one_value import images

CHECKPOINT = """\
suite: planted/meaning
about: One checkpoint is scored on items.
subject: [model]
stages:
  model: {{use: planted.load, skill: {skill}}}
  said:  {{use: planted.predict, model: model, items: {items}, names: {names}}}
  texts: {{use: planted.likelihood, model: model, stride: {stride}}}
metrics:
  scores:     {{use: classification.scores, predictions: said}}
  perplexity: {{use: perplexity.scores, likelihoods: texts}}
gate:
  scores.overall_accuracy: 0.05
  perplexity.nll: 0.05
"""

SWEEP = """\
suite: planted/sweep
about: Two recipes.
subject: [model]
stages:
  model: {{use: planted.load, skill: 0.8}}
  said:  {{use: planted.predict, model: model, items: 100}}
metrics:
  scores: {{use: classification.scores, predictions: said}}
matrix:
  model.skill: [{skills}]
gate:
  scores.overall_accuracy: 0.05
"""


def checkpoint(skill: float = 0.8, items: int = 200, names: str = "item", stride: int = 1) -> str:
    return CHECKPOINT.format(skill=skill, items=items, names=names, stride=stride)


@situation("100 test items more", "incomparable")
def _(bench: Bench) -> Answer:
    bench.accept(checkpoint())
    compared = bench.compare(checkpoint(0.9, items=300))
    change = peers.sklearn_accuracy(bench.artifact("said", compared.folder)) - peers.sklearn_accuracy(
        bench.artifact("said")
    )
    return Answer(
        compared.verdict("scores.overall_accuracy"),
        f"scikit-learn and a threshold: {threshold(change, 0.05)}",
    )


@situation("the stride of the perplexity's window changes", "incomparable")
def _(bench: Bench) -> Answer:
    bench.accept(checkpoint(2.0))
    compared = bench.compare(checkpoint(1.9, stride=2))
    before, after = (
        peers.lm_eval_perplexity(bench.artifact("texts", run))[0] for run in (None, compared.folder)
    )
    return Answer(
        compared.verdict("perplexity.nll"),
        f"lm-eval and a threshold: {threshold(after - before, 0.05, 'lower')}",
    )


@situation("another network extracts the features", "incomparable")
def _(bench: Bench) -> Answer:
    bench.accept(images("kid: 0.05"))
    text = (
        images("kid: 0.05")
        .replace("count: 250,", "count: 250, extractor: other,")
        .replace("count: 250\n", "count: 250\n    extractor: other\n")
    )
    compared = bench.compare(text)
    return Answer(
        compared.verdict("kid.distance"), "torchmetrics: a number, with nothing said of the network"
    )


@situation("FID over 125 images in place of 250", "incomparable")
def _(bench: Bench) -> Answer:
    bench.accept(images("fid: 5%"))
    compared = bench.compare(images("fid: 5%", count=125))
    before, after = (
        peers.torchmetrics_fid(*(bench.artifact(stage, run) for stage in ("real", "fake")))
        for run in (None, compared.folder)
    )
    told = threshold(after - before, 0.05 * before, "lower")
    return Answer(compared.verdict("fid.distance"), f"torchmetrics and a threshold: {told}")


@situation("a parameter of the metric changes (principal axes of the Fréchet distance)", "incomparable")
def _(bench: Bench) -> Answer:
    bench.accept(images("fid.pca_distance: 5%"))
    text = images("fid.pca_distance: 5%").replace(
        "generated: fake}\n  kid", "generated: fake, pca: 4}\n  kid"
    )
    compared = bench.compare(text)
    return Answer(
        compared.verdict("fid.pca_distance"), f"a threshold: {compared.threshold('fid.pca_distance')}"
    )


@situation("other test items of the same number", "incomparable")
def _(bench: Bench) -> Answer:
    bench.accept(checkpoint())
    compared = bench.compare(checkpoint(0.9, names="other"))
    return Answer(
        compared.verdict("scores.overall_accuracy"),
        f"a threshold: {compared.threshold('scores.overall_accuracy')}",
    )


@situation(
    "another tool's pictures are read at 16 in place of 32 pixels (`--set images.size=16`)", "incomparable"
)
def _(bench: Bench) -> Answer:
    import numpy as np
    from PIL import Image

    folder = bench.folder / "pictures"
    for label in ("bare land", "water body"):
        (folder / label).mkdir(parents=True)
        for i in range(12):
            rng = np.random.default_rng([i, len(label)])
            pixels = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{i}.png")
    text = (
        "suite: planted/pictures\nabout: Pictures of another tool.\nsubject: [images]\nstages:\n"
        '  images: {use: folders.images, source: "path:../pictures", size: 32}\n'
        '  real:   {use: folders.images, source: "path:../pictures", size: 32}\n'
        "  fake_features: {use: planted.look, images: images}\n"
        "  real_features: {use: planted.look, images: real}\n"
        "metrics:\n  kid: {use: kernel.distance, real: real_features, generated: fake_features}\n"
        "gate:\n  kid.distance: 0.05\n"
    )
    bench.accept(text)
    compared = bench.compare(text, "--set", "images.size=16")
    return Answer(compared.verdict("kid.distance"), f"a threshold: {compared.threshold('kid.distance')}")


@situation("how the test items are drawn is put under test, and they become easier", "incomparable")
def _(bench: Bench) -> Answer:
    bench.accept(checkpoint(0.6))
    easier = checkpoint(0.6).replace("subject: [model]", "subject: [model, said.jitter]")
    compared = bench.compare(easier, "--set", "said.jitter=0.4")
    return Answer(
        compared.verdict("scores.overall_accuracy"), "a threshold on two numbers: nothing said of the items"
    )


@situation("a point is added to the matrix", "exit code 0, new")
def _(bench: Bench) -> Answer:
    bench.accept(SWEEP.format(skills="0.8, 0.7"))
    compared = bench.compare(SWEEP.format(skills="0.8, 0.7, 0.9"))
    new = len(compared.comparison["new"])
    return Answer(
        f"exit code {compared.ran.code}, {'new' if new == 1 else f'{new} new'}",
        "a threshold on the mean: improved",
    )


@situation("a point is taken out of the matrix", "exit code 4, missing")
def _(bench: Bench) -> Answer:
    bench.accept(SWEEP.format(skills="0.8, 0.7, 0.2"))
    compared = bench.compare(SWEEP.format(skills="0.8, 0.7"))
    missing = len(compared.comparison["missing"])
    told = f"exit code {compared.ran.code}, {'missing' if missing == 1 else f'{missing} missing'}"
    return Answer(told, "a threshold on the mean: improved")


@situation("another number of threads, nothing else", "unchanged")
def _(bench: Bench) -> Answer:
    bench.accept(checkpoint(), OMP_NUM_THREADS="1")
    compared = bench.compare(checkpoint(), store="store-b", OMP_NUM_THREADS="2")
    return Answer(
        compared.verdict("scores.overall_accuracy"),
        f"a threshold: {compared.threshold('scores.overall_accuracy')}",
    )
