"""Filter generated images before training on them; removed images are kept, with the reason.

The measures: a classifier's confidence in an image's class, and the likeness of images to each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from annotated_types import Interval

from harness.artifact import GeneratedImages, GeneratedScenes, Json, Predictions
from harness.errors import StageError, nearest
from harness.formats.pixels import Decoder
from harness.stage import Fraction, Job, stage
from harness.stages.data.folders.labels import class_facts
from harness.stages.data.synthetic.joining import Copy, Labelled, classes_of, copy, labelled, per_class

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Prints = NDArray[np.uint64]
    """The 128 bits of each of N images, shape (N, 2)."""

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
    facts = class_facts(Counter(label for _, label in kept), classes, "kept")
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


def confidences(predictions: Predictions, images: Sequence[Labelled]) -> dict[str, float]:
    """For each image, the softmax probability of its own class among all that the classifier knows; 0 to 1.

    Raises:
        StageError: predictions of other images, a class that the classifier does not know, logits that are not
            finite.
    """
    known: Any = predictions.facts["classes"]
    for row, label in images:
        if label not in known:
            raise StageError(
                f"predictions: the classifier knows {', '.join(known)}, but {row.name} is of class {label!r}"
                f"{nearest(label, known)}"
            )
    logits = _logits(predictions.path / "predictions.parquet")
    _same_images(set(logits), {row.name for row, _ in images})
    return {row.name: _probability(logits[row.name], known.index(label), row.name) for row, label in images}


def _logits(file: Path) -> Mapping[str, Sequence[float]]:
    import pyarrow.parquet as pq

    table = pq.read_table(file, columns=["item", "logits"])
    return dict(zip(table["item"].to_pylist(), table["logits"].to_pylist(), strict=True))


def _same_images(predicted: set[str], given: set[str]) -> None:
    for name in sorted(given - predicted):
        raise StageError(f"predictions: none of image {name}; predict the images that are filtered")
    for name in sorted(predicted - given):
        raise StageError(
            f"predictions: of an image {name} that is not there; predict the images that are filtered"
        )


def _probability(logits: Sequence[float], index: int, name: str) -> float:
    import numpy as np

    values = np.asarray(logits, dtype=np.float64)
    if not np.isfinite(values).all():
        raise StageError(f"predictions: a logit of {name} is not finite")
    weights = np.exp(values - values.max())
    return float(weights[index] / weights.sum())


_SIDE = 8


class Twin(NamedTuple):
    """An image that looks like an earlier one."""

    image: int
    """Index of the image."""
    like: int
    """Index of the image that it looks like, which is not a twin itself."""
    distance: int
    """Number of bits that differ."""


def fingerprint(image: Path) -> Prints:
    """The difference hash of an image, uint64 of shape (2,).

    The image is reduced to grey at 9×8 and at 8×9 pixels. 64 bits say whether each pixel is brighter than the one to
    its left, 64 whether it is brighter than the one above it. After N. Krawetz, "Kind of Like That" (2013), in both
    directions. Brightness, contrast, colour and image size have no effect; a shift, a flip or another crop has.

    Raises:
        StageError: not a readable image.
    """
    import numpy as np
    from PIL.Image import Resampling

    grey = Decoder().decode(image, image).convert("L")
    wide = np.asarray(grey.resize((_SIDE + 1, _SIDE), Resampling.LANCZOS))
    high = np.asarray(grey.resize((_SIDE, _SIDE + 1), Resampling.LANCZOS))
    brighter = np.stack([(wide[:, 1:] > wide[:, :-1]).ravel(), (high[1:] > high[:-1]).ravel()])
    prints: Prints = np.packbits(brighter).view(np.uint64)
    return prints


def distances(one: Prints, others: Prints) -> NDArray[np.int64]:
    """Number of bits in which one fingerprint (2,) differs from each of (N, 2); shape (N,), 0 to 128."""
    import numpy as np

    differing: NDArray[np.int64] = np.bitwise_count(others ^ one).sum(axis=-1, dtype=np.int64)
    return differing


def twins(prints: Sequence[Prints], distance: int) -> list[Twin]:
    """The images that look like an earlier one: at most ``distance`` bits from an image that is not a twin itself.

    In a group of like images the first is not a twin. If several earlier images are near enough, the twin belongs to
    the nearest, or to the first of equally near ones.
    """
    import numpy as np

    apart = np.empty((len(prints), 2), dtype=np.uint64)
    indices: list[int] = []
    found = []
    for index, own in enumerate(prints):
        others = distances(own, apart[: len(indices)])
        nearest = int(others.argmin()) if len(others) else 0
        if len(others) and others[nearest] <= distance:
            found.append(Twin(index, indices[nearest], int(others[nearest])))
        else:
            apart[len(indices)] = own
            indices.append(index)
    return found
