"""Augmentations by name."""

from __future__ import annotations

from typing import Annotated, Literal

from harness.stage import Choices

ORIENTATIONS: Choices[tuple[int, ...]] = Choices(
    {"none": (0,), "flips": (0, 2, 4, 6), "dihedral": tuple(range(8))},
)
"""The orientations, out of eight flips and quarter turns, that an augmentation draws from; 0 is the original image."""

Augment = Annotated[Literal["none", "flips", "dihedral"], ORIENTATIONS]
