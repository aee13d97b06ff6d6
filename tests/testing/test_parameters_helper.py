"""The proof that parameters have an effect: it holds for stages that keep their contract, and finds each breach."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from harness.artifact import Artifact, Captions, Images
from harness.formats import captions
from harness.stage import Count, Execution, Items, Job, Lower, Scores, Seed, stage
from harness.testing import Changed, check_parameters, content, image_folder

TURN = itertools.count()


@stage(version=1)
def words(
    *, count: Count, suffix: str | None = None, times: Count = 1, at: Execution[Count] = 4, job: Job
) -> Captions:
    """``times`` acts only with a suffix; ``at`` does nothing."""
    folder = job.folder()
    captions.write(folder, {f"{i}": [f"word {i}{(suffix or '') * times}"] for i in range(count)})
    return Captions(folder, {"at": at})


@stage(version=1)
def idle(*, count: Count, unused: Count = 1, job: Job) -> Captions:
    """``unused`` is only a fact."""
    return Captions(words(count=count, job=job).path, {"unused": unused})


@stage(version=1)
def hasty(*, count: Count = 2, at: Execution[Count] = 4, job: Job) -> Captions:
    """``at`` changes what it must not."""
    return words(count=count, suffix="!", times=at, job=job)


@stage(version=1)
def unsteady(*, seed: Seed = 0, job: Job) -> Captions:
    """Another result at each call."""
    folder = job.folder()
    captions.write(folder, {"0": [f"{seed} {next(TURN)}"]})
    return Captions(folder)


@dataclass(frozen=True, kw_only=True)
class Sizes(Scores):
    bytes: Lower


@stage(version=1)
def sizes(images: Images, *, power: Count = 1) -> Sizes:
    """A metric."""
    values = [float(path.stat().st_size) ** power for path in sorted(images.path.glob("*.png"))]
    return Sizes(bytes=sum(values), items=Items([str(i) for i in range(len(values))], {"bytes": values}))


class Halves(NamedTuple):
    first: Captions
    second: Captions


@stage(version=1)
def halves(*, count: Count, job: Job) -> Halves:
    """Two outputs."""
    sides = []
    for name, begin in (("first", 0), ("second", count)):
        folder = job.folder(name)
        captions.write(folder, {str(i): [f"word {i}"] for i in range(begin, begin + count)})
        sides.append(Captions(folder))
    return Halves(*sides)


WHOLE = {"count": 3, "suffix": "!", "times": Changed(2, {"suffix": "!"}), "at": 2}


def test_a_stage_that_keeps_its_contract_passes(tmp_path: Path) -> None:
    check_parameters(words, settings={"count": 2}, changes=WHOLE, folder=tmp_path / "jobs")


def test_a_metric_and_a_stage_with_two_outputs_pass(tmp_path: Path) -> None:
    images = image_folder(tmp_path / "images")
    check_parameters(sizes, [images], changes={"power": 2}, folder=tmp_path / "a")
    check_parameters(halves, settings={"count": 1}, changes={"count": 2}, folder=tmp_path / "b")


@pytest.mark.parametrize(
    ("function", "settings", "changes", "message"),
    [
        (words, {"count": 2}, {**WHOLE, "times": 2}, "words: times=2 changes nothing"),
        (words, {"count": 2}, {**WHOLE, "count": 2}, "words: count=2 changes nothing"),
        (idle, {"count": 2}, {"count": 3, "unused": 2}, "idle: unused=2 changes nothing"),
        (hasty, {}, {"count": 3, "at": 5}, "hasty: at=5 changes the result of an Execution"),
        (unsteady, {}, {"seed": 1}, "unsteady: two calls with the same inputs and parameters differ"),
        (words, {"count": 2}, {"count": 3}, "words: no other value of 'suffix' is tried"),
        (words, {}, WHOLE, "words: 'count' has no default; give it in settings"),
        (hasty, {}, {"count": 3, "at": 5, "rate": 1}, "hasty: no parameter 'rate', only count, at"),
        (hasty, {"rate": 1}, {"count": 3, "at": 5}, "hasty: no parameter 'rate', only count, at"),
        (words, {"count": 2}, {**WHOLE, "times": Changed(2, {"rate": 1})}, "words: no parameter 'rate'"),
    ],
)
def test_each_breach_is_named(
    tmp_path: Path,
    function: Callable[..., Any],
    settings: dict[str, Any],
    changes: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(AssertionError, match=message):
        check_parameters(function, settings=settings, changes=changes, folder=tmp_path / "jobs")


def test_what_is_compared_can_be_chosen(tmp_path: Path) -> None:
    changes = {"count": 3, "unused": 2}

    def facts(made: Artifact) -> object:
        return dict(made.facts), content(made)

    check_parameters(idle, settings={"count": 2}, changes=changes, folder=tmp_path, result=facts)


def test_only_stages_are_taken(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="'plain' is not a stage"):
        check_parameters(plain, changes={}, folder=tmp_path)
    with pytest.raises(TypeError, match="str is not what a stage returns"):
        content("text")


def plain() -> None:
    """No stage."""
