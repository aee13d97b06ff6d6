"""Where a classifier's weights come from, and stored classifiers."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from jobs import FolderJob
from tiny_land_cover import CLASSES, found, resolved, same, three_folders, train, weights_of

from harness.errors import StageError
from harness.stages.systems import land_cover
from harness.stages.systems.land_cover.weights import Weights, torchgeo_weights

pytestmark = pytest.mark.numeric

FEW_STEPS = 1e-8
"""AdamW moves a weight by about the learning rate in a step: three steps at 1e-9."""


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return three_folders(tmp_path_factory.mktemp("images"))


@pytest.mark.proves("land_cover.train", "weights")
@pytest.mark.slow
def test_own_weights_are_where_training_starts(images, tmp_path):
    first = train(images, tmp_path / "first", epochs=1)
    reference = Weights.from_text(f"path:{first.path / land_cover.MODEL}")
    started = train(images, tmp_path / "second", epochs=1, weights=found(reference), lr=1e-9, keep="last")
    head = "fc.weight"
    np.testing.assert_allclose(weights_of(started)[head], weights_of(first)[head], rtol=1e-6, atol=FEW_STEPS)


@pytest.mark.slow
def test_weights_with_another_head_keep_the_backbone_and_others_are_refused(images, tmp_path):
    from safetensors.numpy import save_file

    first = weights_of(train(images, tmp_path / "first", epochs=1))
    other = dict(first, **{"fc.weight": np.zeros((9, 512), np.float32), "fc.bias": np.zeros(9, np.float32)})
    save_file(other, tmp_path / "nine.safetensors")
    settings = {"epochs": 1, "lr": 1e-9, "keep": "last"}
    own = train(
        images,
        tmp_path / "a",
        weights=found(Weights.from_text(f"path:{tmp_path}/nine.safetensors")),
        **settings,
    )
    np.testing.assert_allclose(
        weights_of(own)["conv1.weight"], first["conv1.weight"], rtol=1e-6, atol=FEW_STEPS
    )
    save_file({"conv1.weight": first["conv1.weight"]}, tmp_path / "few.safetensors")
    with pytest.raises(StageError, match=r"weights do not fit the model: .* layers"):
        train(
            images,
            tmp_path / "b",
            weights=found(Weights.from_text(f"path:{tmp_path}/few.safetensors")),
            **settings,
        )


def test_torchgeo_weight_names_are_files_of_the_hub_at_a_commit():
    """So a mirror serves them, ``harness fetch`` fills it, and what they hold is in the key."""
    reference = re.compile(
        r"torchgeo/resnet18_sentinel2_rgb_moco@[0-9a-f]{40}:resnet18_sentinel2_rgb_moco-\w+\.pth"
    )
    named = Weights.from_text("ResNet18_Weights.SENTINEL2_RGB_MOCO")
    assert reference.fullmatch(named.source.text)
    assert named.to_key() == named.source.text
    assert len(torchgeo_weights()) > 40


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ResNet18_Weights.SENTINEL2_RGB_MOKO", "did you mean 'ResNet18_Weights.SENTINEL2_RGB_MOCO'"),
        (
            "ResNet18_Weights.SENTINEL2_ALL_MOCO",
            "13 bands, images here have three; did you mean '.*RGB_MOCO'",
        ),
        ("someone/model@main:model.safetensors", "neither a commit of 40 hex digits nor 'unpinned'"),
    ],
)
def test_weights_that_cannot_be_used_are_refused_with_a_way_on(text, message):
    with pytest.raises(ValueError, match=message):
        Weights.from_text(text)


@pytest.mark.parametrize(
    ("text", "pickle"),
    [
        ("path:../weights/model.pth", "weights/model.pth"),
        ("path:model.ckpt", "suites/paper/../model.ckpt"),
        ("path:/weights/model.bin", "/weights/model.bin"),
        ("someone/model@unpinned:nets/model.pt", "nets/model.pt"),
    ],
)
def test_a_pickle_is_refused_with_the_command_that_converts_it_where_it_is(text, pickle):
    with pytest.raises(ValueError, match="is a pickle") as refused:
        Weights.from_text(text).relative_to(Path("suites/paper/.."))
    file = os.path.normpath(pickle)
    assert f"torch.load('{file}'" in str(refused.value)
    assert f", '{Path(file).with_suffix('.safetensors')}')" in str(refused.value)


def test_weight_names_are_read_without_importing_torch():
    code = (
        "import sys; from harness.stages.systems.land_cover import train;"
        "from harness.stages.systems.land_cover.weights import Weights;"
        "Weights.from_text('ResNet18_Weights.SENTINEL2_RGB_MOCO');"
        "print(sorted({'torch', 'torchgeo', 'lightning', 'torchvision'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_a_torchgeo_file_that_is_not_what_its_name_promises_is_refused(tmp_path):
    import torch

    weights = Weights.from_text("ResNet18_Weights.SENTINEL2_RGB_MOCO")
    file = tmp_path / "mirror" / weights.source.repo / weights.source.inside
    file.parent.mkdir(parents=True)
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, file)
    with pytest.raises(StageError, match="its sha256 does not begin with e3a335e3"):
        found(weights, mirror=tmp_path / "mirror").load()


@pytest.mark.proves("land_cover.load", "source")
def test_a_stored_classifier_is_loaded_and_predicts_the_same(images, tmp_path):
    first = train(images, tmp_path / "train", epochs=1)
    source = resolved(f"path:{first.path}")
    loaded = land_cover.load(source=source, job=FolderJob(tmp_path / "load"))
    assert loaded.facts == {"classes": CLASSES}
    tables = [
        (
            land_cover.predict(c, images["test"], job=FolderJob(tmp_path / n)).path / "predictions.parquet"
        ).read_bytes()
        for n, c in (("a", first), ("b", loaded))
    ]
    assert tables[0] == tables[1]
    other = train(images, tmp_path / "other", epochs=1, seed=1)
    changed = land_cover.load(source=resolved(f"path:{other.path}"), job=FolderJob(tmp_path / "changed"))
    assert not same(weights_of(changed), weights_of(loaded))


@pytest.mark.parametrize("fault", ["no description", "other model", "torn weights"])
def test_a_folder_that_is_no_classifier_is_refused(images, tmp_path, fault):
    folder = train(images, tmp_path / "train", epochs=1).path
    description = folder / land_cover.DESCRIPTION
    if fault == "no description":
        description.unlink()
    elif fault == "other model":
        description.write_text(description.read_text().replace("resnet18", "resnet34"))
    else:
        os.truncate(folder / land_cover.MODEL, 1000)
    message = r"no classifier\.json" if fault == "no description" else "not a land-cover classifier"
    with pytest.raises(StageError, match=message):
        land_cover.load(source=resolved(f"path:{folder}"), job=FolderJob(tmp_path / "load"))
