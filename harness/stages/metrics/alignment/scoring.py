"""How well images fit their own captions, beside what they score with captions of other images of their class.

Captions that are shuffled within a class still name the right class. Against the captions of all classes, such images
seem to fit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.artifact import CaptionedImages, ImageTextModel
from harness.errors import StageError
from harness.metrics.alignment.encoding import encoded
from harness.metrics.influence import ratio
from harness.stage import Count, Execution, Higher, HigherShare, Items, Job, Scores, stage

if TYPE_CHECKING:
    from harness.data.image_folder import Row
    from harness.metrics.alignment.encoding import Encoded
    from harness.metrics.alignment.matching import Matches


@dataclass(frozen=True, kw_only=True)
class WithinClassScores(Scores):
    """Of the images whose class has captions that they have not; every field is a mean over them."""

    margin: Higher
    """Mean cosine of image and own caption less the expected one with the caption of another image of its class: 0
    where captions say no more of an image than its class does."""
    shuffled: float
    """That expected cosine; captions that the image itself has are left out."""
    retrieval: HigherShare
    """Share of images that fit one of their own captions better than any other of their class, in [0, 1]."""


@stage(version=1, software=("torch", "torchvision", "transformers"))
def within_class(
    images: CaptionedImages, model: ImageTextModel, *, batch_size: Execution[Count] = 32, job: Job
) -> WithinClassScores:
    """The margin of ``alignment.score`` against the captions of the same class only; in fp32.

    An image of whose class all have the same captions has nothing to be told from. It moves no field, and the details
    count it. Rows are those of a ratio over the others; images with the same captions are one cluster.

    Args:
        images: at least two, each with a class and a caption.
        model: says how images and sentences are prepared.
        batch_size: images, or sentences, at once; the scores do not depend on it.
        job: the runner's side.

    Raises:
        StageError: an image without a class, no class with two different captions, and what ``alignment.score``
            refuses.
    """
    found = encoded(images, model, batch_size, job)
    by_class = _by_class(found.rows)
    margin, shuffled, first, asked = ([0.0] * len(found.rows) for _ in range(4))
    for members in by_class.values():
        of_class = _matches(found, members)
        for place, i in enumerate(members):
            null = float(of_class.shuffled[place])
            if not math.isnan(null):
                margin[i], shuffled[i] = float(of_class.alignment[place]) - null, null
                first[i], asked[i] = float(of_class.first[place]), 1.0
    if not any(asked):
        raise StageError("no class has two images with different captions; nothing to shuffle within classes")
    columns = {"margin": margin, "shuffled": shuffled, "retrieval": first}
    fields = {name: ratio(column, asked) for name, column in columns.items()}
    return WithinClassScores(
        margin=fields["margin"][0],
        shuffled=fields["shuffled"][0],
        retrieval=fields["retrieval"][0],
        items=Items(found.names, {name: rows for name, (_, rows) in fields.items()}, found.clusters()),
        steps={"retrieval": 1 / sum(asked)},
        conditions={"n": len(found.rows)},
        details={
            "classes": len(by_class),
            "images_with_another_caption_in_their_class": int(sum(asked)),
            "captions_cut": found.cut,
        },
    )


def _by_class(rows: Sequence[Row]) -> Mapping[str, list[int]]:
    """Where the images of each class are.

    Raises:
        StageError: an image has no class.
    """
    members: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        if row.label is None:
            raise StageError(
                f"image {row.name}: no class, so that captions cannot be shuffled within classes; "
                "use alignment.score alone"
            )
        members.setdefault(row.label, []).append(i)
    return members


def _matches(found: Encoded, members: Sequence[int]) -> Matches:
    """The images of one class with the sentences of that class."""
    import torch

    from harness.metrics.alignment.matching import match

    own = [found.own[i] for i in members]
    sentences = sorted({sentence for mine in own for sentence in mine})
    place = {sentence: i for i, sentence in enumerate(sentences)}
    return match(
        found.images[list(members)],
        found.sentences[sentences],
        row=torch.tensor([i for i, mine in enumerate(own) for _ in mine]),
        own=torch.tensor([place[sentence] for mine in own for sentence in mine]),
    )
