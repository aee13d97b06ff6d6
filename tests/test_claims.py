"""What is claimed, as a person sees it: nothing of a recipe that was tried once, of repeats that repeat nothing, of
one value, or of a clock that nobody looked at.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command_line import Project, package
from toy_suites import write_suite

CODE = """\
import os, random, time
from dataclasses import dataclass
from typing import Annotated, ClassVar
from harness.artifact import Artifact, Classifier
from harness.stage import Direction, Items, Job, Lower, Scores, Seed, stage

class Numbers(Artifact):
    "numbers.txt"

@stage(version=1)
def train(*, rate: float = 0.1, seed: Seed = 0, job: Job) -> Classifier:
    folder = job.folder()
    (folder / "model.txt").write_text(str(rate + float(os.environ["LUCK"]) + random.Random(seed).random() / 1000))
    return Classifier(folder)

@stage(version=1)
def sample(model: Classifier, *, noise: float = 0.01, count: int = 12, seed: Seed = 0, job: Job) -> Numbers:
    folder, rng = job.folder(), random.Random(seed)
    centre = float((model.path / "model.txt").read_text())
    (folder / "numbers.txt").write_text(" ".join(str(centre * (1 + noise * rng.gauss(0, 1))) for _ in range(count)))
    return Numbers(folder, {"wall_s": time.monotonic()})

@dataclass(frozen=True, kw_only=True)
class Error(Scores):
    error: Annotated[float, Direction("lower", low=0, high=10)]
    middle: Lower

@stage(version=1)
def measure(numbers: Numbers) -> Error:
    values = [float(v) for v in (numbers.path / "numbers.txt").read_text().split()]
    names = [str(i) for i in range(len(values))]
    mean = sum(values) / len(values)
    return Error(error=mean, middle=sorted(values)[6], items=Items(names, {"error": values}))

@dataclass(frozen=True, kw_only=True)
class Speed(Scores):
    TIMED: ClassVar[bool] = True
    seconds: Lower

@stage(version=1)
def speed(numbers: Numbers) -> Speed:
    return Speed(seconds=1.0 + float(os.environ["LUCK"]))
"""
SUITE = """\
suite: lucky
about: A painter is trained, and what it paints is measured.
subject: [painter]
stages:
  painter: {use: WORD.train}
  images:  {use: WORD.sample, model: painter}
metrics:
  fit: {use: WORD.measure, numbers: images}
seeds:
  images.seed: [0, 1, 2, 3, 4]
gate:
  fit: 0.05
"""
FILE = "suites/lucky.yaml"
ONCE = "`painter` {} once: no claim about the recipe of it; to repeat: seeds: {{painter.seed: [0, 1, 2]}}"


class Lucky:
    """A project whose trainings have a luck that is in no key."""

    def __init__(self, project: Project, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
        self.project, self.patch = project, monkeypatch
        self.word = f"chance{number}"
        package(project.folder / "site", self.word, CODE)
        monkeypatch.syspath_prepend(project.folder / "site")
        self.luck(0.0)

    def luck(self, value: float) -> None:
        self.patch.setenv("LUCK", str(value))

    def suite(self, *changes: tuple[str, str]) -> None:
        text = SUITE
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        write_suite(self.project.folder, text.replace("WORD", self.word), "lucky.yaml")

    def accepted(self, *changes: tuple[str, str]) -> None:
        self.suite(*changes)
        assert self.project.harness("run", FILE).code == 4
        self.project.accept("lucky")

    def finding(self, name: str = "fit.error") -> dict[str, Any]:
        metric, _, field = name.partition(".")
        (found,) = (
            f
            for f in self.project.latest["comparison"]["findings"]
            if (f["metric"], f["field"]) == (metric, field)
        )
        return dict(found)

    def renderings(self) -> dict[str, str]:
        folder = self.project.runs[-1]
        return {n: (folder / n).read_text() for n in ("report.md", "report.html", "junit.xml", "run.json")}


_numbers = iter(range(1000))


@pytest.fixture
def lucky(project: Project, monkeypatch: pytest.MonkeyPatch) -> Lucky:
    return Lucky(project, monkeypatch, next(_numbers))


def test_another_training_of_one_recipe_is_no_verdict_on_it(lucky: Lucky) -> None:
    lucky.accepted()
    lucky.luck(0.3)
    said = lucky.project.harness("run", FILE, "--fresh", "painter")
    found = lucky.finding()
    assert (said.code, found["verdict"]) == (0, "inconclusive")
    assert (
        "`painter` has the same recipe on both sides, executed anew, and came out differently"
        in found["reason"]
    )
    assert "painter.seed: [0, 1, 2]" in found["reason"]
    assert found["claim"]["text"] == "the recipe of `images`, these two trainings of `painter`"
    assert "these two trainings of `painter`" in said.out
    assert lucky.project.harness("run", FILE, "--strict").code == 3, "the store still has the other training"


def test_another_recipe_that_was_tried_once_is_judged_and_named_so_everywhere(lucky: Lucky) -> None:
    lucky.accepted()
    plan = lucky.project.harness("plan", FILE)
    assert ONCE.format("runs") in plan.out
    said = lucky.project.harness("run", FILE, "--set", "painter.rate=0.4")
    assert lucky.finding()["verdict"] == "regressed"
    assert said.code not in (0, 4)
    text = "the recipe of `images`, these two trainings of `painter`"
    assert text in said.out
    assert ONCE.format("was run") in said.out
    for name, rendered in lucky.renderings().items():
        plain = rendered.replace("\\`", "`").replace("\\[", "[").replace("\\]", "]").replace("&#96;", "`")
        assert text in plain, name
        assert "to repeat: seeds:" in plain, name


def test_where_the_training_is_repeated_the_claim_is_the_recipe(lucky: Lucky) -> None:
    swept = (
        "  images.seed: [0, 1, 2, 3, 4]",
        "  painter.seed: [0, 1, 2, 3, 4]\n  images.seed: [0, 1, 2, 3, 4]",
    )
    lucky.accepted(swept)
    assert "runs once" not in lucky.project.harness("plan", FILE).out
    lucky.luck(0.3)
    lucky.project.harness("run", FILE, "--fresh", "painter")
    found = lucky.finding()
    assert found["verdict"] == "regressed", "five trainings elsewhere are evidence"
    assert found["claim"]["text"] == "the recipe of `painter` and `images`"


def test_seeds_that_give_the_same_bytes_are_one_repeat_and_items_take_over(lucky: Lucky) -> None:
    lucky.accepted(("sample, model: painter", "sample, model: painter, noise: 0.0"))
    lucky.project.harness("run", FILE, "--set", "painter.rate=0.4")
    found = lucky.finding()
    assert "5 seeds gave the same bytes: one repeat" in found["beside"]
    assert found["verdict"] == "inconclusive"
    assert "all 12 items moved by the same" in found["reason"]
    middle = lucky.finding("fit.middle")
    assert (middle["verdict"], middle["estimate"]["low"]) == (None, None)
    assert "one value a side" in middle["reason"]


def test_without_seeds_a_field_without_rows_makes_no_claim(lucky: Lucky) -> None:
    seeds = ("seeds:\n  images.seed: [0, 1, 2, 3, 4]\n", "")
    lucky.accepted(seeds, ("  fit: 0.05", "  fit: 0.05\n  fit.middle: 0.05"))
    again = lucky.project.harness("run", FILE)
    assert (again.code, lucky.finding("fit.middle")["verdict"]) == (0, "unchanged")
    assert lucky.finding("fit.middle")["estimate"]["unit"] == "exact"
    lucky.project.harness("run", FILE, "--set", "painter.rate=0.4")
    assert lucky.finding("fit.middle")["verdict"] == "inconclusive"
    assert "one value a side" in lucky.finding("fit.middle")["reason"]
    assert lucky.finding("fit.error")["verdict"] == "regressed", "its items say enough"


def test_a_time_that_came_from_the_store_is_no_timing(lucky: Lucky) -> None:
    text = (
        ("metrics:\n", "metrics:\n  time: {use: WORD.speed, numbers: images}\n"),
        ("  fit: 0.05", "  time: 0.05"),
    )
    lucky.accepted(*text)
    said = lucky.project.harness("run", FILE)
    found = lucky.finding("time.seconds")
    assert (said.code, found["verdict"]) == (0, "inconclusive")
    assert "no timing of this run: what was timed came from the store" in found["reason"]
    note = lucky.project.harness("accept", "lucky", "--reason", "again")
    assert "no timing: what time timed came from the store" in note.out
    lucky.project.harness("run", FILE, "--fresh", "images")
    assert "no timing of the baseline" in lucky.finding("time.seconds")["reason"]


def test_no_command_shows_a_time_from_the_store_as_a_timing(lucky: Lucky) -> None:
    no_timing, place = "no timing (from the store)", Path("reports/leaderboard/leaderboard.md")
    text = (
        ("metrics:\n", "metrics:\n  time: {use: WORD.speed, numbers: images}\n"),
        ("  fit: 0.05", "  time: 0.05"),
    )
    lucky.accepted(*text)
    again = lucky.project.harness
    for command in (("plan", FILE), ("history", "lucky")):
        assert no_timing not in again(*command).out, "its work was done in the run"
    assert again("run", FILE).code == 0
    lucky.project.accept("lucky")

    assert f"! time.seconds: {no_timing} in the baseline" in again("plan", FILE).out
    history = again("history", "lucky").out
    assert no_timing in history
    assert "[1." not in history
    runs = [folder.name for folder in lucky.project.runs]
    assert again("leaderboard", *runs).code == 0
    board = place.read_text()
    assert f"time: {no_timing}" in board
    assert "more seeds would help" not in board
    assert "want of timings" in board
    for said in (again("calibrate", FILE).out, again("calibrate", FILE).out):
        assert no_timing in said
        assert "wide enough" not in said
        assert "interval" not in said


def test_a_margin_that_cannot_fail_is_said_before_and_beside(lucky: Lucky) -> None:
    lucky.accepted(("  fit: 0.05", "  fit: 20.0\n  fit.middle: 3.0"))
    plan = lucky.project.harness("plan", FILE)
    assert "margin 20 is more than the whole range (0 to 10): the gate cannot fail" in plan.out
    assert "times the baseline's value" in plan.out
    said = lucky.project.harness("run", FILE)
    assert "the gate cannot fail" in said.out
    assert any("the whole range" in s for s in lucky.finding()["beside"])
    assert lucky.finding()["sees"] > 0
    assert "sees" in said.out


def test_a_record_of_an_older_schema_ends_in_one_line(lucky: Lucky) -> None:
    lucky.accepted()
    (file,) = Path("baselines").rglob("cpu.json")
    file.write_text(file.read_text().replace("harness.run/2", "harness.run/1"))
    said = lucky.project.harness("run", FILE)
    assert said.code == 2
    assert "harness.run/1" in said.error
    assert "accept" in said.error
