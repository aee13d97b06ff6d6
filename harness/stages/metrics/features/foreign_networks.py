"""Networks in the layout of other libraries: the Inception of published Fréchet distances, models of transformers.

The Inception network is built from torch-fidelity's blocks instead of its ``FeatureExtractorInceptionV3``. That class
opens its weights as a pickle, which may run code, resizes the whole batch at once, and runs every normalisation as a
separate pass. Of a folder in the layout of ``transformers`` (configuration, weights and the preparation of pictures) no
code is run, and missing weights are never filled in at random.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers.utils import logging as transformers_logging

from harness.compute.behaviour import repeatable
from harness.compute.weights import UNREADABLE, article, held, hushed, one_line
from harness.errors import StageError

SIZE = 299
MISSING = "inception-v3 needs torch-fidelity, which is not installed: pip install 'remote-sensing-harness[fidelity]'"


class Inception(nn.Module):
    """TensorFlow's Inception-v3 of December 2015, with 1008 logits.

    Args:
        layer: the layer whose output is used (``families.INCEPTION_LAYERS``).

    Raises:
        StageError: torch-fidelity is not installed.
    """

    def __init__(self, layer: str) -> None:
        super().__init__()
        try:
            from torch_fidelity import feature_extractor_inceptionv3 as blocks
        except ImportError:
            raise StageError(MISSING) from None
        self.layer = layer
        self.Conv2d_1a_3x3 = blocks.BasicConv2d(3, 32, kernel_size=3, stride=2)
        self.Conv2d_2a_3x3 = blocks.BasicConv2d(32, 32, kernel_size=3)
        self.Conv2d_2b_3x3 = blocks.BasicConv2d(32, 64, kernel_size=3, padding=1)
        self.MaxPool_1 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.Conv2d_3b_1x1 = blocks.BasicConv2d(64, 80, kernel_size=1)
        self.Conv2d_4a_3x3 = blocks.BasicConv2d(80, 192, kernel_size=3)
        self.MaxPool_2 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.Mixed_5b = blocks.InceptionA(192, pool_features=32)
        self.Mixed_5c = blocks.InceptionA(256, pool_features=64)
        self.Mixed_5d = blocks.InceptionA(288, pool_features=64)
        self.Mixed_6a = blocks.InceptionB(288)
        self.Mixed_6b = blocks.InceptionC(768, channels_7x7=128)
        self.Mixed_6c = blocks.InceptionC(768, channels_7x7=160)
        self.Mixed_6d = blocks.InceptionC(768, channels_7x7=160)
        self.Mixed_6e = blocks.InceptionC(768, channels_7x7=192)
        self.Mixed_7a = blocks.InceptionD(768)
        self.Mixed_7b = blocks.InceptionE_1(1280)
        self.Mixed_7c = blocks.InceptionE_2(2048)
        self.fc = nn.Linear(2048, 1008)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 299, 299) of (value − 128) / 128 to (N, D)."""
        last = {"64": "MaxPool_1", "192": "MaxPool_2", "768": "Mixed_6e"}.get(self.layer, "Mixed_7c")
        for name, block in self.named_children():
            x = block(x)
            if name == last:
                break
        x = x.mean(dim=(2, 3))
        if not self.layer.startswith("logits"):
            return x
        bias = self.fc.bias if self.layer == "logits" else None
        return nn.functional.linear(x, self.fc.weight, bias)


def fuse(network: Inception) -> None:
    """Fold every batch normalisation into the convolution before it, which saves a third of the passes over memory.

    The result is equal up to rounding. For inference only.
    """
    from torch_fidelity.feature_extractor_inceptionv3 import BasicConv2d

    for block in [module for module in network.modules() if isinstance(module, BasicConv2d)]:
        block.conv = torch.nn.utils.fuse_conv_bn_eval(block.conv, block.bn)
        block.bn = nn.Identity()


EXPECTED = "expected a vision model or a dual encoder as transformers saves it (config.json, safetensors)"
LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}


_CLASS_TOKENS = ("cls_token", "class_embedding", "class_token")


class Vision(nn.Module):
    """A model's features of pictures.

    Args:
        model: a vision model, or a dual encoder with ``get_image_features``.
        layer: the layer whose output is used (``families.TRANSFORMERS_LAYERS``).
    """

    def __init__(self, model: Any, layer: str) -> None:
        super().__init__()
        self.model = model
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W), normalised, to (N, D)."""
        if self.layer == "projected":
            return self.model.get_image_features(pixel_values=x).pooler_output
        tower = self.model.vision_model if hasattr(self.model, "get_image_features") else self.model
        seen = tower(pixel_values=x)
        if self.layer == "cls":
            return seen.last_hidden_state[:, 0]
        pooled = getattr(seen, "pooler_output", None)
        if pooled is None:
            raise ValueError(f"it has no pooled output{self._other(tower, x)}")
        return pooled.flatten(1)

    def _other(self, tower: Any, x: Tensor) -> str:
        """The layer that works in its place, or why none would."""
        three = x[:1].expand(3, -1, -1, -1)
        try:
            first = repeatable(lambda n: tower(pixel_values=three[:n]).last_hidden_state, tower, "")
        except StageError as e:
            return f", and {str(e).removeprefix(': ').partition(':')[0]}"
        has = _has_class_token(tower)
        return "; transformers:cls takes its class token" if first.ndim == 3 and has else ""


def _has_class_token(tower: nn.Module) -> bool:
    return any(name.endswith(_CLASS_TOKENS) for name, _ in tower.named_parameters())


def empty(folder: Path, layer: str) -> Vision:
    """The network that an extractor's ``config.json`` describes, with weights still to be loaded.

    Raises:
        StageError: the file does not describe a vision model.
    """
    from transformers import AutoConfig, AutoModel

    with _readable(folder, "the extractor"):
        config = AutoConfig.from_pretrained(folder, **LOCAL)
        model = AutoModel.from_config(config, dtype=torch.float32, trust_remote_code=False)
    return Vision(model, layer)


def pretrained(folder: Path, layer: str, to: Path, what: str) -> Vision:
    """A folder's network with its weights, in fp32, ready for use.

    Args:
        folder: configuration and weights.
        layer: the layer whose output is used.
        to: the folder to which ``config.json`` is written, for ``empty``.
        what: its name in messages.

    Raises:
        StageError: another kind of model, no safetensors weights, some of the network's weights missing, or no such
            layer.
    """
    from transformers import AutoModel

    with _readable(folder, what), hushed(transformers_logging):
        model, found = AutoModel.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, output_loading_info=True, **LOCAL
        )
    dual = hasattr(model, "get_image_features")
    if not dual and getattr(model, "main_input_name", None) != "pixel_values":
        raise StageError(f"{what}: {held(folder)}; {EXPECTED}")
    if layer == "projected" and not dual:
        raise StageError(
            f"{what}: {type(model).__name__} is no dual encoder; transformers:projected needs one"
        )
    has_class_token = _has_class_token(model.vision_model if dual else model)
    if layer == "cls" and not has_class_token:
        raise StageError(
            f"{what}: {article(type(model).__name__)} has no class token, its first one is of a corner of the picture; "
            "transformers takes its pooled output"
        )
    # transformers fills missing weights at random, with a warning. A missing pooler does not matter if it is not used.
    missing = [n for n in sorted(found["missing_keys"]) if layer != "cls" or "pooler" not in n]
    vision = Vision(model, layer)
    vision.eval().requires_grad_(False)
    if missing:
        no_pooler = has_class_token and all("pooler" in name for name in missing)
        hint = "; transformers:cls needs no pooler" if no_pooler else ""
        raise StageError(f"{what}: no weights for {missing[0]} ({len(missing)} tensors){hint}")
    (to / "config.json").write_text(_described(model.config), encoding="utf-8")
    return vision


def _described(config: Any) -> str:
    """A configuration without version and original path, so that the extractor's digest covers the network only."""
    described = json.loads(config.to_json_string())
    for name in ("transformers_version", "_name_or_path"):
        described.pop(name, None)
    return json.dumps(described, indent=1, sort_keys=True)


@contextmanager
def _readable(folder: Path, what: str) -> Iterator[None]:
    try:
        yield
    except UNREADABLE as e:
        raise StageError(f"{what}: {held(folder)}, not opened ({one_line(e)}); {EXPECTED}") from None
