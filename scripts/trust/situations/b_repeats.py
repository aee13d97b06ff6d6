"""Repeats: what a sweep of seeds says, and what it does not."""

from __future__ import annotations

import json
import shutil

from planting import Answer, Bench, situation

RECIPE = """\
suite: planted/recipe
about: A recipe is trained with several seeds.
subject: [model]
stages:
  model: {{use: planted.train, skill: {skill}, luck: {luck}, deaf: {deaf}}}
  said:  {{use: planted.predict, model: model, items: {items}}}
metrics:
  scores: {{use: classification.scores, predictions: said}}
seeds:
  model.seed: {seeds}
gate:
  scores.overall_accuracy: {margin}
"""

ONCE = """\
suite: planted/once
about: A generator is trained once and sampled with several seeds.
subject: [painter, images]
stages:
  painter: {{use: planted.train, skill: {skill}, luck: {luck}}}
  images:  {{use: planted.sample, model: painter, noise: 0.01}}
  said:    {{use: planted.predict, model: images, items: 400}}
metrics:
  scores: {{use: classification.scores, predictions: said}}
seeds:
  images.seed: [0, 1, 2, 3, 4]
gate:
  scores.overall_accuracy: 0.05
"""

NESTED = """\
suite: planted/nested
about: Three trainings, each sampled three times.
subject: [painter, images]
stages:
  painter: {{use: planted.train, skill: {skill}, luck: 0.1}}
  images:  {{use: planted.sample, model: painter, noise: 0.001}}
  said:    {{use: planted.predict, model: images, items: 400}}
metrics:
  scores: {{use: classification.scores, predictions: said}}
seeds:
  painter.seed: [0, 0, 0, 1, 1, 1, 2, 2, 2]
  images.seed:  [0, 1, 2, 3, 4, 5, 6, 7, 8]
gate:
  scores.overall_accuracy: 0.03
"""

ACCURACY = "scores.overall_accuracy"


def recipe(
    skill: float,
    *,
    luck: float = 0.02,
    margin: float = 0.1,
    seeds: int | list[int] = 5,
    items: int = 400,
    deaf: bool = False,
) -> str:
    swept = list(range(seeds)) if isinstance(seeds, int) else seeds
    return RECIPE.format(
        skill=skill, luck=luck, margin=margin, seeds=swept, items=items, deaf=str(deaf).lower()
    )


def _compared(bench: Bench, before: str, after: str, *arguments: str, machine: str = "b") -> Answer:
    """The candidate is trained on another machine: with a store of its own, and another luck."""
    bench.accept(before, PLANTED_MACHINE="a")
    compared = bench.compare(after, *arguments, store=f"store-{machine}", PLANTED_MACHINE=machine)
    return Answer(compared.verdict(ACCURACY), f"a threshold: {compared.threshold(ACCURACY)}")


@situation("one recipe, trained on two machines, five seeds (margin 0.1)", "unchanged")
def _(bench: Bench) -> Answer:
    return _compared(bench, recipe(0.8), recipe(0.8))


@situation("a recipe that is worse by 0.2, five seeds", "regressed")
def _(bench: Bench) -> Answer:
    return _compared(bench, recipe(0.8), recipe(0.6))


@situation("one of three seeds is the same on both sides, and two differ (margin 0.01)", "inconclusive")
def _(bench: Bench) -> Answer:
    bench.accept(recipe(0.8, margin=0.01, seeds=[0, 1, 2]))
    compared = bench.compare(recipe(0.8, margin=0.01, seeds=[2, 3, 4]))
    return Answer(compared.verdict(ACCURACY), f"a threshold: {compared.threshold(ACCURACY)}")


@situation("a recipe that is better by 0.15, five seeds", "improved")
def _(bench: Bench) -> Answer:
    return _compared(bench, recipe(0.6), recipe(0.75))


@situation(
    "forty pairs of equal recipes of much luck (0.06), three seeds (margin 0.02)", "at most 5 of 40 regressed"
)
def _(bench: Bench) -> Answer:
    claims, told = _pairs(bench, recipe(0.7, luck=0.06, margin=0.02, seeds=3), ("regressed",))
    return Answer(f"{'at most 5' if claims <= 5 else claims} of 40 regressed", f"a threshold: {told} of 40")


@situation("two seeds", "incomparable")
def _(bench: Bench) -> Answer:
    return _compared(bench, recipe(0.8, seeds=2), recipe(0.6, seeds=2))


@situation(
    "five seeds that give the same bytes, 70 items, 0.03 better by luck (margin 0.02)",
    "unchanged",
    "inconclusive",
)
def _(bench: Bench) -> Answer:
    before, after = (recipe(s, luck=0.0, margin=0.02, items=70, deaf=True) for s in (0.80, 0.829))
    return _compared(bench, before, after)


@situation(
    "five seeds that give the same bytes, 70 items, 0.057 worse; what the metric read is damaged afterwards",
    "inconclusive, before and after",
)
def _(bench: Bench) -> Answer:
    before, worse = (
        recipe(s, luck=0.0, margin=0.02, items=70, deaf=True).replace("items: 70", "items: 70, jitter: 0.3")
        for s in (0.83, 0.77)
    )
    bench.accept(before)
    whole = bench.compare(worse)
    for file in (bench.folder / ".harness" / "objects").glob("*/*/out/predictions.parquet"):
        file.chmod(0o644)
        file.write_bytes(file.read_bytes() + b"x")
    after = bench.compare(worse)
    said = {compared.verdict(ACCURACY) for compared in (whole, after)}
    told = f"{said.pop()}, before and after" if len(said) == 1 else "one word before, another after"
    return Answer(told, f"a threshold: {after.threshold(ACCURACY)}")


@situation("a stage that ignores its seed; the recipe is worse by 0.3 on 300 items", "regressed")
def _(bench: Bench) -> Answer:
    before, after = (recipe(s, luck=0.0, items=300, deaf=True) for s in (0.9, 0.6))
    return _compared(bench, before, after)


@situation("a generator trained once, and once more on another machine; five sampling seeds", "inconclusive")
def _(bench: Bench) -> Answer:
    text = ONCE.format(skill=0.8, luck=0.1)
    return _compared(bench, text, text, machine="f")


@situation(
    "a generator trained once, by a recipe that is worse; five sampling seeds",
    "regressed, with no claim about the recipe of `painter`",
)
def _(bench: Bench) -> Answer:
    bench.accept(ONCE.format(skill=0.8, luck=0.02))
    compared = bench.compare(ONCE.format(skill=0.5, luck=0.02))
    said = f"{compared.ran.out}\n{compared.ran.err}"
    limited = "these two runs of `painter`" in said and "no claim about the recipe" in said
    told = compared.verdict(ACCURACY) + (", with no claim about the recipe of `painter`" if limited else "")
    return Answer(told, f"a threshold: {compared.threshold(ACCURACY)}")


@situation(
    "three trainings with three samplings each: luck of 0.1 between trainings (margin 0.03)", "inconclusive"
)
def _(bench: Bench) -> Answer:
    text = NESTED.format(skill=0.7)
    return _compared(bench, text, text, machine="c")


@situation("forty pairs of equal recipes, 20 items, three seeds (margin 0)", "at most 6 of 40 claim a change")
def _(bench: Bench) -> Answer:
    text = recipe(0.7, luck=0.04, margin=0.0, seeds=3, items=20)
    claims, told = _pairs(bench, text, ("improved", "regressed"))
    return Answer(
        f"{'at most 6' if claims <= 6 else claims} of 40 claim a change", f"a threshold: {told} of 40"
    )


def _pairs(bench: Bench, text: str, words: tuple[str, ...]) -> tuple[int, int]:
    """One machine against forty others: how often one of the words was said, and how often by a threshold.

    Where 5 % are allowed, 5 of 40 or fewer are seen in 98 of 100 tables (6, of 10 %: in 90 of 100).
    """
    bench.accept(text, PLANTED_MACHINE="a")
    claims, told = 0, 0
    for pair in range(40):
        machine = f"m{pair}"
        compared = bench.compare(text, store=f"store-{machine}", PLANTED_MACHINE=machine)
        claims += compared.verdict(ACCURACY) in words
        told += compared.threshold(ACCURACY) in words
    return claims, told


@situation("twenty gates over nothing but luck", "no gate claims a change")
def _(bench: Bench) -> Answer:
    models = "".join(
        f"  m{i}: {{use: planted.train, skill: {0.5 + i / 100}, luck: 0.05}}\n" for i in range(20)
    )
    metrics = "".join(f"  w{i}: {{use: planted.worth, model: m{i}}}\n" for i in range(20))
    seeds = "".join(f"  m{i}.seed: [0, 1, 2, 3, 4]\n" for i in range(20))
    gates = "".join(f"  w{i}.value: 0.01\n" for i in range(20))
    subject = ", ".join(f"m{i}" for i in range(20))
    text = (
        f"suite: planted/many\nabout: Twenty recipes.\nsubject: [{subject}]\nstages:\n{models}metrics:\n{metrics}"
        f"seeds:\n{seeds}gate:\n{gates}"
    )
    bench.accept(text, PLANTED_MACHINE="a")
    compared = bench.compare(text, store="store-b", PLANTED_MACHINE="b")
    claims = sum(f["verdict"] in ("improved", "regressed") for f in compared.findings)
    told = sum(compared.threshold(f"w{i}.value") != "unchanged" for i in range(20))
    return Answer(
        f"{claims or 'no'} gate{'s claim' if claims > 1 else ' claims'} a change",
        f"a threshold: {told} of 20",
    )


@situation("a swept seed that sampling at temperature 0 cannot use", "refused before anything runs")
def _(bench: Bench) -> Answer:
    text = (
        "suite: planted/cold\nabout: Greedy generation.\nsubject: [texts]\nstages:\n"
        "  words: {use: corpus.docstrings, package: torchgeo.datasets}\n"
        "  blank: {use: language_model.build, corpus: words, architecture: tiny-phi, vocabulary: 300}\n"
        "  texts: {use: language_model.generate, model: blank, prompts: [A], max_tokens: 4, temperature: 0}\n"
        "metrics:\n  repetition: {use: repetition.rate, texts: texts}\nseeds:\n  texts.seed: [0, 1, 2]\n"
    )
    said = bench.harness("plan", bench.suite(text))
    refused = said.code == 2 and "temperature" in said.err
    return Answer(
        "refused before anything runs" if refused else f"exit code {said.code}",
        "transformers: five equal texts",
    )


@situation("a generator and two of its samplings are lost and made again on another machine", "inconclusive")
def _(bench: Bench) -> Answer:
    text = ONCE.format(skill=0.8, luck=0.1)
    bench.accept(text)
    record = json.loads((bench.folder / "baseline-run" / "run.json").read_text())
    for task in record["tasks"]:
        if task["node"] == "painter" or task["seeds"].get("images.seed", 0) > 2:
            key = task["key"]
            shutil.rmtree(bench.folder / ".harness" / "objects" / key[:2] / key, ignore_errors=True)
    compared = bench.compare(text, PLANTED_MACHINE="f")
    return Answer(compared.verdict(ACCURACY), f"a threshold: {compared.threshold(ACCURACY)}")


@situation(
    "ten seeds, of which six collapse to one output on both sides; a mean worse by 0.03 (margin 0.05)",
    "inconclusive",
)
def _(bench: Bench) -> Answer:
    before, after = (
        recipe(skill, luck=0.02, margin=0.05, seeds=10).replace(
            "deaf: false", "deaf: false, collapsed: [0, 1, 2, 3, 4, 5]"
        )
        for skill in (0.75, 0.675)
    )
    answer = _compared(bench, before, after)
    record = json.loads((bench.folder / "run-1" / "run.json").read_text())
    values = [r["values"]["overall_accuracy"] for r in record["scores"][0]["repeats"]]
    (told,) = [f["estimate"] for f in record["comparison"]["findings"] if f["gated"]]
    is_mean = abs(told["candidate"] - sum(values) / 10) < 1e-9
    return answer if is_mean else answer._replace(harness="another mean than that of the ten seeds")


@situation(
    "two trainings are blended, five seeds of one and one seed of the other, on another machine",
    "inconclusive",
)
def _(bench: Bench) -> Answer:
    text = (
        "suite: planted/blend\nabout: Two parts, of which one is repeated.\nsubject: [a, b]\nstages:\n"
        "  a: {use: planted.train, skill: 0.8, luck: 0.01}\n  b: {use: planted.train, skill: 0.8, luck: 0.15}\n"
        "  both: {use: planted.blend, first: a, second: b}\n"
        "  said: {use: planted.predict, model: both, items: 400}\nmetrics:\n"
        "  scores: {use: classification.scores, predictions: said}\n"
        "seeds:\n  a.seed: [0, 1, 2, 3, 4]\n  b.seed: [0, 0, 0, 0, 0]\ngate:\n  scores.overall_accuracy: 0.05\n"
    )
    return _compared(bench, text, text, machine="b")


@situation(
    "a recipe of luck (0.1) against the same with a fault: it ignores its seed (margin 0.02)", "inconclusive"
)
def _(bench: Bench) -> Answer:
    before, after = (recipe(0.8, luck=0.1, margin=0.02, deaf=deaf) for deaf in (False, True))
    return _compared(bench, before, after, machine="c")


@situation(
    "a checkpoint of equal bytes, judged by a judge that was trained anew on another machine", "inconclusive"
)
def _(bench: Bench) -> Answer:
    text = (
        "suite: planted/judge\nabout: A judge is trained once.\nsubject: [model.skill]\nstages:\n"
        "  model: {use: planted.load, skill: 0.9}\n  judge: {use: planted.train, skill: 0.8, luck: 0.1}\n"
        "metrics:\n  judged: {use: planted.judged, model: model, judge: judge}\n"
        "seeds:\n  judge.seed: [0, 1, 2]\ngate:\n  judged.value: 0.02\n"
    )
    bench.accept(text, PLANTED_MACHINE="a")
    compared = bench.compare(text, store="store-b", PLANTED_MACHINE="b")
    return Answer(compared.verdict("judged.value"), f"a threshold: {compared.threshold('judged.value')}")


@situation(
    "the training behind a baseline is executed anew, and the baseline's weights are exported", "refused"
)
def _(bench: Bench) -> Answer:
    text = recipe(0.8, luck=0.1)
    bench.accept(text, PLANTED_MACHINE="a")
    bench.harness("run", bench.suite(text), "--fresh", "model", "--out", "again", PLANTED_MACHINE="b")
    said = bench.harness("export", "baseline-run", "model", "--at", "model.seed=0", "--to", "weights")
    told = (
        "refused" if said.code == 2 and "another execution" in said.err else "other weights, under its name"
    )
    return Answer(told, "a file name: other weights, under its name")


@situation("a run is compared with the suite's latest run, and the model was made worse", "regressed")
def _(bench: Bench) -> Answer:
    assert bench.harness("run", bench.suite(recipe(0.8))).code == 4
    assert bench.harness(
        "run", bench.suite(recipe(0.5)), "--baseline", "planted/recipe", "--out", "worse"
    ).code in (0, 6)
    comparison = json.loads((bench.folder / "worse" / "run.json").read_text())["comparison"]
    (found,) = [f for f in comparison["findings"] if f["gated"]]
    return Answer(str(found["verdict"]), "a threshold: regressed")
