"""Pipelines in one safetensors file, in the layout of Stable Diffusion's own code."""

from __future__ import annotations

from pathlib import Path

from diffusers import StableDiffusionPipeline

from harness.compute.weights import UNREADABLE, header, one_line, stored_dtype
from harness.errors import StageError
from harness.systems.text_to_image.pipelines import checks, weight_files
from harness.systems.text_to_image.pipelines.components import NETWORKS, assemble

_PREFIXES = {
    "vae": "first_stage_model.",
    "text_encoder": "cond_stage_model.",
    "unet": "model.diffusion_model.",
}


def read_single_file(file: Path, what: str, config: Path | None) -> StableDiffusionPipeline:
    """A pipeline of a file's weights in a folder's configuration, on the CPU, each network as it is stored.

    Args:
        file: safetensors with the names of Stable Diffusion's own code; ``model_ema.…`` is not read.
        what: what messages call it.
        config: a folder as diffusers saves one; its weights are neither needed nor read. The file itself says
            nothing of the tokenizer, the noise schedule and what the network predicts.

    Raises:
        StageError: a pickle, another layout, no configuration or one of another model, a damaged file.
    """
    weight_files.refuse_pickle(file, what)
    names = header(file, what)
    if not any(name.startswith(_PREFIXES["unet"]) for name in names):
        raise StageError(f"{what}: {_instead(list(names))}; expected a pipeline with {_PREFIXES['unet']}…")
    if config is None:
        raise StageError(
            f"{what}: one file has no tokenizer and no noise schedule; set config to a pipeline's folder of the same "
            "architecture (org/name@commit or path:…; its weights are not needed)"
        )
    dtypes = {part: stored_dtype([file], f"{what}: {part}", p) for part, p in _PREFIXES.items()}
    checks.layout(config, f"{what}: config")  # nothing is imported but what it lets through
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
    except NotImplementedError:  # torch, of a network that was left without some of its weights
        raise StageError(f"{what}: it lacks weights that the vae or the unet of its config has") from None
    except UNREADABLE as e:
        raise StageError(f"{what}: does not fit its config ({one_line(e)})") from None
    networks = {part: getattr(pipeline, part).eval().to(dtypes[part]) for part in NETWORKS}
    return assemble(what, networks, tokenizer=pipeline.tokenizer, scheduler=pipeline.scheduler)


def _instead(names: list[str]) -> str:
    if any("lora" in name for name in names):
        return "an adapter: give it as adapter, and the pipeline it was made for as source"
    return f"a file of other weights ({names[0]}, …)" if names else "a file without weights"
