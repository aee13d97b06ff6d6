"""Filter generated images before training on them; removed images are kept, with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, NamedTuple

from annotated_types import Interval

from harness.artifact import GeneratedImages, GeneratedScenes, Json, Predictions
from harness.errors import StageError
from harness.stage import Fraction, Job, stage

if TYPE_CHECKING:
    from harness.stages.data.synthetic.joining import Labelled

SAMPLING = "sampling"
"""The fact that records how the images were made; it is passed on from image folder to data set."""


class Filtered(NamedTuple):
    kept: GeneratedScenes
    removed: GeneratedScenes


@dataclass(frozen=True)
class _Removal:
    rule: str
    value: float
    like: str | None = None
    """The image that is kept in its place."""

    @property
    def columns(self) -> dict[str, Json]:
        like: dict[str, Json] = {} if self.like is None else {"like": self.like}
        return {"removed_by": self.rule, "value": self.value, **like}


@stage(version=1, software=("numpy", "pillow"))
def filter(
    images: GeneratedImages,
    predictions: Predictions | None = None,
    *,
    min_confidence: Fraction | None = None,
    duplicate_distance: Annotated[int, Interval(ge=0, le=128)] | None = None,
    job: Job,
) -> Filtered:
    """Remove generated images that do not show their class, and all but one of those that look the same.

    Rows of ``removed`` have ``removed_by``, the rule (``confidence`` or ``duplicate``), and ``value``, the confidence
    or the distance; a duplicate has ``like``, the image that it looks like. Confidence is checked first, so that no
    image is removed as the duplicate of one that is itself removed. Without a rule every image is kept. The classes
    are those that occur, in alphabetical order.

    Args:
        images: with the class that each prompt asks for.
        predictions: predictions for these images, by a classifier trained on real ones. With them every row, kept or
            removed, has its ``confidence``: the softmax probability of its own class.
        min_confidence: images below it are removed; null keeps every image, whatever its confidence.
        duplicate_distance: an image is removed if at most this many of the 128 bits of its difference hash differ from
            those of an earlier image that is kept, whatever their classes. Measured on drawn scenes of 64 pixels:
            all of 39,060 pairs differ in at least 37 bits, and 95 % of copies that were saved as JPEG, made brighter
            by a tenth, or given noise of 4 grey levels differ in at most 10. Null keeps all duplicates.
        job: gives the output folders.

    Raises:
        StageError: an image without a class, predictions of other images, ``min_confidence`` without predictions,
            fewer than two classes, or a class that would be left without an image.
    """
    from harness.stages.data.folders.labels import class_facts
    from harness.stages.data.synthetic.joining import Copy, classes_of, copy, labelled, per_class
    from harness.stages.data.synthetic.judging import confidences

    every = labelled(images, "images")
    if min_confidence is not None and predictions is None:
        raise StageError(
            "min_confidence: whose? Wire predictions, of these images by a classifier of real ones"
        )
    sure = confidences(predictions, every) if predictions else {}
    removals = _unsure(sure, min_confidence) if min_confidence is not None else {}
    if duplicate_distance is not None:
        staying = [image for image in every if image.row.name not in removals]
        removals |= _duplicates(staying, duplicate_distance, job)
    rules = _rules(min_confidence, duplicate_distance)
    if not rules:
        job.log("no rule is set: every image is kept")

    classes = classes_of(every)
    kept = [image for image in every if image.row.name not in removals]
    removed = [image for image in every if image.row.name in removals]
    by_rule: dict[str, Json] = {
        rule: per_class([i for i in removed if removals[i.row.name].rule == rule], classes) for rule in rules
    }
    _no_class_is_lost(every, kept, classes, by_rule)

    def copied(image: Labelled) -> Copy:
        name = image.row.name
        own: dict[str, Json] = {"confidence": sure[name]} if name in sure else {}
        why = removals[name].columns if name in removals else {}
        return Copy(image, name, {**image.row.columns, **own, **why})

    handed_on = {SAMPLING: images.facts[SAMPLING]} if SAMPLING in images.facts else {}
    facts = class_facts({n: sum(label == n for _, label in kept) for n in classes}, classes, "kept")
    folders = {"kept": job.folder("kept"), "removed": job.folder("removed")}
    copy(map(copied, kept), folders["kept"])
    copy(map(copied, removed), folders["removed"])
    return Filtered(
        kept=GeneratedScenes(
            folders["kept"],
            {**facts, "rules": rules or "none: every image is kept", "removed": by_rule, **handed_on},
        ),
        removed=GeneratedScenes(
            folders["removed"],
            {
                "classes": classes,
                "count": len(removed),
                "per_class": per_class(removed, classes),
                **handed_on,
            },
        ),
    )


def _rules(min_confidence: float | None, duplicate_distance: int | None) -> dict[str, Json]:
    """The rules that are set, with their thresholds."""
    thresholds: dict[str, Json] = {"confidence": min_confidence, "duplicate": duplicate_distance}
    return {rule: threshold for rule, threshold in thresholds.items() if threshold is not None}


def _unsure(sure: Mapping[str, float], least: float) -> dict[str, _Removal]:
    return {name: _Removal("confidence", value) for name, value in sure.items() if value < least}


def _duplicates(images: Sequence[Labelled], distance: int, job: Job) -> dict[str, _Removal]:
    from harness.stages.data.synthetic.judging import fingerprint, twins

    prints = []
    for image in images:
        prints.append(fingerprint(image.row.path))
        job.progress(len(prints), len(images), "fingerprints")
    names = [image.row.name for image in images]
    return {
        names[twin.image]: _Removal("duplicate", twin.distance, like=names[twin.like])
        for twin in twins(prints, distance)
    }


def _no_class_is_lost(
    every: Sequence[Labelled], kept: Sequence[Labelled], classes: Sequence[str], by_rule: Mapping[str, Json]
) -> None:
    lost = sorted(set(classes) - {label for _, label in kept})
    if lost:
        count = sum(label == lost[0] for _, label in every)
        rules = ", ".join(by_rule)
        raise StageError(
            f"no image of class {lost[0]!r} would be left of {count} (rules: {rules}); relax a rule"
        )
