"""The stages that build a pipeline with random weights by the name of its architecture, and that make tokenizers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Interval

from harness.artifact import Captions, Pipeline, Tokenizer
from harness.errors import StageError
from harness.formats import image_folder
from harness.sources.hub import Source
from harness.stage import Choices, Job, Seed, stage

if TYPE_CHECKING:
    from diffusers import AutoencoderKL


@dataclass(frozen=True)
class Design:
    """The settings of a pipeline's parts, in the form that their classes take."""

    vae: Mapping[str, Any]
    unet: Mapping[str, Any]
    text_encoder: Mapping[str, Any]
    scheduler: Mapping[str, Any]
    start: Callable[[AutoencoderKL], None] | None = None
    """Changes the autoencoder's random weights before its training; None leaves them."""


def _linear(vae: AutoencoderKL) -> None:
    from harness.stages.systems.text_to_image.autoencoding import start_linear

    start_linear(vae)


DESIGNS: Choices[Design] = Choices(
    {
        "sd15": Design(
            vae={
                "sample_size": 512,
                "latent_channels": 4,
                "block_out_channels": (128, 256, 512, 512),
                "layers_per_block": 2,
                "down_block_types": ("DownEncoderBlock2D",) * 4,
                "up_block_types": ("UpDecoderBlock2D",) * 4,
                "scaling_factor": 0.18215,
            },
            unet={
                "sample_size": 64,
                "block_out_channels": (320, 640, 1280, 1280),
                "layers_per_block": 2,
                "attention_head_dim": 8,
                "cross_attention_dim": 768,
                "down_block_types": (*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
                "up_block_types": ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
            },
            text_encoder={
                "hidden_size": 768,
                "intermediate_size": 3072,
                "num_hidden_layers": 12,
                "num_attention_heads": 12,
                "max_position_embeddings": 77,
                "projection_dim": 768,
            },
            scheduler={"prediction_type": "epsilon"},
        ),
        # The autoencoder divides by 4, the UNet immediately by 2 again: attention is at the level with 64 positions.
        "tiny": Design(
            vae={
                "sample_size": 64,
                "latent_channels": 4,
                "block_out_channels": (32, 32, 64),
                "layers_per_block": 1,
                "down_block_types": ("DownEncoderBlock2D",) * 3,
                "up_block_types": ("UpDecoderBlock2D",) * 3,
                "norm_num_groups": 8,
                "mid_block_add_attention": False,
                "scaling_factor": 1.0,
            },
            unet={
                "sample_size": 16,
                "block_out_channels": (48, 96, 128),
                "layers_per_block": 1,
                "norm_num_groups": 16,
                "attention_head_dim": 4,
                "cross_attention_dim": 96,
                "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
                "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            },
            text_encoder={
                "hidden_size": 96,
                "intermediate_size": 384,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "max_position_embeddings": 77,
                "projection_dim": 96,
            },
            scheduler={"prediction_type": "v_prediction"},
            start=_linear,
        ),
    }
)


Architecture = Annotated[Literal["tiny", "sd15"], DESIGNS]


@stage(version=1, software=("torch", "diffusers", "transformers"))
def build(tokenizer: Tokenizer, *, architecture: Architecture, seed: Seed = 0, job: Job) -> Pipeline:
    """Build a StableDiffusionPipeline with random weights.

    Args:
        tokenizer: determines the size of the text encoder's vocabulary.
        architecture: ``sd15`` is Stable Diffusion v1.5 (860 M parameters in the UNet, 512 px); ``tiny`` is
            for two CPU cores: 64 px, latents of 4 × 16 × 16, v-prediction, 5 M parameters in all.
        seed: seed for the weights.
        job: gives the folder.
    """
    import torch
    from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    from harness.stages.systems.text_to_image.components import quiet

    words = CLIPTokenizer.from_pretrained(tokenizer.path, local_files_only=True)
    design = DESIGNS[architecture]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        text = CLIPTextConfig(
            vocab_size=len(words),
            bos_token_id=words.bos_token_id,
            eos_token_id=words.eos_token_id,
            pad_token_id=words.pad_token_id,
            **design.text_encoder,
        )
        pipeline = StableDiffusionPipeline(
            vae=AutoencoderKL(**design.vae),
            text_encoder=CLIPTextModel(text),
            tokenizer=words,
            unet=UNet2DConditionModel(**design.unet),
            scheduler=PNDMScheduler(**_NOISE, **design.scheduler),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        if design.start is not None:
            design.start(pipeline.vae)
    folder = job.folder()
    with quiet():
        pipeline.save_pretrained(folder, safe_serialization=True)
    return Pipeline(folder, facts={"architecture": architecture, "parameters": parameters(pipeline)})


def parameters(pipeline: Any) -> dict[str, int]:
    """Number of parameters of each network of a pipeline."""
    networks = {"unet": pipeline.unet, "vae": pipeline.vae, "text_encoder": pipeline.text_encoder}
    return {name: sum(p.numel() for p in network.parameters()) for name, network in networks.items()}


_NOISE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "skip_prk_steps": True,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}
"""Stable Diffusion's noise schedule, which the samplers of all architectures share."""


LENGTH = 77
"""Number of tokens of a prompt, including start and end: CLIP's text encoders have this many positions."""
_START, _END = "<|startoftext|>", "<|endoftext|>"


@stage(version=1, software=("tokenizers", "transformers"))
def train_tokenizer(
    captions: tuple[Captions, ...], *, vocabulary: Annotated[int, Interval(ge=600, le=49408)], job: Job
) -> Tokenizer:
    """Learn a tokenizer from captions. It can encode any text; a frequent word takes one token.

    Args:
        captions: all sentences of all rows are read.
        vocabulary: maximum number of tokens; 256 bytes, each within a word and at its end, and two marks come first.
        job: gives the folder.

    Raises:
        StageError: there is no sentence.
    """
    from tokenizers import pre_tokenizers, trainers
    from transformers import CLIPTokenizer

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    learner = CLIPTokenizer().backend_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(letters) - 2,
        initial_alphabet=letters,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    sentences = list(_sentences(captions))
    if not sentences:
        raise StageError("no sentence to learn words from")
    learner.train_from_iterator(sentences, trainer=trainer)
    learnt = json.loads(learner.to_str())["model"]
    words = [*letters, *(f"{letter}</w>" for letter in letters)]
    words += [word for word in sorted(learnt["vocab"], key=learnt["vocab"].get) if word not in set(words)]
    merges = [tuple(pair) for pair in learnt["merges"]]
    vocabulary_of = {word: index for index, word in enumerate([*words, _START, _END])}
    return _save(CLIPTokenizer(vocab=vocabulary_of, merges=merges, model_max_length=LENGTH), job)


@stage(version=1, software=("transformers",))
def load_tokenizer(*, source: Source, job: Job) -> Tokenizer:
    """Load an existing CLIP tokenizer.

    Args:
        source: a folder with ``vocab.json`` and ``merges.txt``, or ``tokenizer.json``.
        job: gives the folder.

    Raises:
        StageError: a file is missing or damaged.
    """
    from transformers import CLIPTokenizer

    files = {path.name for path in source.path.iterdir()} if source.path.is_dir() else set()
    if not ({"vocab.json", "merges.txt"} <= files or "tokenizer.json" in files):
        raise StageError(
            f"{source.text}: no tokenizer: neither vocab.json with merges.txt nor tokenizer.json"
        )
    try:
        for file in sorted(source.path.glob("*.json")):
            json.loads(file.read_bytes())  # the library has no exception type for a damaged file
        tokenizer = CLIPTokenizer.from_pretrained(source.path, local_files_only=True)
    except (ValueError, KeyError, TypeError, OSError) as e:
        raise StageError(f"{source.text}: not a CLIP tokenizer ({e})") from None
    return _save(tokenizer, job)


def _sentences(captions: tuple[Captions, ...]) -> Iterator[str]:
    for folder in captions:
        for row in image_folder.rows(folder):
            yield from row.captions


def _save(tokenizer: Any, job: Job) -> Tokenizer:
    folder = job.folder()
    tokenizer.save_pretrained(folder)
    return Tokenizer(folder, facts={"vocabulary": len(tokenizer), "length": tokenizer.model_max_length})
