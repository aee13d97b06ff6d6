"""Formats of other tools: pipelines in single files, and LoRA adapters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import load_file

from harness.compute.weights import UNREADABLE, finite, header, one_line, refuse_pickle, stored_dtype
from harness.errors import StageError
from harness.sources.content import PICKLED
from harness.stages.systems.text_to_image import components
from harness.stages.systems.text_to_image.components import NETWORKS, assemble

_PREFIXES = {
    "vae": "first_stage_model.",
    "text_encoder": "cond_stage_model.",
    "unet": "model.diffusion_model.",
}


def read_single_file(file: Path, what: str, config: Path | None) -> StableDiffusionPipeline:
    """A pipeline with a file's weights and a folder's configuration, on the CPU, each network in its stored type.

    Args:
        file: safetensors with the tensor names of Stable Diffusion's own code; ``model_ema.…`` is not read.
        what: its name in messages.
        config: a pipeline's folder in the format of diffusers; its weights are neither needed nor read. The file
            itself does not specify the tokenizer, the noise schedule and the prediction type.

    Raises:
        StageError: a pickle, another layout, a configuration that is missing or of another model, a damaged file.
    """
    refuse_pickle(file, what)
    names = header(file, what)
    if not any(name.startswith(_PREFIXES["unet"]) for name in names):
        raise StageError(f"{what}: {_instead(list(names))}; expected a pipeline with {_PREFIXES['unet']}…")
    if config is None:
        raise StageError(
            f"{what}: one file has no tokenizer and no noise schedule; set config to a pipeline's folder of the same "
            "architecture (org/name@commit or path:…; its weights are not needed)"
        )
    dtypes = {part: stored_dtype([file], f"{what}: {part}", p) for part, p in _PREFIXES.items()}
    components.layout(config, f"{what}: config")  # only classes that pass this check are imported
    try:
        pipeline = StableDiffusionPipeline.from_single_file(
            str(file),
            config=str(config),
            local_files_only=True,
            safety_checker=None,
            feature_extractor=None,
            image_encoder=None,
            requires_safety_checker=False,
        )
    except NotImplementedError:  # raised by torch for a network with missing weights
        raise StageError(f"{what}: it lacks weights that the vae or the unet of its config has") from None
    except UNREADABLE as e:
        raise StageError(f"{what}: does not fit its config ({one_line(e)})") from None
    networks = {part: getattr(pipeline, part).eval().to(dtypes[part]) for part in NETWORKS}
    return assemble(what, networks, tokenizer=pipeline.tokenizer, scheduler=pipeline.scheduler)


def _instead(names: list[str]) -> str:
    if any("lora" in name for name in names):
        return "an adapter: give it as adapter, and the pipeline it was made for as source"
    return f"a file of other weights ({names[0]}, …)" if names else "a file without weights"


_NAME = "adapter"
_PEFT_WEIGHTS, _PEFT_CONFIG, _PEFT_PREFIX = (
    "adapter_model.safetensors",
    "adapter_config.json",
    "base_model.model.",
)
_DIFFUSERS_WEIGHTS = "pytorch_lora_weights.safetensors"

State = Mapping[str, torch.Tensor]


def merge_adapter(pipeline: StableDiffusionPipeline, path: Path, what: str, scale: float) -> int:
    """Add ``scale`` times an adapter to the weights of a pipeline, in the type of these weights.

    Args:
        pipeline: in fp32, so that the sum is rounded once.
        path: a safetensors file; a folder with one; a folder of PEFT for the UNet; or a folder with ``unet`` and
            ``text_encoder`` in it.
        what: its name in messages.
        scale: 1 for the adapter as it was trained.

    Returns:
        Number of tensors that were merged.

    Raises:
        StageError: not an adapter, a pickle, a damaged file, or an adapter for another pipeline.
    """
    held: Counter[tuple[object, ...]] = Counter()
    try:
        for state, alphas, metadata in _read(path, what):
            finite(state, what)
            held += _marks(tensor for name, tensor in state.items() if not name.endswith(".alpha"))
            settings = {"adapter_name": _NAME, "network_alphas": alphas, "metadata": metadata}
            pipeline.load_lora_into_unet(state, unet=pipeline.unet, **settings)
            pipeline.load_lora_into_text_encoder(state, text_encoder=pipeline.text_encoder, **settings)
    except UNREADABLE as e:
        raise StageError(f"{what}: does not fit the pipeline ({one_line(e)})") from None

    adapted = [n for n in (pipeline.unet, pipeline.text_encoder) if _NAME in getattr(n, "peft_config", {})]
    placed = sum(
        (_marks(get_peft_model_state_dict(n, adapter_name=_NAME).values()) for n in adapted), Counter()
    )
    if lost := held - placed:
        # The libraries only warn of such tensors: at worst the adapter would have no effect at all.
        raise StageError(
            f"{what}: {lost.total()} of its {held.total()} tensors have no place in the pipeline"
        )
    pipeline.fuse_lora(lora_scale=scale)
    pipeline.unload_lora_weights()
    return held.total()


def _read(path: Path, what: str) -> Iterable[tuple[State, Any, Any]]:
    """Weights named ``unet.…`` and ``text_encoder.…``, with the settings that determine their scale."""
    folders = {"unet": path / "unet", "text_encoder": path / "text_encoder"}
    peft = {part: folder for part, folder in folders.items() if (folder / _PEFT_CONFIG).is_file()}
    if (path / _PEFT_CONFIG).is_file():
        peft = {"unet": path}
    for part, folder in peft.items():
        file = _file(folder, _PEFT_WEIGHTS, what)
        weights = {f"{part}.{k.removeprefix(_PEFT_PREFIX)}": v for k, v in load_file(file).items()}
        config = LoraConfig.from_pretrained(str(folder)).to_dict()
        yield weights, None, {f"{part}.{name}": value for name, value in config.items()}
    if not peft:
        file = _file(path, _DIFFUSERS_WEIGHTS, what)
        if not any("lora" in name for name in header(file, what)):
            raise StageError(f"{what}: {file.name} has no LoRA weights")
        yield StableDiffusionPipeline.lora_state_dict(
            str(file.parent), weight_name=file.name, local_files_only=True, return_lora_metadata=True
        )


def _file(path: Path, usual: str, what: str) -> Path:
    """The adapter's safetensors file: ``path`` itself, or in that folder the one of the usual name or the only one."""
    if path.is_file():
        found = [path]
    elif (path / usual).is_file():
        found = [path / usual]
    else:
        found = sorted(path.glob("*.safetensors")) or sorted(p for p in path.iterdir() if p.suffix in PICKLED)
    if len(found) != 1:
        raise StageError(f"{what}: {len(found) or 'no'} files that may be the adapter; expected {usual}")
    refuse_pickle(found[0], what)
    names = header(found[0], what)
    if any("dora_scale" in name or "lora_magnitude" in name for name in names):
        raise StageError(
            f"{what}: a DoRA adapter, which diffusers cannot load into a pipeline; expected LoRA"
        )
    return found[0]


def _marks(tensors: Iterable[torch.Tensor]) -> Counter[tuple[object, ...]]:
    """Identify tensors by shape and sum, because each format names them differently."""
    return Counter((*tensor.shape, tensor.double().sum().item()) for tensor in tensors)
