"""The stage that stores a pipeline's weights in another type."""

from __future__ import annotations

from harness.artifact import Pipeline
from harness.compute.precisions import Precision, dtype_of
from harness.stage import Job, stage


@stage(version=1, software=("torch", "diffusers", "transformers"))
def cast(pipeline: Pipeline, *, dtype: Precision, job: Job) -> Pipeline:
    """Store all weights as another type: half the size for shipping. Other stages compute in what they are told.

    Args:
        pipeline: its networks are rounded; tokenizer and scheduler stay as they are.
        dtype: of the weights on disk.
        job: gives the folder.

    Raises:
        StageError: a weight that is not finite in this type.
    """
    from harness.systems.text_to_image.pipelines.components import open_pipeline, quiet
    from harness.systems.text_to_image.pipelines.loading import describe

    opened = open_pipeline(pipeline, dtype=dtype_of(dtype), device="cpu")
    folder = job.folder()
    with quiet():
        opened.save_pretrained(folder, safe_serialization=True)
    return Pipeline(folder, facts=describe(opened))
