"""A dual encoder that was trained before: from a folder, the mirror or the hub."""

from __future__ import annotations

from harness.artifact import ImageTextModel
from harness.data.hub import Source
from harness.stage import Job, stage


@stage(version=1, software=("torch", "torchvision", "transformers"))
def load(*, source: Source, job: Job) -> ImageTextModel:
    """A CLIP or SigLIP model in the layout of ``transformers``, its weights as safetensors, kept in fp32.

    Args:
        source: a folder with ``config.json``, safetensors, and the files of the tokenizer and the image processor:
            ``path:…``, or a repository of the hub. Code that comes with it is not run.
        job: gives the folder.

    Raises:
        StageError: it is no such model, it is stored as a pickle (the message has the command that converts it), a
            file is missing or damaged, or a weight is missing or not a finite number.
    """
    from harness.metrics.alignment.dual_encoder import open_encoder

    encoder = open_encoder(source.path, source.text, "cpu")
    folder = job.folder()
    encoder.network.save_pretrained(folder)
    encoder.processor.save_pretrained(folder)
    config = encoder.network.config
    return ImageTextModel(
        folder,
        facts={
            "architecture": config.model_type,
            "parameters": encoder.network.num_parameters(),
            "size": config.vision_config.image_size,
            "tokens": config.text_config.max_position_embeddings,
        },
    )
