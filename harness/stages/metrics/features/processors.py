"""The preparation of pictures that comes with a network, as a ``View``: transformers' processors, timm's settings.

Every word of it is followed, or the network is refused. What a processor of transformers does is decided by its class
as well as by its words, so that the view is held against it on pictures of several shapes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from harness.compute.weights import UNREADABLE, held, one_line
from harness.errors import StageError
from harness.stages.metrics.features.view import Channels, Fit, View

OTHERWISE = "set size, resize and normalisation yourself"
_EDGE = 384
"""Side from which on ConvNeXt's processor stretches pictures instead of cropping them."""
_FOLLOWED = frozenset(
    {
        *("do_resize", "size", "default_to_square", "resample", "crop_pct", "do_center_crop", "crop_size"),
        *("do_rescale", "rescale_factor", "do_normalize", "image_mean", "image_std", "do_convert_rgb"),
        *("image_processor_type", "processor_class", "data_format", "input_data_format", "return_tensors"),
    }
)


def of_transformers(folder: Path, what: str) -> View:
    """The view of a folder's image processor.

    Args:
        folder: has ``preprocessor_config.json``; no code in it is run.
        what: its name in messages.

    Raises:
        StageError: it has no image processor, or one that does something else than views do: the words are named.
    """
    from transformers import AutoImageProcessor

    try:
        processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except UNREADABLE as e:
        why = ": no preprocessor_config.json"
        if (folder / "preprocessor_config.json").is_file():
            why = f" ({one_line(e).replace(str(folder), folder.name)})"
        raise StageError(
            f"{what}: {held(folder)}, without an image processor that transformers reads{why}; "
            f"expected one, or {OTHERWISE}"
        ) from None
    told = {name: value for name, value in processor.to_dict().items() if value is not None}
    problem = ""
    try:
        for view in _candidates(told, getattr(processor, "backend", "pil")):
            unrounded: Any = view.fit.replace("tensor-", "float-")
            for candidate in dict.fromkeys((view, replace(view, fit=unrounded))):
                if _agrees(candidate, processor):
                    return candidate
    except ValueError as e:
        problem = f" ({e})"
    except (StageError, *UNREADABLE) as e:
        problem = f" ({one_line(e)})"
    odd = sorted(name for name, value in told.items() if name not in _FOLLOWED and value and name[0] != "_")
    if odd and not problem:
        problem = f" ({', '.join(odd)})"
    problem = problem or " (what its class does beside its words)"
    raise StageError(
        f"{what}: its {type(processor).__name__} does what own does not follow{problem}; {OTHERWISE}"
    )


def of_timm(config: Mapping[str, Any], what: str) -> View:
    """The view that timm tests a network with, by its ``pretrained_cfg``.

    Raises:
        StageError: an input that is no square, or a crop or a filter that views do not have.
    """
    from timm.data import resolve_data_config

    told = resolve_data_config(pretrained_cfg=dict(config), verbose=False)
    channels, height, width = told["input_size"]
    if channels != 3 or height != width:
        raise StageError(
            f"{what}: its input is {channels}×{height}×{width}; pictures here are square and RGB"
        )
    if told["crop_mode"] not in ("center", "squash"):
        raise StageError(f"{what}: own does not follow its crop_mode {told['crop_mode']!r}; {OTHERWISE}")
    if told["interpolation"] not in ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"):
        raise StageError(
            f"{what}: own does not follow its interpolation {told['interpolation']!r}; {OTHERWISE}"
        )
    fit: Any = f"pil-{told['interpolation']}"
    try:
        mean, std = _channels(told["mean"], 255), _channels(told["std"], 255)
    except ValueError as e:
        raise StageError(f"{what}: own does not follow its mean and std ({e}); {OTHERWISE}") from None
    edge, keeps_shape = math.floor(height / told["crop_pct"]), told["crop_mode"] == "center"
    if edge < height:
        raise StageError(
            f"{what}: own does not follow its crop_pct {told['crop_pct']}, which pads; {OTHERWISE}"
        )
    return View(height, fit, mean, std, edge if keeps_shape or edge != height else None, keeps_shape)


def _candidates(told: Mapping[str, Any], backend: str) -> Iterator[View]:
    """What a processor's words may mean; ValueError names a word with another value than views have."""
    factor = float(told.get("rescale_factor", 1 / 255)) if told.get("do_rescale") else 1.0
    if not factor:
        raise ValueError("rescale_factor 0")
    values = round(1 / factor) if abs(1 / factor - round(1 / factor)) < 1e-6 else 1 / factor
    mean: Channels = (0.0, 0.0, 0.0)
    std: Channels = (values, values, values)
    if told.get("do_normalize"):
        mean, std = _channels(told["image_mean"], values), _channels(told["image_std"], values)
    crop = _square(told["crop_size"], "crop_size") if told.get("do_center_crop") else None
    if not told.get("do_resize"):
        yield View(crop, "as it is" if crop is None else "centre-crop", mean, std, cropping="down")
        return
    fit = _fit(int(told.get("resample", 2)), backend)
    size = dict(told["size"])
    edge = size.get("shortest_edge")
    if edge is None or set(size) != {"shortest_edge"}:
        side = _square(size, "size")
        if crop is None or crop == side:
            yield View(side, fit, mean, std)
        else:
            yield View(crop, fit, mean, std, side, keeps_shape=False, cropping="down")
        return
    share = told.get("crop_pct")
    if share is not None:
        side = int(edge / share)
        yield (
            View(edge, fit, mean, std) if edge >= _EDGE else View(edge, fit, mean, std, side, cropping="down")
        )
        if crop is not None:
            yield View(crop, fit, mean, std, side, cropping="down")
    if crop is None:
        raise ValueError(f"size {size} without a crop leaves pictures of other shapes")
    yield View(crop, fit, mean, std, edge, cropping="down")


def _fit(resample: int, backend: str) -> Fit:
    name = Image.Resampling(resample).name.lower()
    if backend == "torchvision":
        name = {"nearest": "nearest-exact", "box": "nearest", "hamming": "nearest"}.get(name, name)
    fit: Any = f"{'tensor' if backend == 'torchvision' else 'pil'}-{name}"
    found: Fit = fit
    return found


def _square(size: Any, word: str) -> int:
    told = dict(size)
    height, width = told.get("height"), told.get("width")
    if height is None or height != width:
        raise ValueError(f"{word} {told}, and pictures here become squares")
    return int(height)


def _channels(values: Any, scale: float) -> Channels:
    """Three values in 8-bit units, from one or three that are not."""
    given = [values] * 3 if isinstance(values, int | float) else list(values)
    if len(given) != 3:
        raise ValueError(f"{len(given)} channels, and pictures here have three")
    red, green, blue = (scale * float(value) for value in given)
    return red, green, blue


def _agrees(view: View, processor: Any) -> bool:
    """Whether a view makes of pictures what a processor makes of them, up to rounding."""
    import torch

    side = view.edge or view.size or 64
    for width, height in ((side, side), (2 * side + 3, side + 5), (side + side // 2 + 2, 2 * side)):
        picture = _picture(width, height)
        wanted = torch.as_tensor(np.asarray(processor(picture, return_tensors="np")["pixel_values"]))
        made = view.normalised(torch.from_numpy(view.pixels(picture).copy()).permute(2, 0, 1)[None])
        if wanted.shape != made.shape:
            return False
        size = max(1.0, float(wanted.abs().max()))
        if not float((made - wanted.float()).abs().max()) <= 1e-5 * size:
            return False
    return True


def _picture(width: int, height: int) -> Image.Image:
    """Edges, ramps and noise, so that filters, crops and channels differ."""
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    noise = np.random.default_rng(0).integers(0, 64, size=(height, width))
    red = across * 191 // width + noise
    green = np.where((across // 5 + down // 7) % 2, 230, 20)
    blue = down * 255 // height
    return Image.fromarray(np.stack([red, green, blue], axis=2).astype(np.uint8))
