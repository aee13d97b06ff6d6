"""How well images and their captions fit, beside what they score with other images' captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from harness.artifact import CaptionedImages, ImageTextModel
from harness.errors import StageError
from harness.metrics.alignment.rows import captioned
from harness.stage import Count, Execution, Higher, Items, Job, Scores, stage

if TYPE_CHECKING:
    from torch import Tensor

    from harness.data.image_folder import Row
    from harness.metrics.alignment.dual_encoder import DualEncoder


@dataclass(frozen=True, kw_only=True)
class AlignmentScores(Scores):
    """Of N images; every field is a mean over them. A cosine by itself says little: two models have two scales,
    and any picture of land fits any sentence about land. The shuffled one says what fitting nothing is worth.
    """

    alignment: Higher
    """Mean cosine of image and own caption, in [−1, 1]; where there are several captions, of their mean. The CLIP
    score that others print is 100 times this.
    """
    shuffled: float
    """The same with another image's caption: the exact expectation over all of them, not one shuffle. Captions
    that the image itself has (as the model reads them) are no mismatch and are left out.
    """
    margin: Higher
    """``alignment`` − ``shuffled``."""
    retrieval: Higher
    """Share of images that fit one of their own captions better than any other of the set (R@1), in [0, 1]. It
    falls as N grows, and where many captions say nearly the same.
    """


@stage(version=1, software=("torch", "torchvision", "transformers"))
def score(
    images: CaptionedImages, model: ImageTextModel, *, batch_size: Execution[Count] = 32, job: Job
) -> AlignmentScores:
    """Cosine of images and their captions, with the shuffled-caption null and retrieval; in fp32.

    What is scored is what the rows say: of generated images the prompt. Cues that a row carries in its captions
    count as part of them. Captions with more tokens than the model has positions are cut, and counted in the
    details; captions of which the model reads the same tokens are the same. Images with the same captions are
    one cluster.

    Args:
        images: at least two, each with a caption, not all with the same one.
        model: says how images and sentences are prepared.
        batch_size: images, or sentences, at once; the scores do not depend on it.
        job: the runner's side.

    Raises:
        StageError: too few images, a row without a caption, no caption that is a mismatch, an unreadable image, a
            vector that is not finite.
    """
    import torch

    from harness.metrics.alignment.dual_encoder import open_encoder
    from harness.metrics.alignment.matching import match

    rows = captioned(images, "scored")
    names = [row.name for row in rows]
    encoder = open_encoder(model.path, "the image-text model", job.device)
    read = _read(encoder, rows)
    matches = match(
        _seen(encoder, rows, batch_size, job),
        torch.cat([encoder.sentences(ids) for ids in read.different.split(batch_size)]),
        row=torch.tensor([i for i, mine in enumerate(read.own) for _ in mine]),
        own=torch.tensor([sentence for mine in read.own for sentence in mine]),
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
            cluster=_clusters(names, read.own),
        ),
        conditions={"n": len(rows)},
        details={
            "different_captions": len(read.different),
            "captions_cut": read.cut,
            "tokens": read.different.shape[1],
        },
    )


class _Read(NamedTuple):
    """Captions as the model reads them."""

    different: Tensor
    """Token ids, int64 (U, L)."""
    own: list[list[int]]
    """For each image which of them its captions are."""
    cut: int
    """How many different captions have more tokens than L."""


def _read(encoder: DualEncoder, rows: Sequence[Row]) -> _Read:
    sentences = list(dict.fromkeys(caption for row in rows for caption in row.captions))
    tokens = encoder.tokens(sentences)
    different, inverse = tokens.ids.unique(dim=0, return_inverse=True)
    index = dict(zip(sentences, inverse.tolist(), strict=True))
    return _Read(different, [[index[caption] for caption in row.captions] for row in rows], tokens.cut)


def _seen(encoder: DualEncoder, rows: Sequence[Row], batch_size: int, job: Job) -> Tensor:
    """The images' unit vectors, (N, D)."""
    import torch

    from harness.data.pixels import Decoder

    batches = []
    for start in range(0, len(rows), batch_size):
        batch = rows[start : start + batch_size]
        batches.append(encoder.images([Decoder().decode(row.path, row.path) for row in batch]))
        job.progress(start + len(batch), len(rows), "images")
    return torch.cat(batches)


def _clusters(names: Sequence[str], own: Sequence[Sequence[int]]) -> list[str] | None:
    """For each image the first one with the same captions; None where no two have them."""
    first: dict[frozenset[int], str] = {}
    clusters = [first.setdefault(frozenset(mine), name) for name, mine in zip(names, own, strict=True)]
    return clusters if len(first) < len(names) else None
