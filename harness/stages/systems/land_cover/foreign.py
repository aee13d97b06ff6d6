"""Classifiers of other tools: timm's checkpoints, and those of Lightning, as TorchGeo's tasks write them."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from harness.compute.weights import held, one_line
from harness.errors import StageError, UsageError
from harness.formats.strict_json import read as read_json
from harness.sources.content import PICKLED, conversion, files_of, refusal

CHECKPOINT = ".ckpt"
WEIGHTS = ".safetensors"
CONFIG = "config.json"
EXPECTED = (
    "expected a classifier of land_cover.train, of timm (config.json with 'architecture') or of Lightning"
)
UNUSED = frozenset({"drop_rate", "drop_path_rate", "in_chans", "num_classes", "proj_drop_rate"})
"""Arguments of a timm model that do not change what it computes, or that are given otherwise."""

Channels = tuple[float, float, float]


@dataclass(frozen=True)
class Described:
    """What is known of a classifier beside its weights; None where nothing says it."""

    model: str | None = None
    classes: tuple[str, ...] | None = None
    mean: Channels | None = None
    std: Channels | None = None

    def filled(self, other: Described, what: str) -> Described:
        """With what ``other`` says where this says nothing.

        Raises:
            StageError: both name a model, and not the same.
        """
        if self.model and other.model and self.model.partition(".")[0] != other.model.partition(".")[0]:
            raise StageError(f"{what}: a {other.model}, not a {self.model}")
        return Described(
            self.model or other.model,
            self.classes or other.classes,
            self.mean or other.mean,
            self.std or other.std,
        )


@dataclass(frozen=True)
class Foreign:
    """A classifier of another tool, opened."""

    model: str
    classes: tuple[str, ...]
    mean: Channels
    std: Channels
    state: Mapping[str, torch.Tensor]
    """State dict of the network, in fp32."""
    unread: int
    """How many tensors of the file are not the network's."""


def opened(place: Path, told: Described, what: str) -> Foreign:
    """Open a classifier of another tool.

    Args:
        place: a safetensors file, a ``.ckpt``, or a folder with one of them, beside timm's ``config.json`` if there is
            one.
        told: what the suite says of it.
        what: its name in messages.

    Raises:
        StageError: another kind of file; a pickle with more than tensors and plain values; weights that do not fit
            the architecture; no architecture, classes or normalisation known; more channels than three.
    """
    file, config = _files(place, what)
    if config is not None:
        _config(config, what)
    state, hyper = _checkpoint(file, what) if file.suffix == CHECKPOINT else (_safetensors(file, what), {})
    known = told.filled(_of_hyper(hyper), what)
    body = {} if config is None else _config(config, what)
    known = known.filled(_of_config(body, what), what)
    for name, value, example in (
        ("model", known.model, "resnet18"),
        ("classes", known.classes, "[Crop Land, Water Body], in the order of the outputs"),
        ("mean", known.mean, "[0, 0, 0], in pixels from 0 to 1"),
        ("std", known.std, "[1, 1, 1], if pixels were only divided by 255"),
    ):
        if value is None:
            raise StageError(f"{what}: nothing in it says its {name}; set it: {name}: {example}")
    model, classes, mean, std = known.model, known.classes, known.mean, known.std
    assert model is not None
    assert classes is not None
    assert mean is not None
    assert std is not None
    fitted, unread = _fitted(_network(model, len(classes), body, what), state, what)
    return Foreign(model, classes, mean, std, fitted, unread)


def _files(place: Path, what: str) -> tuple[Path, Path | None]:
    if place.is_file():
        found, config = place, None
    else:
        inside = files_of(place)
        weights = [path for name, path in inside.items() if name.endswith((WEIGHTS, CHECKPOINT))]
        if len(weights) != 1:
            names = ", ".join(path.name for path in weights[:3]) or ", ".join(list(inside)[:5])
            raise StageError(f"{what}: expected one {WEIGHTS} or {CHECKPOINT} file, found {names}")
        found, config = weights[0], inside.get(CONFIG)
    if found.suffix in PICKLED and found.suffix != CHECKPOINT:
        raise StageError(refusal(f"{what}: {found.name}", conversion(found.name, f"{found.stem}{WEIGHTS}")))
    if found.suffix not in (WEIGHTS, CHECKPOINT):
        raise StageError(f"{what}: {found.name}: expected {WEIGHTS}, {CHECKPOINT} or a classifier's folder")
    return found, config


def _safetensors(file: Path, what: str) -> dict[str, torch.Tensor]:
    try:
        return load_file(file)
    except (SafetensorError, OSError) as e:
        raise StageError(f"{what}: {file.name}: not a readable safetensors file ({one_line(e)})") from None


def _checkpoint(file: Path, what: str) -> tuple[dict[str, torch.Tensor], Mapping[str, Any]]:
    """State dict and hyperparameters of a Lightning checkpoint; nothing in it can run code."""
    try:
        body = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise StageError(
            refusal(f"{what}: {file.name}", conversion(file.name, f"{file.stem}{WEIGHTS}"))
        ) from None
    except (RuntimeError, OSError, EOFError, ValueError, KeyError) as e:
        raise StageError(f"{what}: {file.name}: damaged ({one_line(e)})") from None
    state = body.get("state_dict") if isinstance(body, dict) else None
    if not isinstance(state, dict):
        raise StageError(f"{what}: {file.name}: no 'state_dict'; expected a checkpoint of Lightning")
    hyper = body.get("hyper_parameters")
    tensors = {name: value for name, value in state.items() if torch.is_tensor(value)}
    return tensors, hyper if isinstance(hyper, dict) else {}


def _of_hyper(hyper: Mapping[str, Any]) -> Described:
    """What the hyperparameters of TorchGeo's ClassificationTask say."""
    model = hyper.get("model")
    return Described(model if isinstance(model, str) else None)


def _config(file: Path, what: str) -> Mapping[str, Any]:
    try:
        body = read_json(file)
    except UsageError as e:
        raise StageError(str(e)) from None
    if not isinstance(body, dict) or not isinstance(body.get("architecture"), str):
        raise StageError(f"{what}: {held(file.parent)}; {EXPECTED}")
    return body


def _of_config(body: Mapping[str, Any], what: str) -> Described:
    if not body:
        return Described()
    own = body.get("pretrained_cfg")
    own = own if isinstance(own, dict) else {}
    return Described(
        body["architecture"],
        _labels(body.get("label_names"), what),
        _channels(own.get("mean"), f"{what}: {CONFIG}: mean"),
        _channels(own.get("std"), f"{what}: {CONFIG}: std"),
    )


def _labels(names: Any, what: str) -> tuple[str, ...] | None:
    """The names of the classes in order, from a list or a mapping from index to name."""
    if names is None:
        return None
    if isinstance(names, dict):
        names = [names.get(str(i)) for i in range(len(names))]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise StageError(f"{what}: {CONFIG}: label_names are no names for all indices; set classes")
    return tuple(names)


def _channels(value: Any, what: str) -> Channels | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 3 or not all(type(v) in (int, float) for v in value):
        raise StageError(f"{what} is {value!r:.60}; images here have three channels")
    red, green, blue = map(float, value)
    return red, green, blue


def _network(model: str, classes: int, body: Mapping[str, Any], what: str) -> torch.nn.Module:
    import timm

    try:
        network: Any = timm.create_model(model, num_classes=classes, in_chans=3, pretrained=False)
    except (RuntimeError, ValueError, TypeError) as e:
        raise StageError(f"{what}: {one_line(e)}") from None
    built = body.get("model_args")
    built = dict(built) if isinstance(built, dict) else {}
    built |= {"global_pool": body["global_pool"]} if "global_pool" in body else {}
    plain = {"global_pool": _pool(network), "img_size": list(network.pretrained_cfg["input_size"][1:])}
    for name, value in built.items():
        if name not in UNUSED and plain.get(name) != value:
            told = f"built with {name}: {value!r:.40}, which a classifier here cannot keep"
            raise StageError(f"{what}: {told}")
    found: torch.nn.Module = network
    return found


def _pool(network: torch.nn.Module) -> str:
    """How a network pools its features, as timm names it; empty if it does not say."""
    for holder in (network, getattr(network, "head", None)):
        pool = getattr(holder, "global_pool", None)
        name = pool if isinstance(pool, str) else getattr(pool, "pool_type", None)
        if isinstance(name, str):
            return name
    return ""


def _fitted(
    network: torch.nn.Module, state: Mapping[str, torch.Tensor], what: str
) -> tuple[dict[str, torch.Tensor], int]:
    """The weights of the network, below whatever name the tool has put it; and the number of other tensors."""
    own = network.state_dict()
    first = next(iter(own))
    prefixes = {name.removesuffix(first) for name in state if f".{name}".endswith(f".{first}")}
    fits = {p: [n for n in own if p + n not in state] for p in sorted(prefixes, key=len)}
    prefix = min(fits, key=lambda p: len(fits[p]), default="")
    missing = fits.get(prefix, list(own))
    if missing:
        raise StageError(f"{what}: no {prefix}{missing[0]} in it ({len(missing)} of {len(own)} tensors)")
    taken = {name: state[prefix + name] for name in own}
    for name, tensor in taken.items():
        if tensor.shape != own[name].shape:
            shapes = f"{list(tensor.shape)}, expected {list(own[name].shape)}"
            raise StageError(f"{what}: {prefix}{name} has the shape {shapes}; other classes or channels?")
    more = [n for n in state if n.startswith(prefix) and n[len(prefix) :] not in own] if prefix else []
    if more:
        raise StageError(f"{what}: {more[0]} is no tensor of this architecture ({len(more)} tensors)")
    network.load_state_dict(taken)
    return {n: t.contiguous() for n, t in network.state_dict().items()}, len(state) - len(taken)


def described(
    model: str | None, classes: Sequence[str] | None, mean: Channels | None, std: Channels | None
) -> Described:
    """What a suite says of a classifier.

    Raises:
        StageError: classes that are no names, or a deviation that is not positive.
    """
    if classes is not None and (len(set(classes)) < len(classes) or len(classes) < 2):
        raise StageError(f"classes: expected two or more names, each once, not {list(classes)!r:.80}")
    if std is not None and min(std) <= 0:
        raise StageError(f"std: {list(std)} must be positive")
    return replace(Described(), model=model, classes=tuple(classes) if classes else None, mean=mean, std=std)
