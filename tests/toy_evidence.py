"""A toy suite whose verdicts need more or fewer seeds, and a package whose code a test can edit."""

from __future__ import annotations

from pathlib import Path

from command_line import Project, Said, finish, package, start
from toy_suites import changed, write_suite

SUITE = "suites/suite.yaml"
TEXT = changed(
    ("A centre is learned from numbers and scored on others.", "One metric, one gate, three seeds."),
    ("matrix:\n  model.loss: [square, absolute]\n  model.rate: [0.1, 0.2]\n", ""),
    ("reference: {model.loss: square, model.rate: 0.1}\n", ""),
    ("  fit: 0.1\n  fit.within: 5%\n", "  fit: 0.05\n"),
)
EIGHT = TEXT.replace("[0, 1, 2]", "[0, 1, 2, 3, 4, 5, 6, 7]")

LUCK = """\
import os
import random
from dataclasses import dataclass
from harness.artifact import Artifact
from harness.stage import Items, Job, Lower, Scores, Seed, stage

class Luck(Artifact):
    "A number in luck.txt."

@stage(version=1)
def draw(*, count: int = 5, seed: Seed = 0, job: Job) -> Luck:
    LINE
    folder = job.folder()
    machine = len(os.environ.get("MACHINE", ""))
    (folder / "luck.txt").write_text(str(random.Random(seed + machine).random() * count))
    return Luck(folder)

@dataclass(frozen=True, kw_only=True)
class Found(Scores):
    size: Lower
    half: Lower

@stage(version=1)
def measure(luck: Luck) -> Found:
    size = float((luck.path / "luck.txt").read_text())
    return Found(size=size, half=size / 2, items=Items(["only"], {"size": [size]}), conditions={"n": 1})

@stage(version=1)
def other(luck: Luck) -> Found:
    size = float((luck.path / "luck.txt").read_text())
    return Found(size=-size, half=0.0)
"""
LUCKY = """\
suite: lucky
about: A number is drawn and measured.
subject: [drawn]
stages:
  drawn: {use: lucky.draw}
metrics:
  found: {use: lucky.measure, luck: drawn}
  other: {use: lucky.other, luck: drawn}
seeds:
  drawn.seed: [0, 1, 2]
gate:
  found: 0.1
"""


class Lucky:
    """A project with an accepted baseline ``lucky/cpu``, whose stages lie in a package that a test may edit."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.place = project.folder / "packages"
        self.code = self.place / "lucky_stages.py"

    def make(self, line: str = "pass") -> None:
        """Run the suite and accept it; ``line`` is the first of the stage ``lucky.draw``."""
        package(self.place, "lucky", LUCK.replace("LINE", line))
        write_suite(self.project.folder, LUCKY, "lucky.yaml")
        first = self.harness("run", "suites/lucky.yaml")
        assert first.code == 4, first.err
        assert self.harness("accept", "lucky", "--reason", "first figures").code == 0

    def harness(self, *arguments: str | Path) -> Said:
        """A command in a process of its own, which reads the package anew."""
        return finish(start(self.project.folder, *arguments, packages=(self.place,)))

    def edit(self, old: str, new: str) -> None:
        text = self.code.read_text()
        assert text.count(old) == 1, old
        self.code.write_text(text.replace(old, new))

    @property
    def baseline(self) -> Path:
        return self.project.folder / "baselines" / "lucky" / "cpu.json"
