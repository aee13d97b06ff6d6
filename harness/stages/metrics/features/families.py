"""Families of networks and architectures by name: how each is built, and how its pictures are prepared.

One entry is one family. Nothing heavy is imported before a network is built.

inception-v3             2048 features before the last layer; inception-v3:768 and others of another layer
torchvision:resnet50     any of its classification networks, before the last layer
timm:vit_small_patch14   any of timm's networks, before the head; may have a tag (timm:resnet18.a1_in1k)
transformers             a folder of a vision model or a dual encoder (DINOv2, CLIP); transformers:cls
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from harness.artifact import Json
from harness.errors import StageError, nearest
from harness.stage import Choices

if TYPE_CHECKING:
    from torch import nn

    from harness.stages.metrics.features.view import Channels, View

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


INCEPTION_LAYERS = ("2048", "768", "192", "64", "logits", "logits_unbiased")
"""torch-fidelity's names: numbers are features after that many channels, averaged over the picture."""
TRANSFORMERS_LAYERS = ("pooled", "cls", "projected")
"""``pooled``: the model's ``pooler_output``. ``cls``: the first token of its last layer, for checkpoints without
a pooler (ViT). ``projected``: a dual encoder's image embedding, in the space of its texts (CLIP).
"""

_REGISTERED = re.compile(r"^@register_model\b[\s\S]*?^def (\w+)\(", re.MULTILINE)


@dataclass(frozen=True)
class Network:
    """A network without its weights."""

    module: nn.Module
    """Maps normalised images (N, 3, H, W) to features (N, D)."""
    head: tuple[str, ...] = ()
    """Names of the classification layers, which are removed here; a state dict may still have them."""


@dataclass(frozen=True)
class Family:
    """The functions that differ from family to family."""

    named: Callable[[str | None], str]
    """The network or layer for the text after the colon, or the default; ValueError if it does not exist."""
    build: Callable[[str, Path | None], Network]
    """Builds the network of that name; for ``transformers`` the folder has the configuration."""
    own_view: Callable[[nn.Module, Path | None, str], View]
    """How pictures are prepared for a network, from its folder, if it has one; the text is its name in messages."""
    pretrained: Callable[[str, Path, Path, str], nn.Module] | None = None
    """For families whose configuration comes with the weights: loads the network with its weights from a folder, and
    writes the configuration to the second folder; the text is its name in messages. None: the network is built by
    name and filled with any weights that fit.
    """
    ready: Callable[[Any], None] | None = None
    """A last change to a network before use, equal up to rounding; None: no change."""


@cache
def networks_of(package: str) -> frozenset[str]:
    """The names of the networks that an installed package registers, read from its source without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return frozenset()
    folder = Path(spec.submodule_search_locations[0]) / "models"
    files = [file.read_text(encoding="utf-8") for file in folder.glob("*.py")]
    return frozenset(name for text in files for name in _REGISTERED.findall(text))


def _layer(family: str, name: str, layers: Collection[str]) -> str:
    if name not in layers:
        raise ValueError(f"{family} has no layer {name!r}, only {', '.join(layers)}{nearest(name, layers)}")
    return name


def _inception_layer(name: str | None) -> str:
    return _layer("inception-v3", "2048" if name is None else name, INCEPTION_LAYERS)


def _inception(layer: str, folder: Path | None) -> Network:
    from harness.stages.metrics.features.foreign_networks import Inception

    return Network(Inception(layer))


def _inception_fused(module: Any) -> None:
    from harness.stages.metrics.features.foreign_networks import fuse

    fuse(module)


def _inception_view(module: nn.Module, folder: Path | None, what: str) -> View:
    from harness.stages.metrics.features.view import View

    return View(299, "tensorflow-bilinear", *NORMALISATIONS["inception"])


def _torchvision_network(name: str | None) -> str:
    known = networks_of("torchvision")
    if name not in known:
        raise ValueError(f"torchvision has no network {name or ''!r}{nearest(name or '', known)}")
    return name


def _torchvision(name: str, folder: Path | None) -> Network:
    """The network without its last linear layer; SqueezeNet has none and ends in the mean of its feature maps."""
    from torch import nn
    from torchvision import models

    module: Any = models.get_model(name, weights=None)
    linear = [layer for layer, part in module.named_modules() if isinstance(part, nn.Linear)]
    if linear:
        module.set_submodule(linear[-1], nn.Identity())
    else:
        module.classifier = nn.AdaptiveAvgPool2d(1)
    return Network(module, (linear[-1] if linear else "classifier",))


def _torchvision_view(module: nn.Module, folder: Path | None, what: str) -> View:
    from harness.stages.metrics.features.view import View

    return View(224, "pil-bicubic", *NORMALISATIONS["imagenet"])


def _timm_network(name: str | None) -> str:
    known = networks_of("timm")
    if name is None or name.partition(".")[0] not in known:
        raise ValueError(f"timm has no network {name or ''!r}{nearest(name or '', known)}")
    return name


def _timm(name: str, folder: Path | None) -> Network:
    import timm

    try:
        module = timm.create_model(name, pretrained=False, num_classes=0)
    except RuntimeError as e:
        raise StageError(f"timm:{name}: {e}") from None
    head = module.pretrained_cfg.get("classifier") or ()
    return Network(module, (head,) if isinstance(head, str) else tuple(head))


def _timm_view(module: Any, folder: Path | None, what: str) -> View:
    from harness.stages.metrics.features.processors import of_timm

    return of_timm(module.pretrained_cfg, what)


def _transformers_layer(name: str | None) -> str:
    return _layer("transformers", "pooled" if name is None else name, TRANSFORMERS_LAYERS)


def _transformers(layer: str, folder: Path | None) -> Network:
    from harness.stages.metrics.features.foreign_networks import empty

    assert folder is not None
    return Network(empty(folder, layer))


def _transformers_pretrained(layer: str, folder: Path, to: Path, what: str) -> nn.Module:
    from harness.stages.metrics.features.foreign_networks import pretrained

    return pretrained(folder, layer, to, what)


def _transformers_view(module: nn.Module, folder: Path | None, what: str) -> View:
    from harness.stages.metrics.features.processors import of_transformers

    assert folder is not None
    return of_transformers(folder, what)


FAMILIES: Choices[Family] = Choices(
    {
        "inception-v3": Family(_inception_layer, _inception, _inception_view, ready=_inception_fused),
        "torchvision": Family(_torchvision_network, _torchvision, _torchvision_view),
        "timm": Family(_timm_network, _timm, _timm_view),
        "transformers": Family(
            _transformers_layer, _transformers, _transformers_view, pretrained=_transformers_pretrained
        ),
    }
)


@dataclass(frozen=True)
class Architecture:
    """A network without its weights, and the layer whose output is used."""

    family: Annotated[str, FAMILIES]
    name: str
    """For torchvision and timm the name of the network, else that of the layer."""

    @classmethod
    def from_text(cls, text: str) -> Architecture:
        """Read ``family`` or ``family:name``.

        Raises:
            ValueError: no such family, network or layer; the message has the nearest name.
        """
        before, colon, name = text.partition(":")
        family: Annotated[str, FAMILIES] = before
        if family in FAMILIES:
            return cls(family, FAMILIES[family].named(name if colon else None))
        families = FAMILIES.names
        raise ValueError(f"{text!r}: expected one of {', '.join(families)}{_meant(text, families)}")

    @property
    def text(self) -> str:
        """The canonical spelling, used in keys and records."""
        return f"{self.family}:{self.name}"

    def to_key(self) -> Json:
        """Equal for two spellings of the same architecture."""
        return self.text


def _meant(text: str, families: Collection[str]) -> str:
    """A hint for the most likely mistake, a network's name without its family."""
    homes = [family for family in families if text in networks_of(family)]
    return f"; did you mean '{homes[0]}:{text}'?" if homes else nearest(text, families)
