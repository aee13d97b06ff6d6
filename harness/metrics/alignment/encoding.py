"""Captioned images and their captions as the vectors of an image-text model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from harness.artifact import CaptionedImages, ImageTextModel
from harness.metrics.alignment.rows import captioned
from harness.stage import Job

if TYPE_CHECKING:
    from torch import Tensor

    from harness.data.image_folder import Row
    from harness.metrics.alignment.dual_encoder import DualEncoder


class Encoded(NamedTuple):
    """N images with the U different captions that the model reads in them."""

    rows: Sequence[Row]
    images: Tensor
    """Unit vectors, (N, D)."""
    sentences: Tensor
    """Unit vectors, (U, D)."""
    own: list[list[int]]
    """For each image which of the sentences its captions are."""
    cut: int
    """How many different captions have more tokens than the model takes."""
    tokens: int
    """How many it takes."""

    @property
    def names(self) -> list[str]:
        return [row.name for row in self.rows]

    def clusters(self) -> list[str] | None:
        """For each image the first one with the same captions; None where no two have them."""
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

    from harness.metrics.alignment.dual_encoder import open_encoder

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

    from harness.data.pixels import Decoder

    batches = []
    for start in range(0, len(rows), batch_size):
        batch = rows[start : start + batch_size]
        batches.append(encoder.images([Decoder().decode(row.path, row.path) for row in batch]))
        job.progress(start + len(batch), len(rows), "images")
    return torch.cat(batches)
