"""How well an image shows what its caption says: the cosine of the two in a dual encoder (a CLIP-type score).

The encoder is loaded, or a small one is trained on captioned images, so that nothing has to be downloaded.
"""

from __future__ import annotations

import json
from typing import Annotated, Literal

from annotated_types import Ge

from harness.artifact import CaptionedImages, ImageTextModel, Tokenizer
from harness.errors import StageError
from harness.sources.hub import Source
from harness.stage import Count, Job, Positive, Seed, stage
from harness.stages.metrics.alignment.scoring import score, within_class

__all__ = ["load", "score", "train", "within_class"]

HISTORY = "history.jsonl"


@stage(version=1, software=("torch", "torchvision", "transformers"))
def train(
    data: CaptionedImages,
    tokenizer: Tokenizer,
    *,
    size: Count = 64,
    patch: Count = 8,
    width: Count = 64,
    layers: Count = 3,
    epochs: Count = 40,
    batch_size: Annotated[int, Ge(2)] = 64,
    lr: Positive = 2e-3,
    augment: Literal["dihedral"] | None = "dihedral",
    seed: Seed = 0,
    job: Job,
) -> ImageTextModel:
    """Train a CLIP model (vision and text transformer, contrastive loss) on these images and no others.

    AdamW with a weight decay of 0.1; the learning rate is warmed up over a tenth of the steps, then follows a cosine
    decay. Each epoch takes one random caption of each image, if possible one that is not in the batch yet, because
    identical captions cannot be told apart. Images left over after an epoch's last full batch are not used; which
    images these are changes with the epoch.

    Args:
        data: at least two images, each with a caption; not the images that are to be scored.
        tokenizer: reads the captions, 77 tokens at most.
        size: side in pixels to which images are resized and cropped.
        patch: side in pixels of the vision transformer's patches; divides ``size``.
        width: width of both transformers, and of the common space; a multiple of 32, the width of a head.
        layers: number of layers of each transformer.
        epochs: passes over the images.
        batch_size: images per step, each contrasted with all the others; at most all of them.
        lr: highest learning rate.
        augment: ``dihedral`` turns and mirrors images at random (from above no direction is up); null for captions
            that mention left or right.
        seed: seed of the weights, the order, the captions and the turns.
        job: gives the device, the folders and the progress.

    Raises:
        StageError: ``size`` is not a multiple of ``patch``, ``width`` is not a multiple of 32, too few images, a row
            without a caption, an unreadable image, or a loss that is not finite.
    """
    from harness.stages.metrics.alignment.contrastive import Recipe, fit

    if size % patch:
        raise StageError(f"size: {size} pixels are not a whole number of patches of {patch}")
    if width % 32:
        raise StageError(f"width: {width} is no multiple of 32")
    recipe = Recipe(size, patch, width, layers, epochs, batch_size, lr, augment == "dihedral", seed)
    trained = fit(recipe, data, tokenizer, job)

    folder = job.folder()
    trained.network.save_pretrained(folder)
    trained.processor.save_pretrained(folder)
    lines = "".join(json.dumps(epoch) + "\n" for epoch in trained.history)
    (folder / HISTORY).write_text(lines, encoding="utf-8")
    return ImageTextModel(
        folder,
        facts={
            "images": trained.images,
            "captions_cut": trained.captions_cut,
            "parameters": trained.network.num_parameters(),
            "history": trained.history,
        },
    )


@stage(version=1, software=("torch", "torchvision", "transformers"))
def load(*, source: Source, job: Job) -> ImageTextModel:
    """A CLIP or SigLIP model in the layout of ``transformers``, its weights as safetensors, kept in fp32.

    Args:
        source: a folder with ``config.json``, safetensors, and the files of the tokenizer and the image processor:
            ``path:…``, or a repository of the hub. Code in it is not run.
        job: gives the folder.

    Raises:
        StageError: it is not such a model, it is stored as a pickle (the message has the command that converts it), a
            file is missing or damaged, or a weight is missing or not finite.
    """
    from harness.stages.metrics.alignment.dual_encoder import open_encoder

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
