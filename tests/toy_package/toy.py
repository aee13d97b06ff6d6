"""Another author's package, in small: numbers are drawn, a centre is learned from them, its error scored."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from annotated_types import Ge, Interval, MinLen

from harness.artifact import Artifact, Json
from harness.errors import StageError
from harness.sources.content import files_of
from harness.sources.hub import Source
from harness.stage import (
    Count,
    Direction,
    Execution,
    Fraction,
    Items,
    Job,
    Lower,
    NonNegative,
    Positive,
    Scores,
    Seed,
    stage,
)


class Numbers(Artifact):
    """``numbers.json``: a list of floats."""


class Model(Artifact):
    """``model.json``: ``{"centre": float}``."""


class Split(NamedTuple):
    train: Numbers
    test: Numbers


class Shape(Enum):
    """A distribution around the mean."""

    GAUSS = "gauss"
    UNIFORM = "uniform"


@dataclass(frozen=True)
class File:
    """``path:FILE``: numbers of one's own, known by their content."""

    text: str
    folder: Path = Path()

    @classmethod
    def from_text(cls, text: str) -> File:
        if not text.startswith("path:") or text == "path:":
            raise ValueError(f"{text!r} is not of the form path:FILE")
        return cls(text)

    def relative_to(self, folder: Path) -> File:
        return File(self.text, folder)

    @property
    def path(self) -> Path:
        return self.folder / self.text.removeprefix("path:")

    def to_key(self) -> Json:
        return sha256(self.path.read_bytes()).hexdigest() if self.path.exists() else self.text


@stage(version=1)
def draw(
    *,
    count: Count,
    mean: float = 0.0,
    spread: NonNegative = 1.0,
    shape: Shape = Shape.GAUSS,
    label: str | None = None,
    seed: Seed = 0,
    job: Job,
) -> Numbers:
    """Draw numbers around a mean.

    Args:
        count: how many.
        mean: of the distribution.
        spread: its standard deviation, or half its width.
        shape: which distribution.
        label: a word of your own for the record.
        seed: of the drawing.
        job: who runs this.
    """
    rng = random.Random(seed)
    one = rng.gauss if shape is Shape.GAUSS else lambda m, s: rng.uniform(m - s, m + s)
    return Numbers(_write(job.folder(), [one(mean, spread) for _ in range(count)]), {"label": label})


@stage(version=1)
def read(*, source: File, columns: Annotated[tuple[str, ...], MinLen(1)] = ("value",), job: Job) -> Numbers:
    """Numbers from a JSON file of one's own."""
    numbers = [float(n) for n in json.loads(source.path.read_text())]
    return Numbers(_write(job.folder(), numbers), {"columns": list(columns)})


@stage(version=1)
def gather(*, source: Source, job: Job) -> Numbers:
    """Numbers from every JSON file in a folder, file by file."""
    numbers: list[float] = []
    for done, path in enumerate(files_of(source.path).values(), start=1):
        job.progress(done, 0, "files")
        numbers += json.loads(path.read_text())
    return Numbers(_write(job.folder(), numbers))


@stage(version=1)
def split(numbers: Numbers, *, held_out: Fraction = 0.5, job: Job) -> Split:
    """Hold the last share of the numbers out."""
    values = _read(numbers)
    cut = len(values) - round(held_out * len(values))
    parts = values[:cut], values[cut:]
    return Split(*(Numbers(_write(job.folder(n), p)) for n, p in zip(Split._fields, parts, strict=True)))


@stage(version=1)
def pool(parts: tuple[Numbers, ...], *, job: Job) -> Numbers:
    """Several sets of numbers as one."""
    return Numbers(_write(job.folder(), [n for part in parts for n in _read(part)]))


@stage(version=1)
def limit(numbers: Numbers, *, at_most: float, job: Job) -> Numbers:
    """The same numbers, unless one is too large: then the task fails."""
    values = _read(numbers)
    if values and max(values) > at_most:
        raise StageError(f"{max(values):g} is larger than {at_most:g}")
    return Numbers(_write(job.folder(), values))


@stage(version=1)
def train(
    data: Numbers,
    start: Model | None = None,
    *,
    epochs: Count = 3,
    rate: Annotated[float, Interval(gt=0, le=1)] = 0.1,
    loss: Literal["square", "absolute"] = "square",
    weights: dict[str, Positive] = {},  # noqa: B006
    shuffle: bool = True,
    window: tuple[int, float] = (1, 1.0),
    batch_size: Execution[Count] = 4,
    seed: Seed = 0,
    job: Job,
) -> Model:
    """Learn the centre of the numbers by gradient descent.

    Args:
        data: what to learn from.
        start: a model to go on from.
        epochs: passes over the numbers.
        rate: step size.
        loss: what is minimised.
        weights: weight by sign, ``negative`` or ``positive``.
        shuffle: another order in every pass.
        window: every how many numbers to step, and by how much more.
        batch_size: numbers handled at a time; changes nothing.
        seed: of start and order.
        job: who runs this.
    """
    rng = random.Random(seed)
    values = _read(data)
    centre = json.loads((start.path / "model.json").read_text())["centre"] if start else rng.gauss(0, 1)
    every, factor = window
    for epoch in range(epochs):
        if shuffle:
            rng.shuffle(values)
        for value in values[::every]:
            weight = weights.get("negative" if value < 0 else "positive", 1.0) * factor
            slope = value - centre if loss == "square" else (1.0 if value > centre else -1.0)
            centre += rate * weight * slope
        job.progress(epoch + 1, epochs, "epochs")
    folder = job.folder()
    (folder / "model.json").write_text(json.dumps({"centre": centre}))
    return Model(folder, {"centre": centre})


@dataclass(frozen=True, kw_only=True)
class Fit(Scores):
    bias: float
    """Centre minus mean; neither way is better."""
    error: Lower
    """Mean distance to the centre to the given power."""
    within: Annotated[float, Direction("higher", low=0, high=1)]
    """Share of the numbers closer than 1."""


@stage(version=1)
def measure(model: Model, data: Numbers, *, power: Annotated[int, Ge(1)] = 1) -> Fit:
    """How well a centre fits numbers."""
    centre, values = json.loads((model.path / "model.json").read_text())["centre"], _read(data)
    columns = {
        "error": [abs(v - centre) ** power for v in values],
        "within": [float(abs(v - centre) < 1) for v in values],
    }
    means = {name: sum(column) / len(column) for name, column in columns.items()}
    return Fit(
        bias=centre - sum(values) / len(values),
        error=means["error"],
        within=means["within"],
        items=Items([f"{i:04d}" for i in range(len(values))], columns),
        conditions={"n": len(values)},
        steps={"within": 1 / len(values)},
    )


@dataclass(frozen=True, kw_only=True)
class Size(Scores):
    numbers: float
    """How many there are: reported only."""


@stage(version=1)
def size(data: Numbers) -> Size:
    """Count numbers."""
    return Size(numbers=float(len(_read(data))))


def _write(folder: Path, numbers: list[float]) -> Path:
    (folder / "numbers.json").write_text(json.dumps(numbers))
    return folder


def _read(numbers: Numbers) -> list[float]:
    return [float(n) for n in json.loads((numbers.path / "numbers.json").read_text())]
