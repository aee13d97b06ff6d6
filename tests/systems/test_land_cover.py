"""The land-cover classifier on tiny labelled folders: every knob turns something, a kill loses nothing."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from jobs import FolderJob

from harness.artifact import LabelledImages
from harness.data.image_folder import Writer
from harness.errors import StageError
from harness.systems import land_cover
from harness.systems.land_cover.weights import Weights, torchgeo_weights

CLASSES = ["Bare Land", "Water Body", "Woody Vegetation"]


def folder(
    path: Path, *, count: int = 6, size: int = 32, seed: int = 0, classes=CLASSES, used=None
) -> LabelledImages:
    """Noise around a colour per class: quick to tell apart, not at once."""
    generator = np.random.default_rng(seed)
    path.mkdir(parents=True)
    with Writer(path) as out:
        for i in range(count):
            for c, name in enumerate(used or classes):
                pixels = generator.normal(90 + 25 * c, 60, (size, size, 3)).clip(0, 255).astype(np.uint8)
                out.add(pixels, f"{c}-{i}.png", label=name)
    return LabelledImages(path, facts={"classes": list(classes)})


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    return {
        "train": folder(root / "train"),
        "validation": folder(root / "validation", count=2, seed=1),
        "test": folder(root / "test", count=3, seed=2),
    }


def train(images, root: Path, on_progress=None, **changed):
    settings = {"weights": None, "epochs": 2, "batch_size": 6, "seed": 0, "lr": 1e-3} | changed
    return land_cover.train(
        images["train"], images["validation"], **settings, job=FolderJob(root, on_progress)
    )


def weights_of(classifier) -> dict:
    from safetensors.numpy import load_file

    return load_file(classifier.path / land_cover.MODEL)


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


def test_the_same_seed_gives_the_same_weights_bit_for_bit(images, tmp_path):
    first, second = train(images, tmp_path / "a"), train(images, tmp_path / "b")
    assert same(weights_of(first), weights_of(second))
    assert first.facts["classes"] == CLASSES
    history = [json.loads(line) for line in (first.path / land_cover.HISTORY).read_text().splitlines()]
    assert [row["epoch"] for row in history] == [1, 2]


KNOBS = [
    {"seed": 1}, {"epochs": 3}, {"batch_size": 9}, {"lr": 1e-2}, {"loss": "focal"}, {"loss": "jaccard"},
    {"freeze_backbone": True}, {"crop": 24}, {"flips": False}, {"brightness": 0.6}, {"contrast": 0.6},
    {"normalisation": "unit"}, {"precision": "bf16"}, {"model": "resnet34"},
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("knob", KNOBS, ids=[f"{k}={v}" for knob in KNOBS for k, v in knob.items()])
def test_every_knob_changes_the_weights(images, tmp_path_factory, knob, plain):
    changed = weights_of(train(images, tmp_path_factory.mktemp("knob"), keep="last", **knob))
    assert not same(changed, plain)


@pytest.fixture(scope="module")
def plain(images, tmp_path_factory):
    return weights_of(train(images, tmp_path_factory.mktemp("plain"), keep="last"))


@pytest.mark.slow
def test_patience_decides_when_the_learning_rate_falls(images, tmp_path):
    """At this learning rate the validation loss does not keep falling."""
    results = [
        weights_of(train(images, tmp_path / str(p), keep="last", epochs=6, lr=0.01, patience=p))
        for p in (1, 10)
    ]
    assert not same(*results)


@pytest.mark.slow
def test_best_and_last_differ_when_the_best_epoch_is_not_the_last(images, tmp_path):
    best = train(images, tmp_path / "best", epochs=6, lr=0.01, keep="best")
    last = train(images, tmp_path / "last", epochs=6, lr=0.01, keep="last")
    losses = [row["val_loss"] for row in best.facts["history"]]
    assert best.facts["kept_epoch"] == losses.index(min(losses)) + 1
    assert last.facts["kept_epoch"] == 6
    assert best.facts["kept_epoch"] != 6, "the case does not tell the two apart"
    assert not same(weights_of(best), weights_of(last))


class StopError(Exception):
    """What interrupts a training here."""


@pytest.mark.slow
@pytest.mark.parametrize("keep", ["best", "last"])
@pytest.mark.parametrize("step", [4, 7, 11])
def test_an_interrupted_training_ends_in_the_same_weights(images, tmp_path, step, keep):
    """Interrupted in the middle of an epoch, with a plateau before and after it."""
    settings = {"epochs": 5, "lr": 0.01, "patience": 1, "keep": keep}

    def stop(done, total, what):
        if done == step:
            raise StopError

    with pytest.raises(StopError):
        train(images, tmp_path / "killed", stop, **settings)
    assert (tmp_path / "killed" / "scratch").exists()
    resumed_at = []
    resumed = train(images, tmp_path / "killed", lambda done, *_: resumed_at.append(done), **settings)
    whole = train(images, tmp_path / "whole", **settings)
    assert resumed_at[0] > 3, "it started over"
    assert same(weights_of(resumed), weights_of(whole))
    assert resumed.facts["history"] == whole.facts["history"]


def test_ctrl_c_is_a_keyboard_interrupt(images, tmp_path):
    import signal

    def press(done, total, what):
        os.kill(os.getpid(), signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(images, tmp_path, press)
    assert signal.getsignal(signal.SIGINT) is handler


def test_predictions_do_not_depend_on_batch_size(images, tmp_path):
    import pyarrow.parquet as pq

    classifier = train(images, tmp_path / "train", epochs=1)
    tables = []
    for size in (1, 4, 64):
        job = FolderJob(tmp_path / str(size))
        predictions = land_cover.predict(classifier, images["test"], batch_size=size, job=job)
        tables.append(pq.read_table(predictions.path / "predictions.parquet"))
        assert predictions.facts == {"classes": CLASSES, "count": 9}
    logits = [np.array(t["logits"].to_pylist()) for t in tables]
    assert logits[0].shape == (9, 3)
    assert logits[0].std() > 0
    np.testing.assert_allclose(logits[1], logits[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(logits[2], logits[0], rtol=1e-5, atol=1e-5)
    assert tables[0]["label"].to_pylist() == [0, 1, 2] * 3


def test_a_test_image_of_an_unknown_class_or_unreadable_is_named(images, tmp_path):
    classifier = train(images, tmp_path / "train", epochs=1)
    strange = folder(tmp_path / "strange", classes=["Bare Land", "Snow Ice"])
    with pytest.raises(
        StageError, match=r"test image 1-0\.png: label 'Snow Ice' is none of Bare Land, Water"
    ):
        land_cover.predict(classifier, strange, job=FolderJob(tmp_path / "a"))
    torn = folder(tmp_path / "torn", count=1)
    (torn.path / "2-0.png").write_bytes(b"\x89PNG")
    with pytest.raises(StageError, match=r"2-0\.png: not a readable image"):
        land_cover.predict(classifier, torn, job=FolderJob(tmp_path / "b"))


@pytest.mark.slow
def test_own_weights_are_where_training_starts(images, tmp_path):
    first = train(images, tmp_path / "first", epochs=1)
    reference = Weights.from_text(f"path:{first.path / land_cover.MODEL}")
    started = train(images, tmp_path / "second", epochs=1, weights=_found(reference), lr=1e-9, keep="last")
    head = "fc.weight"
    np.testing.assert_allclose(weights_of(started)[head], weights_of(first)[head], atol=1e-5)


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
        weights=_found(Weights.from_text(f"path:{tmp_path}/nine.safetensors")),
        **settings,
    )
    np.testing.assert_allclose(weights_of(own)["conv1.weight"], first["conv1.weight"], atol=1e-5)
    save_file({"conv1.weight": first["conv1.weight"]}, tmp_path / "few.safetensors")
    with pytest.raises(StageError, match=r"weights do not fit the model: .* layers"):
        train(
            images,
            tmp_path / "b",
            weights=_found(Weights.from_text(f"path:{tmp_path}/few.safetensors")),
            **settings,
        )


def _found(weights: Weights, mirror: Path | None = None) -> Weights:
    """As a run hands it to the stage."""
    from harness.data.content import DigestCache
    from harness.data.resolve import resolve

    cache = DigestCache(Path(os.devnull) / "digests")
    return replace(weights, source=resolve(weights.source, mirror=mirror, cache=cache, download=False))


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
        ("path:model.pth", r"is a pickle.*safetensors"),
        ("someone/model@main:model.safetensors", "neither a commit of 40 hex digits nor 'unpinned'"),
    ],
)
def test_weights_that_cannot_be_used_are_refused_with_a_way_on(text, message):
    with pytest.raises(ValueError, match=message):
        Weights.from_text(text)


def test_weight_names_are_read_without_importing_torch():
    code = (
        "import sys; from harness.systems.land_cover import train;"
        "from harness.systems.land_cover.weights import Weights;"
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
        _found(weights, mirror=tmp_path / "mirror").load()


def test_a_class_without_training_images_is_named(tmp_path, images):
    short = folder(tmp_path / "short", used=CLASSES[:2])
    with pytest.raises(StageError, match="no training image of class Woody Vegetation"):
        train({**images, "train": short}, tmp_path / "job")


def test_one_class_is_refused(tmp_path, images):
    one = folder(tmp_path / "one", classes=CLASSES[:1])
    with pytest.raises(StageError, match="at least two classes"):
        train({**images, "train": one}, tmp_path / "job")


def test_an_unknown_validation_class_is_named_with_the_nearest(tmp_path, images):
    strange = folder(tmp_path / "strange", classes=["Water Bodies", "Bare Land"])
    with pytest.raises(StageError, match=r"label 'Water Bodies' is none of .*did you mean 'Water Body'"):
        train({**images, "validation": strange}, tmp_path / "job")


@pytest.mark.parametrize("fault", ["corrupt", "missing", "size", "crop"])
def test_a_bad_image_is_named(tmp_path, images, fault):
    shutil.copytree(images["train"].path, tmp_path / "bad")
    bad = LabelledImages(tmp_path / "bad", facts=images["train"].facts)
    victim = bad.path / "1-3.png"
    settings = {}
    if fault == "corrupt":
        victim.write_bytes(victim.read_bytes()[:40])
    elif fault == "missing":
        victim.unlink()
    elif fault == "size":
        from PIL import Image

        Image.new("RGB", (48, 40)).save(victim)
    else:
        settings["crop"] = 33
    message = {
        "size": "48×40 pixels where others have 32×32; set crop",
        "crop": "smaller than the crop of 33",
    }
    with pytest.raises(StageError, match=message.get(fault, r"1-3\.png: not a readable image")):
        train({**images, "train": bad}, tmp_path / "job", **settings)


@pytest.mark.slow
def test_a_loss_that_is_no_number_stops_training_at_its_step(images, tmp_path):
    with pytest.raises(StageError, match=r"the training loss became (nan|inf) at step \d+"):
        train(images, tmp_path, lr=1e30, epochs=4)
