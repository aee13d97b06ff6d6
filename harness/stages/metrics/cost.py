"""Cost of the work, as measured by the stage that did it.

There are several metrics, because they differ in what they can be compared with. Network evaluations are the same on
every machine. Times and bytes can be compared on the same hardware only, so the hardware is a condition of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from harness.artifact import Artifact, GeneratedImages, Json
from harness.errors import StageError
from harness.stage import Higher, Items, Lower, Scores, stage


@dataclass(frozen=True, kw_only=True)
class SamplingScores(Scores):
    """Scores that are the same on every machine."""

    evaluations: Lower
    """Evaluations of the denoising network per image. This is not the number of steps: PNDM's 50 steps are 51
    evaluations, Heun's 2 × 50 − 1.
    """


@dataclass(frozen=True, kw_only=True)
class SpeedScores(Scores):
    """Scores of one machine: device, threads and number of images are conditions.

    The batch size is not a condition, because a better one is a gain like any other. It is in the details.
    """

    TIMED: ClassVar[bool] = True
    s_per_image: Lower
    """Seconds of wall time per image, for all of the sampling."""
    images_per_s: Higher
    """Inverse of ``s_per_image``."""
    peak_bytes: Lower
    """Largest memory in use while sampling: the device's, or the process's on a CPU."""
    host_bytes: Lower
    """Largest memory of the process that sampled."""


@dataclass(frozen=True, kw_only=True)
class TokenScores(Scores):
    """Scores of one machine: device, threads and number of tokens are conditions."""

    TIMED: ClassVar[bool] = True
    s_per_1000_tokens: Lower
    """Seconds of wall time per thousand tokens trained on, predicted or generated."""
    tokens_per_s: Higher
    """Inverse of ``s_per_1000_tokens``, times a thousand."""
    peak_bytes: Lower
    """Largest memory in use: the device's, or the process's on a CPU."""
    host_bytes: Lower
    """Largest memory of the process."""


@stage(version=1)
def sampling(images: GeneratedImages) -> SamplingScores:
    """Network evaluations per image. The number is the same for each image, so the rows do not vary.

    Raises:
        StageError: images of another system, whose cost is not recorded.
    """
    from harness.formats.image_folder import rows

    evaluations = _number(_cost(images, "text_to_image.sample"), "evaluations")
    names = [row.name for row in rows(images)]
    return SamplingScores(
        evaluations=evaluations,
        items=Items(names, {"evaluations": [evaluations] * len(names)}),
        steps={"evaluations": 1 / len(names)},
    )


@stage(version=1)
def speed(images: GeneratedImages) -> SpeedScores:
    """Time and memory of the sampling, on the machine that did it (it may differ from the one that scores).

    Raises:
        StageError: images of another system, whose cost is not recorded.
    """
    cost = _cost(images, "text_to_image.sample")
    wall_s, count = _number(cost, "wall_s"), _number(cost, "images")
    return SpeedScores(
        s_per_image=wall_s / count,
        images_per_s=count / wall_s,
        peak_bytes=_number(cost, "peak_bytes"),
        host_bytes=_number(cost, "host_bytes"),
        conditions={"device": cost["device"], "threads": cost["threads"], "n": cost["images"]},
        details={"batch_size": cost["batch_size"], **_energy(cost, count, "j_per_image")},
    )


@stage(version=1)
def tokens(work: Artifact) -> TokenScores:
    """Time and memory of a language model's work, on the machine that did it.

    Args:
        work: the output of ``language_model.finetune``, ``likelihood`` or ``generate``.

    Raises:
        StageError: work whose cost is not recorded.
    """
    cost = _cost(work, "language_model.finetune, likelihood or generate")
    wall_s, count = _number(cost, "wall_s"), _number(cost, "tokens")
    return TokenScores(
        s_per_1000_tokens=1000 * wall_s / count,
        tokens_per_s=count / wall_s,
        peak_bytes=_number(cost, "peak_bytes"),
        host_bytes=_number(cost, "host_bytes"),
        conditions={"device": cost["device"], "threads": cost["threads"], "n": cost["tokens"]},
        details={"batch_size": cost["batch_size"], **_energy(cost, count / 1000, "j_per_1000_tokens")},
    )


def _energy(cost: Mapping[str, Json], count: float, name: str) -> dict[str, Json]:
    """Joules per unit of work, if the accelerator counts them."""
    return {} if cost["energy_j"] is None else {name: _number(cost, "energy_j") / count}


def _cost(work: Artifact, measured_by: str) -> Mapping[str, Json]:
    cost = work.facts.get("cost")
    if not isinstance(cost, Mapping):
        raise StageError(f"{type(work).__name__} without a known cost; only {measured_by} measures it")
    return cost


def _number(cost: Mapping[str, Json], name: str) -> float:
    value = cost[name]
    assert isinstance(value, int | float)
    return float(value)
