"""What a step reads: which rows, and these as tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.compute.resume import mixed
from harness.systems.language_model.training.recipe import Recipe
from harness.systems.language_model.training.rows import Tokens

IGNORED = -100
"""A target that is none: torch's cross-entropy leaves it out."""


@dataclass(frozen=True)
class Batch:
    """Rows of unequal length, each followed by pads.

    A network that predicts what comes next does not look ahead, so no token of a text sees the pads behind it, and
    nothing else depends on what they are. There is no mask for that reason, and attention takes its fastest path.
    """

    inputs: Tensor
    """(B, T) int64."""
    targets: Tensor
    """(B, T) int64: after each input, the token that follows; ``IGNORED`` behind the end of a row. It is the
    length that decides where that is: a pad may well be the token that ends a text, which is to be learnt."""


def collate(rows: Sequence[Tokens]) -> Batch:
    """Rows of shape (n + 1,) as one batch, as long as the longest."""
    shape = len(rows), max(len(row) for row in rows) - 1
    inputs = torch.zeros(shape, dtype=torch.int64)
    targets = torch.full(shape, IGNORED, dtype=torch.int64)
    for i, row in enumerate(rows):
        known = torch.from_numpy(row)
        inputs[i, : len(row) - 1] = known[:-1]
        targets[i, : len(row) - 1] = known[1:]
    return Batch(inputs, targets)


def drawn(recipe: Recipe, count: int, step: int) -> list[int]:
    """Which of ``count`` rows a step reads: the next ``per_step`` of ``epochs`` shuffled passes over all of them.

    Depends on seed and step alone. The last step of the last pass may be smaller than the others.
    """
    first = step * recipe.per_step
    last = min(first + recipe.per_step, recipe.epochs * count)
    found: list[int] = []
    for epoch in range(first // count, (last - 1) // count + 1):
        generator = torch.Generator().manual_seed(mixed(recipe.seed, -1, epoch))
        order = torch.randperm(count, generator=generator)
        found += order[max(first - epoch * count, 0) : last - epoch * count].tolist()
    return found


def parts(rows: Sequence[Tokens], batch_size: int) -> Iterator[Batch]:
    """In order, ``batch_size`` rows at a time."""
    for first in range(0, len(rows), batch_size):
        yield collate(rows[first : first + batch_size])
