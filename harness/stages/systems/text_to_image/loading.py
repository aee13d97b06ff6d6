"""The stages that load a pipeline (hub, folder or single file, optionally with an adapter) and change its dtype."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.artifact import Json, Pipeline
from harness.compute.precisions import Precision, dtype_of
from harness.errors import StageError
from harness.sources.hub import Source
from harness.stage import Job, stage

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline


@stage(version=1, software=("torch", "diffusers", "transformers", "peft"))
def load(
    *,
    source: Source,
    config: Source | None = None,
    adapter: Source | None = None,
    adapter_scale: float = 1.0,
    job: Job,
) -> Pipeline:
    """Load a trained Stable Diffusion pipeline and check that its weights are complete.

    It is read and saved again, in the dtype in which it is stored, so that it does not change when the source does.
    The safety checker, its feature extractor, and whatever else the folder has are left out. Pickles are never opened,
    and code shipped with the weights is never run. A scheduler's configuration is kept, except ``steps_offset`` 0 and
    ``clip_sample`` true, which diffusers corrects in every pipeline.

    Args:
        source: a pipeline's folder in the format of diffusers, or one safetensors file in Stable Diffusion's own
            layout: ``org/name@commit``, ``org/name@commit:file.safetensors``, ``path:…``.
        config: for a single file, a pipeline's folder of the same architecture, for everything except weights:
            tokenizer, scheduler and prediction type.
        adapter: a LoRA adapter to merge into the weights (diffusers', PEFT's or kohya's format): a safetensors
            file, or a folder with one. The result is a plain pipeline.
        adapter_scale: how much of the adapter is added; 1 is all of it.
        job: provides device, folders and log.

    Raises:
        StageError: a part is missing, damaged, a pickle, of another class, or does not fit the others; a weight is
            missing or not finite; an adapter is for another pipeline.
    """
    import torch

    from harness.compute.weights import finite
    from harness.stages.systems.text_to_image.components import NETWORKS, quiet, read_pipeline
    from harness.stages.systems.text_to_image.foreign_formats import merge_adapter, read_single_file

    if adapter is None and adapter_scale != 1.0:
        raise StageError("adapter_scale without an adapter changes nothing; set adapter")
    if config is not None and source.path.is_dir():
        raise StageError(f"{source.text}: a folder has its own configuration; config is for a single file")
    facts: dict[str, Json] = {}
    with quiet():
        if source.path.is_dir():
            pipeline = read_pipeline(source.path, source.text, None)
        else:
            pipeline = read_single_file(source.path, source.text, config.path if config else None)
        networks = {name: getattr(pipeline, name) for name in NETWORKS}
        if adapter is not None:
            stored = {name: network.dtype for name, network in networks.items()}
            for network in networks.values():
                network.to(torch.float32)
            merged = merge_adapter(pipeline, adapter.path, adapter.text, adapter_scale)
            for name, network in networks.items():
                finite(network.to(stored[name]).state_dict(), f"{adapter.text}: merged {name}")
            facts["adapter"] = {"tensors": merged, "scale": adapter_scale}
        folder = job.folder()
        pipeline.save_pretrained(folder, safe_serialization=True)
    return Pipeline(folder, facts={**describe(pipeline), **facts})


def describe(pipeline: StableDiffusionPipeline) -> dict[str, Json]:
    """Facts about a pipeline: sizes, dtypes and prediction type."""
    from harness.stages.systems.text_to_image.architectures import parameters
    from harness.stages.systems.text_to_image.components import NETWORKS

    return {
        "parameters": parameters(pipeline),
        "dtype": {name: str(getattr(pipeline, name).dtype).removeprefix("torch.") for name in NETWORKS},
        "scheduler": type(pipeline.scheduler).__name__,
        "prediction_type": pipeline.scheduler.config.get("prediction_type"),
        "size": pipeline.unet.config.sample_size * pipeline.vae_scale_factor,
        "tokens": pipeline.tokenizer.model_max_length,
    }


@stage(version=1, software=("torch", "diffusers", "transformers"))
def cast(pipeline: Pipeline, *, dtype: Precision, job: Job) -> Pipeline:
    """Store all weights in another type, e.g. to halve the size. Other stages compute in their own ``precision``.

    Args:
        pipeline: its networks are rounded; tokenizer and scheduler do not change.
        dtype: type of the weights on disk.
        job: gives the folder.

    Raises:
        StageError: a weight that is not finite in this type.
    """
    from harness.stages.systems.text_to_image.components import open_pipeline, quiet

    opened = open_pipeline(pipeline, dtype=dtype_of(dtype), device="cpu")
    folder = job.folder()
    with quiet():
        opened.save_pretrained(folder, safe_serialization=True)
    return Pipeline(folder, facts=describe(opened))
