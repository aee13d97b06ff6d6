"""Pipelines by name: what they are made of, and how a random one starts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from jobs import FolderJob
from safetensors.torch import load_file
from tiny_pipeline import tiny_tokenizer
from transformers import CLIPTextConfig, CLIPTextModel

from harness.artifact import Tokenizer
from harness.formats.image_folder import rows
from harness.stages.data import scenes
from harness.stages.systems.text_to_image import build
from harness.stages.systems.text_to_image.components import read_pipeline
from harness.stages.systems.text_to_image.pipelines import DESIGNS, Architecture
from harness.stages.systems.text_to_image.training_data import decode

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return tiny_tokenizer(tmp_path_factory.mktemp("words"))


def test_diffusers_opens_what_is_built_and_draws_with_it(tokenizer: Tokenizer, tmp_path: Path) -> None:
    built = build(tokenizer, architecture="tiny", job=FolderJob(tmp_path))
    pipeline = StableDiffusionPipeline.from_pretrained(built.path, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    image = pipeline("crop land", num_inference_steps=2, generator=torch.Generator().manual_seed(0)).images[0]
    assert image.size == (64, 64)


@pytest.mark.proves("text_to_image.build", "seed")
def test_a_seed_is_its_weights(tokenizer: Tokenizer, tmp_path: Path) -> None:
    def unet(seed: int, folder: str) -> torch.Tensor:
        built = build(tokenizer, architecture="tiny", seed=seed, job=FolderJob(tmp_path / folder))
        return load_file(built.path / "unet" / "diffusion_pytorch_model.safetensors")["conv_in.weight"]

    assert torch.equal(unet(1, "a"), unet(1, "b"))
    assert not torch.equal(unet(1, "c"), unet(2, "d"))


def test_the_tiny_pipeline_fits_in_twelve_megabytes_at_half_precision(
    tokenizer: Tokenizer, tmp_path: Path
) -> None:
    parameters = build(tokenizer, architecture="tiny", job=FolderJob(tmp_path)).facts["parameters"]
    assert isinstance(parameters, dict)
    assert 2 * sum(parameters.values()) < 12e6  # type: ignore[arg-type]


SIZES = {"sd15": [859_520_964, 83_653_863, 123_060_480], "tiny": [4_184_596, 699_207, 327_264]}


@pytest.mark.proves("text_to_image.build", "architecture")
@pytest.mark.parametrize("architecture", ["sd15", "tiny"])
def test_an_architecture_has_its_sizes(architecture: Architecture) -> None:
    """Stable Diffusion v1.5's as published: 860 M parameters in the UNet, 84 M and 123 M in the others."""
    design = DESIGNS[architecture]
    words = 49408 if architecture == "sd15" else 1000
    with torch.device("meta"):
        networks = (
            UNet2DConditionModel(**design.unet),
            AutoencoderKL(**design.vae),
            CLIPTextModel(CLIPTextConfig(vocab_size=words, **design.text_encoder)),
        )
    assert [sum(p.numel() for p in network.parameters()) for network in networks] == SIZES[architecture]


def test_the_tiny_autoencoder_starts_with_every_colour_right(tokenizer: Tokenizer, tmp_path: Path) -> None:
    built = build(tokenizer, architecture="tiny", job=FolderJob(tmp_path / "built"))
    drawn = scenes.draw(per_class=2, job=FolderJob(tmp_path / "drawn"))
    frames = decode([drawn], tmp_path / "frames.npy", 8, "real", FolderJob(tmp_path / "job"))
    assert len(frames) == sum(1 for _ in rows(drawn)) == 14
    images = frames.batch(range(14)) * 2 - 1
    vae = read_pipeline(built.path, "it", torch.float32).vae
    with torch.inference_mode():
        decoded = vae.decode(vae.encode(images).latent_dist.mean).sample
    inner = (slice(None), slice(None), slice(8, -8), slice(8, -8))  # the blur darkens borders
    means, expected = decoded[inner].mean((2, 3)), images[inner].mean((2, 3))
    assert float((means - expected).abs().mean()) < 0.06  # of a range of 2
    assert float((means - expected).abs().mean()) < 0.4 * float((expected - expected.mean(0)).abs().mean())
    assert float((decoded - images)[inner].square().mean()) < 0.02
