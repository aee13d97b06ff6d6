"""The parts of a pipeline, opened one by one, so that whatever is wrong has a name.

``DiffusionPipeline.from_pretrained`` would do, but it imports what the folder names, and random numbers take
the place of weights that are missing. Here the classes are ours to say, and a gap is an error.
"""

from __future__ import annotations

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
from harness.compute.quiet import hushed
from harness.compute.weights import UNREADABLE, complete, finite, one_line
from harness.errors import StageError
from harness.systems.text_to_image.pipelines import checks, weight_files

NETWORKS: dict[str, Any] = {
    "vae": AutoencoderKL,
    "text_encoder": CLIPTextModel,
    "unet": UNet2DConditionModel,
}
"""What of a pipeline has weights, and as what it is opened."""


def open_pipeline(artifact: Pipeline, *, dtype: torch.dtype, device: str) -> StableDiffusionPipeline:
    """A stored pipeline, ready to run: evaluation mode, no safety checker, no progress bars.

    Args:
        artifact: as a stage left it; safetensors only, nothing is downloaded.
        dtype: of all three networks, whatever the stored one is.
        device: where they go.

    Raises:
        StageError: a part is missing or damaged, or has a number that is not finite in ``dtype``.
    """
    with quiet():
        return read_pipeline(artifact.path, "the pipeline", dtype).to(device)


def read_pipeline(folder: Path, what: str, dtype: torch.dtype | None) -> StableDiffusionPipeline:
    """A pipeline from a folder as diffusers saves it, on the CPU.

    Args:
        folder: with ``model_index.json`` and a folder for each part.
        what: what messages call it.
        dtype: of the networks; None for the one that each is stored in.

    Raises:
        StageError: it is no such pipeline; one line that names the part.
    """
    scheduler = checks.layout(folder, what)
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
    """A pipeline of parts that fit one another, without safety checker.

    Raises:
        StageError: they do not fit, or a weight is not finite.
    """
    for name, network in networks.items():
        finite(network.state_dict(), f"{what}: {name}")
        if isinstance(network, ModelMixin):
            network.register_to_config(_name_or_path="")  # else a saved copy has this machine's paths in it
    checks.fit(what, tokenizer=tokenizer, **networks)
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
    """A network with every one of its weights from the folder's safetensors, in evaluation mode."""
    weights = weight_files.weights(folder, what)
    try:
        network, info = kind.from_pretrained(
            folder,
            dtype=dtype or weights.dtype,
            variant=weights.variant,
            use_safetensors=True,
            local_files_only=True,
            ignore_mismatched_sizes=True,  # to name them: ``complete`` refuses them
            output_loading_info=True,
        )
    except UNREADABLE as e:
        raise StageError(f"{what}: cannot be opened ({one_line(e)})") from None
    complete(info, what)
    return network.eval()


def _configured(folder: Path, what: str, kind: Any) -> Any:
    """A part without weights."""
    try:
        return kind.from_pretrained(folder, local_files_only=True)
    except UNREADABLE as e:
        raise StageError(f"{what}: cannot be opened ({one_line(e)})") from None


def quiet() -> AbstractContextManager[None]:
    """No bars and no remarks of diffusers and transformers; what matters of them is checked instead."""
    return hushed(diffusers_logging, transformers_logging)
