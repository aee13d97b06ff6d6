"""Text to image: a Stable Diffusion pipeline is built or loaded, trained, and sampled, on diffusers.

A pipeline is a folder as diffusers saves it, so whatever comes out of a stage opens there, and the other way
round. Weights are safetensors only.
"""

from harness.systems.text_to_image.architectures.building import build
from harness.systems.text_to_image.architectures.tokenizers import load_tokenizer, train_tokenizer
from harness.systems.text_to_image.pipelines.casting import cast
from harness.systems.text_to_image.pipelines.loading import load
from harness.systems.text_to_image.sampling.encoding import encode
from harness.systems.text_to_image.sampling.images import sample
from harness.systems.text_to_image.sampling.outside import folder
from harness.systems.text_to_image.sampling.reconstruction import reconstruct
from harness.systems.text_to_image.training.autoencoder import train_autoencoder
from harness.systems.text_to_image.training.finetuning import checkpoint, finetune

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
