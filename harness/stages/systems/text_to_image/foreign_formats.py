"""Pipelines in single files, with the tensor names of Stable Diffusion's own code."""

from __future__ import annotations

from pathlib import Path

from diffusers import StableDiffusionPipeline

from harness.compute.weights import UNREADABLE, header, one_line, refuse_pickle, stored_dtype
from harness.errors import StageError
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
