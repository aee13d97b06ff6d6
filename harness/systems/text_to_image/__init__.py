"""Text to image: a Stable Diffusion pipeline is built or loaded, trained, and sampled, on diffusers.

A pipeline is a folder as diffusers saves it, so whatever comes out of a stage opens there, and the other way
round. Weights are safetensors only.
"""

from harness.systems.text_to_image.architectures import build
from harness.systems.text_to_image.autoencoder import train_autoencoder
from harness.systems.text_to_image.casting import cast
from harness.systems.text_to_image.encoding import encode
from harness.systems.text_to_image.finetuning import checkpoint, finetune
from harness.systems.text_to_image.loading import load
from harness.systems.text_to_image.outside import folder
from harness.systems.text_to_image.reconstruction import reconstruct
from harness.systems.text_to_image.sampling import sample
from harness.systems.text_to_image.tokenizers import load_tokenizer, train_tokenizer

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
