"""Text to image: a Stable Diffusion pipeline is built or loaded, trained and sampled with diffusers.

A pipeline is a folder in the format of diffusers. So diffusers opens what a stage produces, and the other way round.
Weights are safetensors only.
"""

from harness.stages.systems.text_to_image.encoding import encode, load_tokenizer, train_tokenizer
from harness.stages.systems.text_to_image.finetuning import (
    checkpoint,
    finetune,
    reconstruct,
    train_autoencoder,
)
from harness.stages.systems.text_to_image.images import folder, sample
from harness.stages.systems.text_to_image.pipelines import build, cast, load

__all__ = [
    "build",
    "cast",
    "checkpoint",
    "encode",
    "finetune",
    "folder",
    "load",
    "load_tokenizer",
    "reconstruct",
    "sample",
    "train_autoencoder",
    "train_tokenizer",
]
