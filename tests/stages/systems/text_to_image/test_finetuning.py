"""Fine-tuning learns, resumes exactly, says what is wrong, and each of its parameters does something."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from image_files import source
from jobs import FolderJob
from PIL import Image
from rounding import assert_same, assert_same_training, rounded
from safetensors.torch import load_file
from tiny_pipeline import tiny_pipeline

from harness.artifact import CaptionedImages, FinetunedPipeline, Pipeline, Scenes
from harness.errors import StageError
from harness.formats.image_folder import Writer
from harness.stages.data import scenes
from harness.stages.systems.text_to_image import checkpoint, finetune, load
from harness.stages.systems.text_to_image.components import read_pipeline

pytestmark = pytest.mark.numeric

BRIEF: dict[str, Any] = {"max_steps": 4, "batch_size": 4, "accumulate": 1, "lr": 1e-3}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return tiny_pipeline(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    """Fourteen scenes, two of each class, with five captions each."""
    return scenes.draw(per_class=2, seed=7, job=FolderJob(tmp_path_factory.mktemp("drawn")))


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> CaptionedImages:
    """Two images: every look at the held-out loss costs a few passes."""
    return folder(tmp_path_factory.mktemp("held_out"), 64)


def weights(pipeline: Pipeline, part: str = "unet") -> Mapping[str, torch.Tensor]:
    names = {"text_encoder": "model.safetensors"}
    return load_file(pipeline.path / part / names.get(part, "diffusion_pytorch_model.safetensors"))


def far(one: Pipeline, other: Pipeline, part: str = "unet") -> float:
    """The largest difference of a weight."""
    a, b = weights(one, part), weights(other, part)
    assert a.keys() == b.keys()
    return max(float((a[n] - b[n]).abs().max()) for n in a)


@pytest.fixture(scope="module")
def trained(
    base: Pipeline, drawn: Scenes, held_out: CaptionedImages, tmp_path_factory: pytest.TempPathFactory
) -> FinetunedPipeline:
    return finetune(base, drawn, held_out, **BRIEF, job=FolderJob(tmp_path_factory.mktemp("trained")))


def test_only_the_unet_learns(base: Pipeline, trained: FinetunedPipeline) -> None:
    assert far(base, trained) > 1e-4
    assert far(base, trained, "vae") == far(base, trained, "text_encoder") == 0


def test_the_same_training_gives_the_same_weights_watched_or_not(
    base: Pipeline, drawn: Scenes, trained: FinetunedPipeline, tmp_path: Path
) -> None:
    assert far(trained, finetune(base, drawn, **BRIEF, job=FolderJob(tmp_path))) == 0


def test_the_history_has_both_losses(trained: FinetunedPipeline) -> None:
    history: Any = trained.facts["history"]
    assert [row["step"] for row in history] == [1, 2, 3, 4]
    assert all(row["train_loss"] > 0 and row["validation_loss"] > 0 and row["lr"] == 1e-3 for row in history)


@pytest.mark.slow
def test_training_lowers_the_held_out_loss(base: Pipeline, drawn: Scenes, tmp_path: Path) -> None:
    long = {**BRIEF, "max_steps": 30, "epochs": 20, "lr": 2e-3}
    history: Any = finetune(base, drawn, drawn, **long, job=FolderJob(tmp_path)).facts["history"]
    losses = [row["validation_loss"] for row in history if row["validation_loss"] is not None]
    assert len(losses) == 10
    assert losses[-1] < 0.8 * losses[0]


class KilledError(Exception):
    """Stands for a kill: raised between two steps."""


@pytest.mark.parametrize(
    "more", [{}, {"ema": 0.9, "method": "lora"}, {"optimiser": "adafactor", "schedule": "linear"}]
)
def test_a_killed_training_goes_on_exactly(
    base: Pipeline,
    drawn: Scenes,
    held_out: CaptionedImages,
    trained: FinetunedPipeline,
    tmp_path: Path,
    more: dict[str, Any],
) -> None:
    whole = trained
    if more:
        whole = finetune(base, drawn, held_out, **BRIEF, **more, job=FolderJob(tmp_path / "whole"))

    def kill(done: int, total: int, what: str) -> None:
        if what == "steps" and done == 3:
            raise KilledError

    with pytest.raises(KilledError):
        finetune(base, drawn, held_out, **BRIEF, **more, job=FolderJob(tmp_path / "killed", kill))
    job = FolderJob(tmp_path / "killed")
    resumed = finetune(base, drawn, held_out, **BRIEF, **more, job=job)
    repeated = [done for done, _, what in job.reports if what == "steps"]
    assert repeated in ([2, 3, 4], [3, 4])  # a save that would cost too much is left out
    assert far(whole, resumed) == 0
    assert whole.facts["history"] == resumed.facts["history"]


KNOBS = [
    {"epochs": 2, "max_steps": None},
    {"max_steps": 3},
    {"batch_size": 5},
    {"accumulate": 2},
    {"lr": 2e-3},
    {"optimiser": "adafactor"},
    {"weight_decay": 0.5},
    {"schedule": "cosine"},
    {"schedule": "linear"},
    {"warm_up": 2},
    {"max_norm": 0.01},
    {"method": "lora"},
    {"text_encoder": True},
    {"ema": 0.9},
    {"caption": "first"},
    {"caption_drop": 0.9},
    {"augment": "flips"},
    {"augment": "dihedral"},
    {"normalisation": "dataset"},
    {"precision": "bf16"},
    {"seed": 1},
]


@pytest.mark.proves(
    "text_to_image.finetune",
    "epochs max_steps batch_size accumulate lr optimiser weight_decay schedule warm_up max_norm "
    "method text_encoder ema caption caption_drop augment normalisation precision seed",
)
@pytest.mark.slow
@pytest.mark.parametrize("knob", KNOBS, ids=lambda k: "-".join(map(str, k.items())))
def test_every_knob_changes_the_weights(
    base: Pipeline, drawn: Scenes, trained: FinetunedPipeline, tmp_path: Path, knob: dict[str, Any]
) -> None:
    assert far(trained, finetune(base, drawn, **{**BRIEF, **knob}, job=FolderJob(tmp_path))) > 0


@pytest.mark.proves("text_to_image.finetune", "rank alpha")
@pytest.mark.slow
def test_rank_and_alpha_change_what_adapters_learn(base: Pipeline, drawn: Scenes, tmp_path: Path) -> None:
    low = {**BRIEF, "method": "lora"}
    one = finetune(base, drawn, **low, job=FolderJob(tmp_path / "one"))
    assert far(one, finetune(base, drawn, **low, rank=4, job=FolderJob(tmp_path / "rank"))) > 0
    assert far(one, finetune(base, drawn, **low, alpha=64.0, job=FolderJob(tmp_path / "alpha"))) > 0
    assert (one.path / "adapter" / "pytorch_lora_weights.safetensors").is_file()


def test_the_adapter_that_is_kept_merges_into_its_base(base: Pipeline, drawn: Scenes, tmp_path: Path) -> None:
    low = {**BRIEF, "method": "lora", "rank": 4, "alpha": 12.0}
    tuned = finetune(base, drawn, **low, job=FolderJob(tmp_path / "tuned"))
    merged = load(
        source=source(base.path), adapter=source(tuned.path / "adapter"), job=FolderJob(tmp_path / "merged")
    )
    assert merged.facts["adapter"]["tensors"] > 0
    assert far(base, merged) > 0
    assert far(tuned, merged) < 1e-6


def test_accumulated_batches_are_one_large_batch(
    base: Pipeline, drawn: Scenes, trained: FinetunedPipeline, tmp_path: Path
) -> None:
    halves = {**BRIEF, "batch_size": 2, "accumulate": 2}
    twice = finetune(base, drawn, **halves, job=FolderJob(tmp_path / "twice"))
    assert_same_training(weights(trained), weights(twice), lr=BRIEF["lr"])


@pytest.mark.proves("text_to_image.finetune", "gradient_checkpointing")
@pytest.mark.slow
def test_gradient_checkpointing_changes_nothing(
    base: Pipeline, drawn: Scenes, trained: FinetunedPipeline, tmp_path: Path
) -> None:
    saved = finetune(base, drawn, **BRIEF, gradient_checkpointing=True, job=FolderJob(tmp_path))
    assert_same_training(weights(trained), weights(saved), lr=BRIEF["lr"])


@pytest.mark.proves("text_to_image.finetune", "processes")
@pytest.mark.slow
def test_two_processes_learn_what_one_learns(
    base: Pipeline,
    drawn: Scenes,
    held_out: CaptionedImages,
    trained: FinetunedPipeline,
    tmp_path: Path,
) -> None:
    shared = finetune(base, drawn, held_out, **BRIEF, processes=2, job=FolderJob(tmp_path))
    assert_same_training(weights(trained), weights(shared), lr=BRIEF["lr"])
    with pytest.raises(StageError, match="batch_size: 3 images cannot be shared by 2 processes"):
        finetune(base, drawn, **{**BRIEF, "batch_size": 3}, processes=2, job=FolderJob(tmp_path / "odd"))
    wild = {**BRIEF, "lr": 1e30, "max_norm": 1e30}
    with pytest.raises(StageError, match=r"the training loss became (nan|inf) at step \d"):
        finetune(base, drawn, **wild, processes=2, job=FolderJob(tmp_path / "wild"))


@pytest.mark.proves("text_to_image.finetune", "tracker")
@pytest.mark.slow
def test_a_tracker_changes_nothing_and_leaves_its_log(
    base: Pipeline,
    drawn: Scenes,
    held_out: CaptionedImages,
    trained: FinetunedPipeline,
    tmp_path: Path,
) -> None:
    pytest.importorskip("wandb")
    tracked = finetune(base, drawn, held_out, **BRIEF, tracker="wandb", job=FolderJob(tmp_path))
    assert far(trained, tracked) == 0
    assert list((tracked.path / "wandb").glob("offline-run-*/*.wandb"))


@pytest.mark.proves("text_to_image.checkpoint", "step")
@pytest.mark.proves("text_to_image.finetune", "checkpoint_every")
def test_checkpoints_are_what_a_shorter_training_ends_in(
    base: Pipeline, drawn: Scenes, tmp_path: Path
) -> None:
    """With a constant learning rate, step 2 of 4 is the end of 2."""
    for method in ("full", "lora"):
        here = tmp_path / method
        kept = finetune(base, drawn, **BRIEF, method=method, checkpoint_every=2, job=FolderJob(here / "kept"))
        assert kept.facts["checkpoints"] == [2, 4]
        short = finetune(
            base, drawn, **{**BRIEF, "max_steps": 2}, method=method, job=FolderJob(here / "short")
        )
        two = checkpoint(kept, step=2, job=FolderJob(here / "two"))
        four = checkpoint(kept, step=4, job=FolderJob(here / "four"))
        assert far(two, short) == far(four, kept) == 0
        assert far(two, four) > 0
        with pytest.raises(StageError, match=r"no checkpoint of step 3; there are 2, 4"):
            checkpoint(kept, step=3, job=FolderJob(here / "three"))


def test_data_set_normalisation_is_exact_and_undone(base: Pipeline, drawn: Scenes, tmp_path: Path) -> None:
    made = finetune(base, drawn, **BRIEF, normalisation="dataset", job=FolderJob(tmp_path))
    pixels = np.stack([np.asarray(Image.open(p)) for p in sorted(drawn.path.glob("*.png"))]) / 255
    recorded: Any = made.facts["normalisation"]
    assert recorded["mean"] == pytest.approx(pixels.mean((0, 1, 2)).tolist(), rel=1e-12)
    assert recorded["std"] == pytest.approx(pixels.std((0, 1, 2)).tolist(), rel=1e-9)
    latents = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before, after = (
            read_pipeline(p.path, "it", torch.float32).vae.decode(latents).sample for p in (base, made)
        )
    mean, std = (torch.tensor(recorded[k]).float()[:, None, None] for k in ("mean", "std"))
    assert_same(after, 2 * (before * std + mean) - 1, terms=64 * 9, layers=20)


def test_mistakes_are_one_line(base: Pipeline, drawn: Scenes, tmp_path: Path) -> None:
    def refused(message: str, data: CaptionedImages = drawn, **more: Any) -> None:
        with pytest.raises(StageError, match=message) as caught:
            finetune(base, data, **{**BRIEF, **more}, job=FolderJob(tmp_path / message[:12]))
        assert "\n" not in str(caught.value)

    refused(r"warm_up: 4 of 4 steps leaves nothing", warm_up=4)
    refused(r"checkpoint_every: 9 is more than all 4 steps", checkpoint_every=9)
    refused(r"the training loss became (nan|inf) at step \d; lower lr", lr=1e30, max_norm=1e30)
    refused(r"training images are 42×42 pixels; the networks need multiples of 4", folder(tmp_path, 42))
    refused(
        r"augment: dihedral turns images, and these are 32×64",
        folder(tmp_path, 64, "tall"),
        augment="dihedral",
    )
    refused(r"precision: fp16 is for GPUs", precision="fp16")
    refused(r"^rank: 4 changes nothing with method: full; remove it or set method: lora$", rank=4)
    refused(r"^alpha: 32 changes nothing with method: full", alpha=32.0)
    refused(r"training image 1\.png has no caption \(1 of 2 images\)", folder(tmp_path, 64, "bare"))
    refused(r"training image 1\.png has a blank caption \(1 of 2 images\)", folder(tmp_path, 64, "blank"))
    refused(r"pixels where others have 64×64; resize them", folder(tmp_path, 64, "mixed"))
    cut = folder(tmp_path, 64, "cut")
    (cut.path / "1.png").write_bytes((cut.path / "1.png").read_bytes()[:200])
    refused(r"1\.png: not a readable image", cut)


def folder(root: Path, size: int, flaw: str = "") -> CaptionedImages:
    path = root / f"images-{size}-{flaw}"
    path.mkdir()
    with Writer(path) as out:
        for i in range(2):
            side = 32 if flaw == "mixed" and i else size
            width = 32 if flaw == "tall" else side
            image = np.random.default_rng(i).integers(0, 256, (side, width, 3), dtype=np.uint8)
            flawed: dict[str, list[str]] = {"bare": [], "blank": ["a field", " "]} if i else {}
            out.add(image, f"{i}.png", captions=[*flawed.get(flaw, ["a field"])])
    return CaptionedImages(path)


@pytest.mark.parametrize(("size", "flaw"), [(40, ""), (64, "tall")])
def test_images_need_not_halve_as_often_as_the_network_does(
    base: Pipeline, tmp_path: Path, size: int, flaw: str
) -> None:
    """As the paper's 224 pixels do not: Stable Diffusion v1.5 halves 28 latents three times."""
    made = finetune(base, folder(tmp_path, size, flaw), **BRIEF, job=FolderJob(tmp_path / "job"))
    assert far(base, made) > 0


def test_the_held_out_loss_does_not_depend_on_the_batch(
    base: Pipeline, drawn: Scenes, tmp_path: Path
) -> None:
    """Its noise is of the image, not of the batch: the last look is at weights that are all but the base's."""
    losses = []
    for size in (4, 5):
        settings = {**BRIEF, "batch_size": size, "max_steps": 1, "lr": 1e-12}
        made = finetune(base, drawn, drawn, **settings, job=FolderJob(tmp_path / str(size)))
        history: Any = made.facts["history"]
        losses.append(history[-1]["validation_loss"])
    assert losses[0] == pytest.approx(losses[1], rel=rounded(terms=512 * 9, layers=30))


def test_long_captions_are_counted(base: Pipeline, tmp_path: Path) -> None:
    path = tmp_path / "wordy"
    path.mkdir()
    with Writer(path) as out:
        for i, words in enumerate((3, 200)):
            out.add(np.zeros((64, 64, 3), dtype=np.uint8), f"{i}.png", captions=["field " * words])
    made = finetune(base, CaptionedImages(path), **{**BRIEF, "max_steps": 1}, job=FolderJob(tmp_path / "job"))
    assert made.facts["captions_cut_at_77_tokens"] == 1
    assert json.loads((made.path / "recipe.json").read_text())["max_steps"] == 1
