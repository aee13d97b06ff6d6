"""What making the images cost, as the sampling stage measured it.

Two metrics, because they are comparable in two ways. Network evaluations are the same on every machine. Times
and bytes say something beside those of the same hardware only, so they carry it as a condition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.artifact import GeneratedImages, Json
from harness.errors import StageError
from harness.stage import Higher, Lower, Scores, stage


@dataclass(frozen=True, kw_only=True)
class SamplingScores(Scores):
    """The same wherever it is measured."""

    evaluations: Lower
    """Evaluations of the denoising network per image. Not the steps: PNDM's 50 are 51, Heun's 2 × 50 − 1."""


@dataclass(frozen=True, kw_only=True)
class SpeedScores(Scores):
    """Of one machine: device, threads and number of images are conditions. The batch size is not: a better one is
    a gain like any other. It stands in the details.
    """

    s_per_image: Lower
    """Seconds of wall time per image, for all of the sampling."""
    images_per_s: Higher
    """Its inverse."""
    peak_bytes: Lower
    """Largest memory in use while sampling: the device's, or the process's on a CPU."""


@stage(version=1)
def sampling(images: GeneratedImages) -> SamplingScores:
    """Network evaluations per image.

    Raises:
        StageError: images of another system, of which nobody knows it.
    """
    return SamplingScores(evaluations=_number(_cost(images), "evaluations"))


@stage(version=1)
def speed(images: GeneratedImages) -> SpeedScores:
    """Time and memory of the sampling, on the machine that did it (which need not be the one that scores).

    Raises:
        StageError: images of another system, of which nobody knows it.
    """
    cost = _cost(images)
    wall_s, count = _number(cost, "wall_s"), _number(cost, "images")
    return SpeedScores(
        s_per_image=wall_s / count,
        images_per_s=count / wall_s,
        peak_bytes=_number(cost, "peak_bytes"),
        conditions={"device": cost["device"], "threads": cost["threads"], "n": cost["images"]},
        details={"batch_size": cost["batch_size"]},
    )


def _cost(images: GeneratedImages) -> Mapping[str, Json]:
    cost = images.facts.get("cost")
    if not isinstance(cost, Mapping):
        raise StageError("these images have no known cost; only text_to_image.sample measures it")
    return cost


def _number(cost: Mapping[str, Json], name: str) -> float:
    value = cost[name]
    assert isinstance(value, int | float)
    return float(value)
