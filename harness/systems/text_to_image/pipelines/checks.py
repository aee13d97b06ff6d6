"""What must be true of a pipeline from elsewhere; each failure is one line that names the part."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
from diffusers import SchedulerMixin

from harness.compute.weights import one_line
from harness.errors import StageError, nearest

INDEX = "model_index.json"

_PARTS = {
    "vae": ("AutoencoderKL",),
    "text_encoder": ("CLIPTextModel",),
    "tokenizer": ("CLIPTokenizer", "CLIPTokenizerFast"),
    "unet": ("UNet2DConditionModel",),
}
_FILES = {
    "vae": (("config.json",),),
    "text_encoder": (("config.json",),),
    "tokenizer": (("tokenizer.json",), ("vocab.json", "merges.txt")),
    "unet": (("config.json",),),
    "scheduler": (("scheduler_config.json",),),
}
"""What a part's folder must have, besides weights; one of several sets. Without, transformers makes one up."""


def layout(folder: Path, what: str) -> str:
    """That a folder is a Stable Diffusion pipeline's, with its index and all its configuration.

    Returns:
        The name of its scheduler's class.

    Raises:
        StageError: another pipeline, a part that is missing or another, or one with code of its own.
    """
    index = _index(folder, what)
    if index.get("_class_name") != "StableDiffusionPipeline":
        raise StageError(f"{what}: a {index.get('_class_name')}; expected a StableDiffusionPipeline")
    for part, kinds in _PARTS.items():
        kind = _class(index, part, what)
        if kind not in kinds:
            raise StageError(f"{what}: {part} is of class {kind}; expected {' or '.join(kinds)}")
    scheduler = _class(index, "scheduler", what)
    known = [name for name in dir(diffusers) if name.endswith("Scheduler")]
    if scheduler not in known or not issubclass(getattr(diffusers, scheduler), SchedulerMixin):
        raise StageError(f"{what}: scheduler {scheduler} is not one of diffusers'{nearest(scheduler, known)}")
    for part, sets in _FILES.items():
        if not (folder / part).is_dir():
            raise StageError(f"{what}: no {part}/")
        if not any(all((folder / part / name).is_file() for name in names) for names in sets):
            raise StageError(f"{what}: no {part}/{f' or {part}/'.join(' + '.join(names) for names in sets)}")
    return scheduler


def _index(folder: Path, what: str) -> Mapping[str, Any]:
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StageError(f"{what}: no {INDEX}; expected a pipeline's folder as diffusers saves it") from None
    except (OSError, ValueError) as e:
        raise StageError(f"{what}: {INDEX} cannot be read ({one_line(e)})") from None
    if not isinstance(index, dict):
        raise StageError(f"{what}: {INDEX} is not an index of parts")
    return index


def _class(index: Mapping[str, Any], part: str, what: str) -> str:
    """The class of a part, which must be of a library and not of code beside the weights."""
    match index.get(part):
        case ["diffusers" | "transformers", str(name)]:
            return name
        case None | [None, None]:
            raise StageError(f"{what}: {INDEX} has no {part}{nearest(part, index)}")
        case other:
            raise StageError(
                f"{what}: {part} is {other}, not of diffusers or transformers; other code is not run"
            )


def fit(what: str, *, vae: Any, text_encoder: Any, unet: Any, tokenizer: Any) -> None:
    """Raises StageError where what one part makes is not what the next one takes."""
    if not isinstance(unet.config.sample_size, int):
        raise StageError(
            f"{what}: the unet's sample_size is {unet.config.sample_size}; expected the side of a latent in pixels"
        )
    made, taken = vae.config.latent_channels, unet.config.in_channels
    if made != taken:
        raise StageError(f"{what}: the vae makes {made} latent channels, the unet takes {taken}")
    width, crossed = text_encoder.config.hidden_size, unet.config.cross_attention_dim
    if width != crossed:
        raise StageError(f"{what}: the text encoder makes {width} features, the unet takes {crossed}")
    words, known = len(tokenizer), text_encoder.config.vocab_size
    if words > known:
        raise StageError(f"{what}: the tokenizer has {words} tokens, the text encoder knows {known}")
    length, places = tokenizer.model_max_length, text_encoder.config.max_position_embeddings
    if length > places:
        raise StageError(
            f"{what}: the tokenizer allows {length:.3g} tokens, the text encoder has {places} positions"
        )
