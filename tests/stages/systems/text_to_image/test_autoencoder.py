"""The autoencoder learns, resumes exactly, and ends with white latents; reconstructions and casts of a pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jobs import FolderJob
from PIL import Image
from safetensors.torch import load_file
from tiny_pipeline import tiny_pipeline

from harness.artifact import Pipeline, Scenes
from harness.errors import StageError
from harness.formats.image_folder import rows
from harness.stages.data import scenes
from harness.stages.systems.text_to_image import cast, reconstruct, train_autoencoder
from harness.stages.systems.text_to_image.augmenting import ORIENTATIONS
from harness.stages.systems.text_to_image.components import read_pipeline
from harness.stages.systems.text_to_image.training_data import decode, oriented

pytestmark = pytest.mark.numeric

BRIEF: dict[str, Any] = {"steps": 3, "batch_size": 4}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return tiny_pipeline(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    return scenes.draw(per_class=3, seed=7, job=FolderJob(tmp_path_factory.mktemp("drawn")))


@pytest.fixture(scope="module")
def trained(base: Pipeline, drawn: Scenes, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return train_autoencoder(base, (drawn,), **BRIEF, job=FolderJob(tmp_path_factory.mktemp("trained")))


def weights(pipeline: Pipeline) -> dict[str, torch.Tensor]:
    return dict(load_file(pipeline.path / "vae" / "diffusion_pytorch_model.safetensors"))


def far(one: Pipeline, other: Pipeline) -> float:
    a, b = weights(one), weights(other)
    return max(float((a[n] - b[n]).abs().max()) for n in a)


KNOBS = [
    {"steps": 4},
    {"batch_size": 3},
    {"lr": 1e-4},
    {"kl": 1.0},
    {"augment": "none"},
    {"precision": "bf16"},
    {"seed": 1},
]


@pytest.mark.proves("text_to_image.train_autoencoder", "steps batch_size lr kl augment precision seed")
@pytest.mark.parametrize("knob", KNOBS, ids=lambda k: "-".join(map(str, k)))
def test_every_knob_changes_the_autoencoder(
    base: Pipeline, drawn: Scenes, trained: Pipeline, tmp_path: Path, knob: dict[str, Any]
) -> None:
    assert far(trained, train_autoencoder(base, (drawn,), **{**BRIEF, **knob}, job=FolderJob(tmp_path))) > 0


class KilledError(Exception):
    """Stands for a kill: raised between two steps."""


def test_a_killed_training_goes_on_exactly(
    base: Pipeline, drawn: Scenes, trained: Pipeline, tmp_path: Path
) -> None:
    def kill(done: int, total: int, what: str) -> None:
        if what == "steps" and done == 3:
            raise KilledError

    with pytest.raises(KilledError):
        train_autoencoder(base, (drawn,), **BRIEF, job=FolderJob(tmp_path, kill))
    job = FolderJob(tmp_path)
    resumed = train_autoencoder(base, (drawn,), **BRIEF, job=job)
    repeated = [done for done, _, what in job.reports if what == "steps"]
    assert repeated in ([2, 3], [3])  # a save that would cost too much is left out
    assert far(trained, resumed) == 0


def test_latents_end_white(drawn: Scenes, trained: Pipeline, tmp_path: Path) -> None:
    vae = read_pipeline(trained.path, "it", torch.float32).vae
    frames = decode([drawn], tmp_path / "f.npy", 8, "real", FolderJob(tmp_path))
    with torch.inference_mode():
        latents = vae.encode(frames.batch(range(len(frames))) * 2 - 1).latent_dist.mean
    flat = latents.transpose(0, 1).flatten(1).double()
    torch.testing.assert_close(flat.mean(1), torch.zeros(4, dtype=torch.float64), atol=1e-3, rtol=0)
    torch.testing.assert_close(flat.cov(), torch.eye(4, dtype=torch.float64), atol=2e-3, rtol=0)


@pytest.mark.slow
def test_training_sharpens(base: Pipeline, drawn: Scenes, trained: Pipeline, tmp_path: Path) -> None:
    longer = train_autoencoder(base, (drawn,), steps=40, batch_size=8, lr=2e-3, job=FolderJob(tmp_path))
    quality: Any = longer.facts["autoencoder"]
    before: Any = trained.facts["autoencoder"]
    assert quality["psnr_db"] > before["psnr_db"] + 1


def test_a_loss_that_is_not_finite_is_one_line(base: Pipeline, drawn: Scenes, tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"the training loss became (nan|inf) at step \d; lower lr"):
        train_autoencoder(base, (drawn,), steps=9, batch_size=2, lr=1e30, job=FolderJob(tmp_path))


@pytest.mark.proves("text_to_image.reconstruct", "batch_size")
def test_reconstructions_keep_names_and_do_not_depend_on_the_batch(
    drawn: Scenes, base: Pipeline, tmp_path: Path
) -> None:
    one, many = (reconstruct(base, drawn, batch_size=n, job=FolderJob(tmp_path / str(n))) for n in (1, 16))
    real = list(rows(drawn))
    for made in (one, many):
        assert [(r.name, r.label, r.captions, r.columns["of"]) for r in rows(made)] == [
            (r.name, r.label, r.captions, r.name) for r in real
        ]
    for r in real:
        a, b, c = (np.asarray(Image.open(f.path / r.name)).astype(int) for f in (one, many, drawn))
        assert abs(a - b).max() <= 1
        assert 0 < abs(a - c).mean() < 40


@pytest.mark.proves("text_to_image.cast", "dtype")
def test_a_cast_changes_the_type_and_rounds(trained: Pipeline, tmp_path: Path) -> None:
    for dtype, kind in (("fp16", torch.float16), ("bf16", torch.bfloat16), ("fp32", torch.float32)):
        made = weights(cast(trained, dtype=dtype, job=FolderJob(tmp_path / dtype)))  # type: ignore[arg-type]
        assert all(torch.equal(t, weights(trained)[n].to(kind)) for n, t in made.items())


def test_there_are_eight_orientations() -> None:
    image = torch.arange(9).reshape(1, 3, 3)
    seen = {tuple(oriented(image, k).flatten().tolist()) for k in ORIENTATIONS["dihedral"]}
    assert len(seen) == 8
    flips = {tuple(oriented(image, k).flatten().tolist()) for k in ORIENTATIONS["flips"]}
    expected = (image, image.flip(-1), image.flip(-2), image.flip(-1).flip(-2))
    assert flips == {tuple(i.flatten().tolist()) for i in expected}
