"""Cosines of images with their own sentences and with everybody else's; pure, in float64."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

TIE = 1e-6
"""Cosines of fp32 vectors that are closer than this are equal: their last digits depend on the batch size."""
BLOCK = 2**22


class Matches(NamedTuple):
    """Per image, float64 of shape (N,)."""

    alignment: Tensor
    """Mean cosine with its own sentences; one that it has twice counts twice."""
    shuffled: Tensor
    """Expected cosine with the sentence of another image: draw any of the N rows, then one of its sentences,
    and leave out draws that this image has too. NaN where no other image has another sentence.
    """
    first: Tensor
    """1 where the sentence of the largest cosine, of all different ones, is its own, else 0; of t that tie for
    the first place, o of them its own, o / t.
    """


def match(images: Tensor, sentences: Tensor, row: Tensor, own: Tensor, block: int = BLOCK) -> Matches:
    """Compare every image with every sentence; memory O((N + U) D), whatever the number of pairs.

    Args:
        images: unit vectors, (N, D).
        sentences: unit vectors of the U different sentences, (U, D).
        row: int64 (M,): for each caption, whose it is; every image has at least one.
        own: int64 (M,): for each caption, which of the sentences it is.
        block: cosines held at a time when sentences are ranked.
    """
    images, sentences = images.double(), sentences.double()
    count = len(images)
    weight = 1 / torch.bincount(row, minlength=count).double()[row]
    commonness = torch.zeros(len(sentences), dtype=torch.float64).index_add_(0, own, weight)

    def of_each_image(at: Tensor, values: Tensor) -> Tensor:
        return torch.zeros(count, *values.shape[1:], dtype=torch.float64).index_add_(0, at, values)

    means = of_each_image(row, weight[:, None] * sentences[own])
    which, what = torch.stack([row, own]).unique(dim=1)  # a caption that an image has twice is left out once
    shared = of_each_image(which, commonness[what, None] * sentences[what])
    others = count - of_each_image(which, commonness[what])
    others[others < TIE] = torch.nan
    return Matches(
        alignment=(images * means).sum(dim=1),
        shuffled=(images * (means.sum(dim=0) - shared)).sum(dim=1) / others,
        first=_first(images, sentences, which, what, block),
    )


def _first(images: Tensor, sentences: Tensor, which: Tensor, what: Tensor, block: int) -> Tensor:
    """``which`` and ``what`` are the pairs of an image and its sentence, each once."""
    shares = []
    step = max(1, block // len(sentences))
    for start in range(0, len(images), step):
        cosines = images[start : start + step] @ sentences.T
        here = (which >= start) & (which < start + step)
        belongs = torch.zeros_like(cosines, dtype=torch.bool)
        belongs[which[here] - start, what[here]] = True
        ahead = cosines >= cosines.amax(dim=1, keepdim=True) - TIE
        shares.append((ahead & belongs).sum(dim=1).double() / ahead.sum(dim=1))
    return torch.cat(shares)
