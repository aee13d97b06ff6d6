"""Which network sees the images, as a suite names it; a wrong name is refused before anything is imported.

inception-v3             2048 features before the last layer; inception-v3:768 and others of another layer
torchvision:resnet50     any of its classification networks, before the last layer
timm:vit_small_patch14   any of timm's networks, before the head; may have a tag (timm:resnet18.a1_in1k)
transformers             a folder of a vision model or a dual encoder (DINOv2, CLIP); transformers:cls
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from harness.artifact import Json
from harness.errors import nearest

Family = Literal["inception-v3", "torchvision", "timm", "transformers"]

INCEPTION_LAYERS = ("2048", "768", "192", "64", "logits", "logits_unbiased")
"""torch-fidelity's names: numbers are features after that many channels, averaged over the picture."""
TRANSFORMERS_LAYERS = ("pooled", "cls", "projected")
"""``pooled``: the model's ``pooler_output``. ``cls``: the first token of its last layer, for checkpoints without
a pooler (ViT). ``projected``: a dual encoder's image embedding, in the space of its texts (CLIP).
"""

_REGISTERED = re.compile(r"^@register_model\b[\s\S]*?^def (\w+)\(", re.MULTILINE)


@dataclass(frozen=True)
class Architecture:
    """A network without its weights, and the layer that is taken from it."""

    family: Family
    name: str
    """The network's, of torchvision and timm; else the layer."""

    @classmethod
    def from_text(cls, text: str) -> Architecture:
        """Read ``family`` or ``family:name``.

        Raises:
            ValueError: no such family, network or layer; with the nearest that there is.
        """
        family, colon, name = text.partition(":")
        match family:
            case "inception-v3":
                return cls(family, _layer(family, name if colon else "2048", INCEPTION_LAYERS))
            case "transformers":
                return cls(family, _layer(family, name if colon else "pooled", TRANSFORMERS_LAYERS))
            case "torchvision" | "timm":
                known = networks_of(family)
                if name.partition(".")[0] not in known or (family == "torchvision" and "." in name):
                    raise ValueError(f"{family} has no network {name!r}{nearest(name, known)}")
                return cls(family, name)
        families = get_args(Family)
        raise ValueError(f"{text!r}: expected one of {', '.join(families)}{_meant(text, families)}")

    @property
    def text(self) -> str:
        """The one spelling that it has in keys and records."""
        return f"{self.family}:{self.name}"

    def to_key(self) -> Json:
        """Equal for two spellings of one thing."""
        return self.text


def _layer(family: str, name: str, layers: Collection[str]) -> str:
    if name not in layers:
        raise ValueError(f"{family} has no layer {name!r}, only {', '.join(layers)}{nearest(name, layers)}")
    return name


def _meant(text: str, families: Collection[str]) -> str:
    """A network's name without its family is the likeliest slip."""
    homes = [family for family in ("torchvision", "timm") if text in networks_of(family)]
    return f"; did you mean '{homes[0]}:{text}'?" if homes else nearest(text, families)


@cache
def networks_of(package: Literal["torchvision", "timm"]) -> frozenset[str]:
    """The networks that an installed package registers, read off its source without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return frozenset()
    folder = Path(spec.submodule_search_locations[0]) / "models"
    files = [file.read_text(encoding="utf-8") for file in folder.glob("*.py")]
    return frozenset(name for text in files for name in _REGISTERED.findall(text))
