"""What happens to 8-bit values before a network sees them, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.stage import Choices

if TYPE_CHECKING:
    from harness.metrics.features.view import Channels

NORMALISATIONS: Choices[tuple[Channels, Channels]] = Choices(
    {
        "unit": ((0.0, 0.0, 0.0), (255.0, 255.0, 255.0)),
        "symmetric": ((127.5, 127.5, 127.5), (127.5, 127.5, 127.5)),
        "inception": ((128.0, 128.0, 128.0), (128.0, 128.0, 128.0)),
        "imagenet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
        "clip": ((122.7709383, 116.7460125, 104.09373615), (68.5005327, 66.6321579, 70.32316305)),
    }
)
"""Mean and deviation of 8-bit values, as in ``View``: to [0, 1], to [-1, 1], and what networks were trained with."""
