"""Opens the parts of a pipeline one by one and checks them, so that an error names the part.

``DiffusionPipeline.from_pretrained`` is not used: it imports the classes that the folder names, and replaces missing
weights by random numbers. Here the classes are fixed, and missing weights are an error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL, ModelMixin, SchedulerMixin, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.utils import logging as diffusers_logging
from transformers import CLIPTextModel, CLIPTokenizer
from transformers.utils import logging as transformers_logging

from harness.artifact import Pipeline
from harness.compute import weights as weight_files
from harness.compute.weights import UNREADABLE, complete, finite, held, hushed, one_line
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
"""Files that a part's folder must have besides weights: one of several sets. Otherwise transformers uses defaults."""


def layout(folder: Path, what: str) -> str:
    """Check that a folder is a Stable Diffusion pipeline, with its index and all its configuration files.

    Returns:
        The name of its scheduler's class.

    Raises:
        StageError: another kind of pipeline, or a part that is missing, of another class, or with its own code.
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
        raise StageError(
            f"{what}: no {INDEX} in {held(folder)}; expected a StableDiffusionPipeline's folder as diffusers saves it"
        ) from None
    except (OSError, ValueError) as e:
        raise StageError(f"{what}: {INDEX} cannot be read ({one_line(e)})") from None
    if not isinstance(index, dict):
        raise StageError(f"{what}: {INDEX} is not an index of parts")
    return index


def _class(index: Mapping[str, Any], part: str, what: str) -> str:
    """The class of a part, which must come from a library and not from code shipped with the weights."""
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
    """Raises StageError if the output of one part does not fit the input of the next."""
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


NETWORKS: dict[str, Any] = {
    "vae": AutoencoderKL,
    "text_encoder": CLIPTextModel,
    "unet": UNet2DConditionModel,
}
"""The parts of a pipeline that have weights, and the classes that open them."""


def open_pipeline(artifact: Pipeline, *, dtype: torch.dtype, device: str) -> StableDiffusionPipeline:
    """A stored pipeline, ready to run: evaluation mode, no safety checker, no progress bars.

    Args:
        artifact: a stage's result; only safetensors are read, nothing is downloaded.
        dtype: type of all three networks, whatever type they are stored in.
        device: device of the networks.

    Raises:
        StageError: a part is missing or damaged, or has a weight that is not finite in ``dtype``.
    """
    with quiet():
        return read_pipeline(artifact.path, "the pipeline", dtype).to(device)


def read_pipeline(folder: Path, what: str, dtype: torch.dtype | None) -> StableDiffusionPipeline:
    """A pipeline from a folder in the format of diffusers, on the CPU.

    Args:
        folder: has ``model_index.json`` and a folder for each part.
        what: its name in messages.
        dtype: type of the networks; None for the one that each is stored in.

    Raises:
        StageError: it is not such a pipeline; one line that names the part.
    """
    scheduler = layout(folder, what)
    networks = {
        name: read_network(folder / name, f"{what}: {name}", kind, dtype) for name, kind in NETWORKS.items()
    }
    return assemble(
        what,
        networks,
        tokenizer=_configured(folder / "tokenizer", f"{what}: tokenizer", CLIPTokenizer),
        scheduler=_configured(folder / "scheduler", f"{what}: scheduler", getattr(diffusers, scheduler)),
    )


def assemble(
    what: str, networks: dict[str, Any], *, tokenizer: CLIPTokenizer, scheduler: SchedulerMixin
) -> StableDiffusionPipeline:
    """Assemble a pipeline from parts that fit together, without safety checker.

    Raises:
        StageError: they do not fit, or a weight is not finite.
    """
    for name, network in networks.items():
        finite(network.state_dict(), f"{what}: {name}")
        if isinstance(network, ModelMixin):
            network.register_to_config(_name_or_path="")  # else a saved copy contains this machine's paths
    fit(what, tokenizer=tokenizer, **networks)
    pipeline = StableDiffusionPipeline(
        **networks,
        tokenizer=tokenizer,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def read_network(folder: Path, what: str, kind: Any, dtype: torch.dtype | None) -> Any:
    """A network in evaluation mode, with all of its weights from the folder's safetensors."""
    weights = weight_files.weights(folder, what)
    try:
        network, info = kind.from_pretrained(
            folder,
            dtype=dtype or weights.dtype,
            variant=weights.variant,
            use_safetensors=True,
            local_files_only=True,
            ignore_mismatched_sizes=True,  # so that ``complete`` can name and refuse them
            output_loading_info=True,
        )
    except UNREADABLE as e:
        raise StageError(f"{what}: cannot be opened ({one_line(e)})") from None
    complete(info, what)
    return network.eval()


def _configured(folder: Path, what: str, kind: Any) -> Any:
    """Open a part that has no weights."""
    try:
        return kind.from_pretrained(folder, local_files_only=True)
    except UNREADABLE as e:
        raise StageError(f"{what}: cannot be opened ({one_line(e)})") from None


def quiet() -> AbstractContextManager[None]:
    """Suppress progress bars and messages of diffusers and transformers; the checks here cover what matters."""
    return hushed(diffusers_logging, transformers_logging)
