"""Classifiers of other tools: what timm and Lightning write is opened, computes the same, and nothing in it can run."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Project
from jobs import FolderJob
from tiny_land_cover import CLASSES, folder, resolved, same, train, weights_of
from toy_suites import write_suite

from harness.artifact import Classifier
from harness.errors import StageError
from harness.stages.systems import land_cover
from harness.stages.systems.land_cover.names import TimmModel

pytestmark = pytest.mark.numeric

SMALL = "mobilenetv3_small_050"
MEAN, STD = (0.5, 0.25, 0.125), (0.5, 0.25, 0.5)
TOLD: dict[str, Any] = {"model": SMALL, "classes": tuple(CLASSES), "mean": MEAN, "std": STD}


def network(seed: int = 0, classes: int = 3, model: str = SMALL) -> Any:
    import timm
    import torch

    torch.manual_seed(seed)
    return timm.create_model(model, num_classes=classes).eval()


def load(place: Path, job: Path, **told: Any) -> Classifier:
    return land_cover.load(source=resolved(f"path:{place}"), job=FolderJob(job), **told)


def of_timm(place: Path, **labels: Any) -> Path:
    """What timm writes for the hub."""
    from timm.models import save_for_hf

    model = network()
    model.pretrained_cfg = {**model.pretrained_cfg, "mean": MEAN, "std": STD}
    save_for_hf(model, place, model_config=labels, safe_serialization=True)
    return place


def of_torchgeo(file: Path) -> Path:
    """What Lightning writes of TorchGeo's task, after a step of training."""
    import torch
    from lightning.pytorch import Trainer
    from torchgeo.trainers import ClassificationTask

    task = ClassificationTask(model=SMALL, num_classes=3, loss="ce")
    task.model.load_state_dict(network().state_dict())
    data = [{"image": torch.rand(3, 32, 32), "label": torch.tensor(i % 3)} for i in range(4)]
    loader = torch.utils.data.DataLoader(data, batch_size=4)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = Trainer(
        max_epochs=1, num_sanity_val_steps=0, accelerator="cpu", enable_checkpointing=False, **quiet
    )
    task.hparams["lr"] = 1e-12
    trainer.fit(task, loader, loader)
    trainer.save_checkpoint(file)
    return file


def saved(file: Path, state: dict[str, Any]) -> Path:
    from safetensors.torch import save_file

    save_file(state, file)
    return file


def test_timm_models_of_the_hub_compute_the_same(tmp_path: Path) -> None:
    import torch
    from PIL import Image

    made = load(of_timm(tmp_path / "hub", label_names=CLASSES), tmp_path / "load")
    assert made.facts == {"classes": CLASSES, "model": SMALL, "unread": 0}
    images = folder(tmp_path / "images", count=1)
    predicted = land_cover.predict(made, images, job=FolderJob(tmp_path / "predict"))
    import pyarrow.parquet as pq

    logits = pq.read_table(predicted.path / "predictions.parquet").to_pydict()
    pixels = np.stack([np.asarray(Image.open(images.path / name)) for name in logits["item"]]) / 255
    inputs = torch.from_numpy((pixels - MEAN) / STD).float().permute(0, 3, 1, 2)
    with torch.inference_mode():
        expected = network()(inputs).numpy()
    np.testing.assert_allclose(logits["logits"], expected, rtol=1e-4, atol=1e-5)


def test_every_way_to_write_a_classifier_gives_the_same(tmp_path: Path) -> None:
    state = network().state_dict()
    hub = of_timm(tmp_path / "hub", label_names=dict(enumerate(CLASSES)))
    one = load(hub, tmp_path / "1")
    other = load(saved(tmp_path / "own.safetensors", state), tmp_path / "2", **TOLD)
    below = {f"net.{name}": tensor for name, tensor in state.items()}
    third = load(saved(tmp_path / "below.safetensors", below), tmp_path / "3", **TOLD)
    assert same(weights_of(one), weights_of(other))
    assert same(weights_of(one), weights_of(third))
    bodies = [json.loads((c.path / land_cover.DESCRIPTION).read_text()) for c in (one, other, third)]
    assert bodies[0] == bodies[1] == bodies[2]
    assert bodies[0]["preparation"] == {"crop": None, "mean": list(MEAN), "std": list(STD)}


def test_a_checkpoint_of_torchgeo_is_read_without_running_anything(tmp_path: Path) -> None:
    file = of_torchgeo(tmp_path / "last.ckpt")
    told = {"classes": tuple(CLASSES), "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
    made = load(file, tmp_path / "load", **told)
    assert made.facts["model"] == SMALL
    own = network().state_dict()
    for name, value in weights_of(made).items():
        if "running" not in name and "num_batches" not in name:
            np.testing.assert_allclose(value, own[name].numpy(), atol=1e-8)
    with pytest.raises(StageError, match="a mobilenetv3_small_050, not a resnet18"):
        load(file, tmp_path / "other", model=TimmModel("resnet18"), **told)


class Runs:
    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.place,)


def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    import torch

    file, mark = tmp_path / "last.ckpt", tmp_path / "ran"
    torch.save({"state_dict": {}, "hyper_parameters": {"x": Runs(mark)}}, file)
    with pytest.raises(StageError, match=r"last\.ckpt is a pickle, which can run code .* convert it"):
        load(file, tmp_path / "a", **TOLD)
    (tmp_path / "plain.ckpt").write_bytes(pickle.dumps(Runs(mark)))
    with pytest.raises(StageError, match=r"plain\.ckpt"):
        load(tmp_path / "plain.ckpt", tmp_path / "b", **TOLD)
    (tmp_path / "own.pth").write_bytes(b"")
    with pytest.raises(StageError, match=r"own\.pth is a pickle"):
        load(tmp_path / "own.pth", tmp_path / "c", **TOLD)
    assert not mark.exists()


@pytest.mark.proves("land_cover.load", "model classes mean std crop")
@pytest.mark.parametrize(
    "change",
    [
        {"classes": tuple(reversed(CLASSES))}, {"mean": (0.0, 0.0, 0.0)}, {"std": (1.0, 1.0, 1.0)},
        {"crop": 16}, {"model": "mobilenetv3_small_050.lamb_in1k"},
    ],
    ids=str,
)  # fmt: skip
def test_every_parameter_changes_the_classifier(tmp_path: Path, change: dict[str, Any]) -> None:
    file = saved(tmp_path / "own.safetensors", network().state_dict())
    before, after = load(file, tmp_path / "1", **TOLD), load(file, tmp_path / "2", **{**TOLD, **change})
    bodies = [(c.path / land_cover.DESCRIPTION).read_text() for c in (before, after)]
    assert bodies[0] != bodies[1]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"model": None}, "nothing in it says its model; set it: model: resnet18"),
        ({"classes": None}, "nothing in it says its classes"),
        ({"mean": None}, "nothing in it says its mean; set it: mean: [0, 0, 0]"),
        ({"std": None}, "nothing in it says its std"),
        ({"std": (1.0, 0.0, 1.0)}, "std: [1.0, 0.0, 1.0] must be positive"),
        ({"classes": ("a", "b")}, "classifier.weight has the shape [3, 1024], expected [2, 1024]"),
        ({"classes": ("a", "a", "b")}, "classes: expected two or more names, each once"),
        ({"model": "resnet18"}, "no conv1.weight in it (122 of 122 tensors)"),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    file = saved(tmp_path / "own.safetensors", network().state_dict())
    with pytest.raises(StageError) as e:
        load(file, tmp_path / "a", **{**TOLD, **change})
    assert told in str(e.value)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"architecture": None}, "expected a classifier of land_cover.train, of timm"),
        ({"label_names": {"0": "a", "2": "b"}}, "label_names are no names for all indices; set classes"),
        ({"model_args": {"img_size": 64}}, "built with img_size: 64, which a classifier here cannot keep"),
        ({"global_pool": "max"}, "built with global_pool: 'max', which a classifier"),
        (
            {"pretrained_cfg": {"mean": [0.5], "std": [1.0]}},
            "config.json: mean is [0.5]; images here have three",
        ),
    ],
)
def test_a_configuration_that_cannot_be_kept_is_refused(
    tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    hub = of_timm(tmp_path / "hub", label_names=CLASSES)
    body = json.loads((hub / "config.json").read_text())
    (hub / "config.json").write_text(json.dumps({**body, **change}))
    with pytest.raises(StageError) as e:
        load(hub, tmp_path / "a")
    assert told in str(e.value)


@pytest.mark.parametrize("fault", ["torn", "two files", "no weights", "not ours"])
def test_places_without_a_classifier_are_refused(tmp_path: Path, fault: str) -> None:
    hub = of_timm(tmp_path / "hub", label_names=CLASSES)
    place, told = hub, "expected one .safetensors or .ckpt file, found config.json"
    if fault == "torn":
        (hub / "model.safetensors").write_bytes(b"xx")
        told = "model.safetensors: not a readable safetensors file"
    elif fault == "two files":
        (hub / "other.safetensors").write_bytes(b"")
        told = "found model.safetensors, other.safetensors"
    elif fault == "no weights":
        (hub / "model.safetensors").unlink()
    else:
        place = tmp_path / "a.onnx"
        place.write_bytes(b"")
        told = "a.onnx: expected .safetensors, .ckpt"
    with pytest.raises(StageError) as e:
        load(place, tmp_path / "a")
    assert told in str(e.value)


def test_a_folder_of_train_says_everything_itself(tmp_path: Path) -> None:
    images = {name: folder(tmp_path / name, count=2) for name in ("train", "validation")}
    made = train(images, tmp_path / "job", epochs=1, model=SMALL)
    assert json.loads((made.path / land_cover.DESCRIPTION).read_text())["model"] == SMALL
    with pytest.raises(StageError, match=r"classifier\.json says std itself; remove it"):
        load(made.path, tmp_path / "a", std=STD)
    assert load(made.path, tmp_path / "b").facts == {"classes": CLASSES}


SUITE = """\
suite: own
about: A classifier of any architecture.
subject: [classifier]
stages:
  seen: {use: scenes.draw, per_class: 2, size: 32, seed: 1}
  classifier: {use: land_cover.train, train: seen, validation: seen, weights: null, model: MODEL}
  predictions: {use: land_cover.predict, classifier: classifier, images: seen}
metrics:
  scores: {use: classification.scores, predictions: predictions}
"""


def test_an_architecture_that_timm_does_not_have_is_refused_when_the_suite_is_read(project: Project) -> None:
    write_suite(project.folder, SUITE.replace("MODEL", "convnext_tinny"), "own.yaml")
    said = project.harness("plan", "own")
    assert said.code == 2
    assert "timm has no architecture 'convnext_tinny'; did you mean 'convnext_tiny'?" in said.error
    for name in ("convnext_tiny", "resnet18.a1_in1k"):
        write_suite(project.folder, SUITE.replace("MODEL", name), "own.yaml")
        assert project.harness("plan", "own").code == 0


def test_names_are_read_without_importing_timm() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from harness.stages.systems.land_cover.names import TimmModel\n"
        "assert TimmModel.from_text('resnet18') == 'resnet18'\n"
        "sys.exit(bool({'timm', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
