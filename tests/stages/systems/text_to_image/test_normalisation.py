"""A pipeline that was fine-tuned in units of its own says so, and whatever encodes images with it uses them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from image_files import source
from jobs import FolderJob
from PIL import Image
from pipeline_files import as_single_file, peft_adapter, small_pipeline
from rounding import assert_same
from safetensors.torch import load_file
from tiny_pipeline import tiny_pipeline

from harness.artifact import Pipeline, Scenes
from harness.errors import StageError
from harness.formats.image_folder import rows
from harness.stages.data import scenes
from harness.stages.systems.text_to_image import (
    cast,
    checkpoint,
    finetune,
    load,
    reconstruct,
    train_autoencoder,
)
from harness.stages.systems.text_to_image.components import read_pipeline
from harness.stages.systems.text_to_image.training_data import MARK, VAE_PIXELS, Pixels, decode

pytestmark = pytest.mark.numeric

BRIEF: dict[str, Any] = {"max_steps": 2, "batch_size": 4, "accumulate": 1, "lr": 1e-3, "checkpoint_every": 2}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return tiny_pipeline(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def arid(tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    return scenes.draw(per_class=2, region="arid", seed=7, job=FolderJob(tmp_path_factory.mktemp("arid")))


@pytest.fixture(scope="module")
def temperate(tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    return scenes.draw(per_class=2, seed=8, job=FolderJob(tmp_path_factory.mktemp("temperate")))


@pytest.fixture(scope="module")
def marked(base: Pipeline, arid: Scenes, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    job = FolderJob(tmp_path_factory.mktemp("marked"))
    return finetune(base, arid, **BRIEF, normalisation="dataset", job=job)


def units(pipeline: Pipeline) -> Pixels:
    return Pixels.of(vae(pipeline))


def vae(pipeline: Pipeline) -> AutoencoderKL:
    return read_pipeline(pipeline.path, "it", torch.float32).vae


def decoder(pipeline: Pipeline) -> dict[str, torch.Tensor]:
    held = load_file(pipeline.path / "vae" / "diffusion_pytorch_model.safetensors")
    return {name: tensor for name, tensor in held.items() if name.startswith("decoder.")}


def in_zero_to_one(images: Scenes) -> torch.Tensor:
    pictures = [np.asarray(Image.open(row.path)) for row in rows(images)]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255


def statistics(images: Scenes) -> Pixels:
    values = in_zero_to_one(images).double()
    return Pixels(values.mean((0, 2, 3)).tolist(), values.std((0, 2, 3), correction=0).tolist())


def close(one: Pixels, other: Pixels) -> bool:
    return np.allclose((one.mean, one.std), (other.mean, other.std), rtol=1e-5)


def test_without_such_a_training_nothing_is_marked(base: Pipeline, arid: Scenes, tmp_path: Path) -> None:
    plain = finetune(base, arid, **BRIEF, job=FolderJob(tmp_path))
    assert MARK not in json.loads((plain.path / "vae" / "config.json").read_text())
    assert units(plain) == VAE_PIXELS


def test_the_mark_is_the_data_s_and_goes_wherever_the_weights_go(
    marked: Any, arid: Scenes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = units(marked)
    assert close(own, statistics(arid))
    again = load(source=source(marked.path), job=FolderJob(tmp_path / "load"))
    rounded = cast(marked, dtype="fp16", job=FolderJob(tmp_path / "cast"))
    kept = checkpoint(marked, step=2, job=FolderJob(tmp_path / "checkpoint"))
    StableDiffusionPipeline.from_pretrained(marked.path).save_pretrained(tmp_path / "diffusers")
    assert MARK not in caplog.text
    for pipeline in (again, rounded, kept, Pipeline(tmp_path / "diffusers")):
        assert units(pipeline) == own


def test_a_pipeline_keeps_its_mark_under_an_adapter(tmp_path: Path) -> None:
    pipeline = small_pipeline()
    pipeline.vae.register_to_config(**{MARK: {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}})
    pipeline.save_pretrained(tmp_path / "pipeline")
    adapter = source(peft_adapter(tmp_path / "adapter"))
    merged = load(source=source(tmp_path / "pipeline"), adapter=adapter, job=FolderJob(tmp_path / "merged"))
    assert units(merged) == Pixels((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


def test_a_single_file_has_the_mark_of_its_config(tmp_path: Path) -> None:
    pipeline = small_pipeline()
    pipeline.vae.register_to_config(**{MARK: {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}})
    pipeline.save_pretrained(tmp_path / "pipeline")
    file = as_single_file(tmp_path / "pipeline", tmp_path / "model.safetensors")
    made = load(source=source(file), config=source(tmp_path / "pipeline"), job=FolderJob(tmp_path / "job"))
    assert units(made) == Pixels((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


def test_reconstructions_are_encoded_in_the_pipeline_s_units(
    marked: Pipeline, arid: Scenes, tmp_path: Path
) -> None:
    made = reconstruct(marked, arid, job=FolderJob(tmp_path))
    own, network = units(marked), vae(marked)
    with torch.inference_mode():
        latents = network.encode(own.apply(in_zero_to_one(arid))).latent_dist.mean
        expected = (network.decode(latents).sample / 2 + 0.5).clamp(0, 1) * 255
    found = np.stack([np.asarray(Image.open(row.path)) for row in rows(made)]).transpose(0, 3, 1, 2)
    assert np.abs(found - expected.numpy()).max() < 1


def test_a_later_training_takes_images_as_the_autoencoder_expects_them(
    marked: Pipeline, temperate: Scenes, tmp_path: Path
) -> None:
    after = finetune(marked, temperate, **BRIEF, job=FolderJob(tmp_path))
    recorded: Any = after.facts["normalisation"]
    assert Pixels(tuple(recorded["mean"]), tuple(recorded["std"])) == units(marked) == units(after)
    assert all(torch.equal(t, decoder(marked)[name]) for name, t in decoder(after).items())


def test_a_second_data_set_s_units_take_the_place_of_the_first_s(
    base: Pipeline, marked: Pipeline, temperate: Scenes, tmp_path: Path
) -> None:
    second = finetune(marked, temperate, **BRIEF, normalisation="dataset", job=FolderJob(tmp_path))
    assert close(units(second), statistics(temperate))
    assert not close(units(second), units(marked))
    latents = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before, after = (vae(p).decode(latents).sample for p in (base, second))
    mean, std = (torch.tensor(n)[:, None, None] for n in (units(second).mean, units(second).std))
    assert_same(after, 2 * (before * std + mean) - 1, terms=64 * 9, layers=20)


def test_the_same_units_twice_change_nothing(marked: Pipeline, arid: Scenes, tmp_path: Path) -> None:
    twice = finetune(marked, arid, **BRIEF, normalisation="dataset", job=FolderJob(tmp_path))
    assert units(twice) == units(marked)
    assert all(torch.equal(t, decoder(marked)[name]) for name, t in decoder(twice).items())


def test_an_autoencoder_learns_on_in_its_units(marked: Pipeline, temperate: Scenes, tmp_path: Path) -> None:
    """Its latents end white for images in these units, and it answers in pixels."""
    made = train_autoencoder(marked, (temperate,), steps=3, batch_size=4, job=FolderJob(tmp_path / "job"))
    assert units(made) == units(marked)
    frames = decode([temperate], tmp_path / "f.npy", 8, "real", FolderJob(tmp_path))
    network, pixels = vae(made), frames.batch(range(len(frames)))
    with torch.inference_mode():
        latents = network.encode(units(made).apply(pixels)).latent_dist.mean
        error = network.decode(latents).sample.clamp(-1, 1) - (2 * pixels - 1)
    flat = latents.transpose(0, 1).flatten(1).double()
    torch.testing.assert_close(flat.mean(1), torch.zeros(4, dtype=torch.float64), atol=1e-3, rtol=0)
    torch.testing.assert_close(flat.cov(), torch.eye(4, dtype=torch.float64), atol=2e-3, rtol=0)
    quality: Any = made.facts["autoencoder"]
    assert quality["psnr_db"] == pytest.approx(-10 * np.log10(float(error.square().mean()) / 4), rel=1e-3)


@pytest.mark.parametrize(
    "mark",
    [{"mean": [0.1, 0.2, 0.3]}, {"mean": [0.1], "std": [1]}, "half", {"mean": [0, 0, 0], "std": [1, 1, 0]}],
    ids=str,
)
def test_a_mark_that_is_none_is_one_line(base: Pipeline, arid: Scenes, tmp_path: Path, mark: Any) -> None:
    opened = read_pipeline(base.path, "it", None)
    opened.vae.register_to_config(**{MARK: mark})
    opened.save_pretrained(tmp_path / "pipeline")
    with pytest.raises(StageError, match=f"the pipeline: {MARK} of its vae .*; expected") as caught:
        reconstruct(Pipeline(tmp_path / "pipeline"), arid, job=FolderJob(tmp_path / "job"))
    assert "\n" not in str(caught.value)
