"""How well images fit their captions, compared with the captions of other images, of all classes or of the same class.

Captions that are shuffled within a class still name the right class. Compared with the captions of all classes, images
with such captions seem to fit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from harness.artifact import CaptionedImages, ImageTextModel
from harness.compute.influence import ratio
from harness.errors import StageError
from harness.formats import image_folder
from harness.formats.image_folder import Row
from harness.stage import Count, Execution, Higher, HigherShare, Items, Job, Scores, stage

if TYPE_CHECKING:
    from torch import Tensor

    from harness.formats.image_folder import Row
    from harness.stages.metrics.alignment.dual_encoder import DualEncoder, Matches


def captioned(images: CaptionedImages, what: str) -> list[Row]:
    """All rows, in file order.

    Args:
        images: an image folder whose rows have captions.
        what: the images' name in messages (``"training"``).

    Raises:
        StageError: fewer than two rows, or one without a caption or with a blank one.
    """
    rows = list(image_folder.rows(images))
    if len(rows) < 2:
        raise StageError(f"{len(rows)} {what} images; at least 2 are needed, for captions of others")
    for row in rows:
        if not row.captions or not all(caption.strip() for caption in row.captions):
            raise StageError(f"{what} image {row.name}: no caption, or a blank one")
    return rows


class Encoded(NamedTuple):
    """N images, and their U captions that differ after tokenisation."""

    rows: Sequence[Row]
    images: Tensor
    """Unit vectors, (N, D)."""
    sentences: Tensor
    """Unit vectors, (U, D)."""
    own: list[list[int]]
    """For each image the indices of its captions in ``sentences``."""
    cut: int
    """Number of different captions that have more tokens than the model takes."""
    tokens: int
    """Number of tokens that the model takes."""

    @property
    def names(self) -> list[str]:
        return [row.name for row in self.rows]

    def clusters(self) -> list[str] | None:
        """For each image the first image with the same captions; None if no two images have the same."""
        first: dict[frozenset[int], str] = {}
        clusters = [
            first.setdefault(frozenset(mine), name) for name, mine in zip(self.names, self.own, strict=True)
        ]
        return clusters if len(first) < len(self.rows) else None


def encoded(images: CaptionedImages, model: ImageTextModel, batch_size: int, job: Job) -> Encoded:
    """Read and encode everything, in fp32.

    Raises:
        StageError: too few images, a row without a caption, an unreadable image, a vector that is not finite.
    """
    import torch

    from harness.stages.metrics.alignment.dual_encoder import open_encoder

    rows = captioned(images, "scored")
    encoder = open_encoder(model.path, "the image-text model", job.device)
    captions = list(dict.fromkeys(caption for row in rows for caption in row.captions))
    tokens = encoder.tokens(captions)
    different, inverse = tokens.ids.unique(dim=0, return_inverse=True)
    index = dict(zip(captions, inverse.tolist(), strict=True))
    return Encoded(
        rows,
        _seen(encoder, rows, batch_size, job),
        torch.cat([encoder.sentences(ids) for ids in different.split(batch_size)]),
        [[index[caption] for caption in row.captions] for row in rows],
        tokens.cut,
        int(different.shape[1]),
    )


def _seen(encoder: DualEncoder, rows: Sequence[Row], batch_size: int, job: Job) -> Tensor:
    import torch

    from harness.formats.pixels import Decoder

    batches = []
    for start in range(0, len(rows), batch_size):
        batch = rows[start : start + batch_size]
        batches.append(encoder.images([Decoder().decode(row.path, row.path) for row in batch]))
        job.progress(start + len(batch), len(rows), "images")
    return torch.cat(batches)


@dataclass(frozen=True, kw_only=True)
class AlignmentScores(Scores):
    """Scores of N images; every field is a mean over them.

    A cosine alone says little: its scale depends on the model, and any picture of land fits any sentence about land
    to some degree. ``shuffled`` is the cosine of images with captions of other images.
    """

    alignment: Higher
    """Mean cosine of an image and its own caption, in [−1, 1]; with several captions, of their mean. The CLIP score
    that others report is 100 times this.
    """
    shuffled: float
    """The same with another image's caption: the exact expectation over all of them, not one shuffle. Captions
    that the image itself has (after tokenisation) are not mismatches and are left out.
    """
    margin: Higher
    """``alignment`` − ``shuffled``."""
    retrieval: HigherShare
    """Share of images that fit one of their own captions better than any other of the set (R@1), in [0, 1]. It
    falls as N grows, and if many captions say nearly the same.
    """


@stage(version=1, software=("torch", "torchvision", "transformers"))
def score(
    images: CaptionedImages, model: ImageTextModel, *, batch_size: Execution[Count] = 32, job: Job
) -> AlignmentScores:
    """Cosine of images and their captions, with the shuffled-caption baseline and retrieval; in fp32.

    The captions in the rows are scored; for generated images that is the prompt. Cues that a row has in its captions
    count as part of them. Captions with more tokens than the model has positions are cut, and counted in the
    details. Captions with the same tokens after the cut are treated as the same. Images with the same captions are
    one cluster.

    Args:
        images: at least two, each with a caption, not all with the same one.
        model: decides how images and sentences are prepared.
        batch_size: images, or sentences, at once; the scores do not depend on it.
        job: gives the device and the progress.

    Raises:
        StageError: too few images, a row without a caption, no mismatched caption for an image, an unreadable image, a
            vector that is not finite.
    """
    import torch

    from harness.stages.metrics.alignment.dual_encoder import match

    found = encoded(images, model, batch_size, job)
    names = found.names
    matches = match(
        found.images,
        found.sentences,
        row=torch.tensor([i for i, mine in enumerate(found.own) for _ in mine]),
        own=torch.tensor([sentence for mine in found.own for sentence in mine]),
    )
    if lonely := matches.shuffled.isnan().nonzero().flatten().tolist():
        raise StageError(
            f"{names[lonely[0]]}: no other image has a caption that this one has not; nothing to shuffle"
        )
    columns = {
        "alignment": matches.alignment,
        "shuffled": matches.shuffled,
        "margin": matches.alignment - matches.shuffled,
        "retrieval": matches.first,
    }
    means = {name: float(column.mean()) for name, column in columns.items()}
    return AlignmentScores(
        alignment=means["alignment"],
        shuffled=means["shuffled"],
        margin=means["margin"],
        retrieval=means["retrieval"],
        items=Items(
            names,
            {name: column.tolist() for name, column in columns.items()},
            cluster=found.clusters(),
        ),
        steps={"retrieval": 1 / len(names)},
        conditions={"n": len(names)},
        details={
            "different_captions": len(found.sentences),
            "captions_cut": found.cut,
            "tokens": found.tokens,
        },
    )


@dataclass(frozen=True, kw_only=True)
class WithinClassScores(Scores):
    """Scores of the images whose class has captions that they do not have; every field is a mean over them."""

    margin: Higher
    """Mean cosine of an image and its own caption minus the expected one with the caption of another image of its
    class: 0 if captions describe an image no better than its class does.
    """
    shuffled: float
    """That expected cosine; captions that the image itself has are left out."""
    retrieval: HigherShare
    """Share of images that fit one of their own captions better than any other of their class, in [0, 1]."""


@stage(version=1, software=("torch", "torchvision", "transformers"))
def within_class(
    images: CaptionedImages, model: ImageTextModel, *, batch_size: Execution[Count] = 32, job: Job
) -> WithinClassScores:
    """The margin of ``alignment.score`` against the captions of the same class only; in fp32.

    If all images of a class have the same captions, there is no other caption to compare with. Such images do not
    affect any field, and the details count them. Rows are those of a ratio over the other images; images with the same
    captions are one cluster.

    Args:
        images: at least two, each with a class and a caption.
        model: decides how images and sentences are prepared.
        batch_size: images, or sentences, at once; the scores do not depend on it.
        job: gives the device and the progress.

    Raises:
        StageError: an image without a class, no class with two different captions, and the errors of
            ``alignment.score``.
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
    """The indices of the images of each class.

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
    """Compare the images of one class with the sentences of that class."""
    import torch

    from harness.stages.metrics.alignment.dual_encoder import match

    own = [found.own[i] for i in members]
    sentences = sorted({sentence for mine in own for sentence in mine})
    place = {sentence: i for i, sentence in enumerate(sentences)}
    return match(
        found.images[list(members)],
        found.sentences[sentences],
        row=torch.tensor([i for i, mine in enumerate(own) for _ in mine]),
        own=torch.tensor([place[sentence] for mine in own for sentence in mine]),
    )
