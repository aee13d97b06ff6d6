"""Which network sees the images, as a suite names it; a wrong name is refused before anything is imported.

inception-v3             2048 features before the last layer; inception-v3:768 and others of another layer
torchvision:resnet50     any of its classification networks, before the last layer
timm:vit_small_patch14   any of timm's networks, before the head; may have a tag (timm:resnet18.a1_in1k)
transformers             a folder of a vision model or a dual encoder (DINOv2, CLIP); transformers:cls
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated

from harness.artifact import Json
from harness.errors import nearest
from harness.metrics.features.families import FAMILIES, networks_of


@dataclass(frozen=True)
class Architecture:
    """A network without its weights, and the layer that is taken from it."""

    family: Annotated[str, FAMILIES]
    name: str
    """The network's, of torchvision and timm; else the layer."""

    @classmethod
    def from_text(cls, text: str) -> Architecture:
        """Read ``family`` or ``family:name``.

        Raises:
            ValueError: no such family, network or layer; with the nearest that there is.
        """
        before, colon, name = text.partition(":")
        family: Annotated[str, FAMILIES] = before
        if family in FAMILIES:
            return cls(family, FAMILIES[family].named(name if colon else None))
        families = FAMILIES.names
        raise ValueError(f"{text!r}: expected one of {', '.join(families)}{_meant(text, families)}")

    @property
    def text(self) -> str:
        """The one spelling that it has in keys and records."""
        return f"{self.family}:{self.name}"

    def to_key(self) -> Json:
        """Equal for two spellings of one thing."""
        return self.text


def _meant(text: str, families: Collection[str]) -> str:
    """A network's name without its family is the likeliest slip."""
    homes = [family for family in families if text in networks_of(family)]
    return f"; did you mean '{homes[0]}:{text}'?" if homes else nearest(text, families)
