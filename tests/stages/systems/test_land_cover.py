"""The land-cover classifier on tiny labelled folders: every knob turns something, a kill loses nothing."""

import json
import os
import shutil

import numpy as np
import pytest
from jobs import FolderJob
from PIL import Image
from rounding import assert_same
from tiny_land_cover import CLASSES, folder, same, three_folders, train, weights_of

from harness.artifact import LabelledImages
from harness.errors import StageError
from harness.stages.metrics import classification
from harness.stages.systems import land_cover

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return three_folders(tmp_path_factory.mktemp("images"))


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


@pytest.mark.proves(
    "land_cover.train",
    "model epochs batch_size lr loss freeze_backbone crop flips brightness contrast normalisation "
    "precision seed",
)
@pytest.mark.slow
@pytest.mark.parametrize("knob", KNOBS, ids=[f"{k}={v}" for knob in KNOBS for k, v in knob.items()])
def test_every_knob_changes_the_weights(images, tmp_path_factory, knob, plain):
    changed = weights_of(train(images, tmp_path_factory.mktemp("knob"), keep="last", **knob))
    assert not same(changed, plain)


@pytest.fixture(scope="module")
def plain(images, tmp_path_factory):
    return weights_of(train(images, tmp_path_factory.mktemp("plain"), keep="last"))


@pytest.mark.proves("land_cover.train", "patience")
@pytest.mark.slow
def test_patience_decides_when_the_learning_rate_falls(images, tmp_path):
    """At this learning rate the validation loss does not keep falling."""
    results = [
        weights_of(train(images, tmp_path / str(p), keep="last", epochs=6, lr=0.01, patience=p))
        for p in (1, 10)
    ]
    assert not same(*results)


@pytest.mark.proves("land_cover.train", "keep")
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


LONGER = {"epochs": 5, "lr": 0.01, "patience": 1}


@pytest.fixture(scope="module")
def uninterrupted(images, tmp_path_factory):
    """What the longer training ends in, by what it keeps."""
    return {k: train(images, tmp_path_factory.mktemp(k), **LONGER, keep=k) for k in ("best", "last")}


@pytest.mark.slow
@pytest.mark.parametrize("keep", ["best", "last"])
@pytest.mark.parametrize("step", [4, 7, 11])
def test_an_interrupted_training_ends_in_the_same_weights(images, tmp_path, step, keep, uninterrupted):
    """Interrupted in the middle of an epoch, with a plateau before and after it."""
    settings = {**LONGER, "keep": keep}

    def stop(done, total, what):
        if done == step:
            raise StopError

    with pytest.raises(StopError):
        train(images, tmp_path / "killed", stop, **settings)
    assert (tmp_path / "killed" / "scratch").exists()
    resumed_at = []
    resumed = train(images, tmp_path / "killed", lambda done, *_: resumed_at.append(done), **settings)
    whole = uninterrupted[keep]
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


@pytest.fixture(scope="module")
def classifier(images, tmp_path_factory):
    return train(images, tmp_path_factory.mktemp("classifier"), epochs=1)


@pytest.mark.proves("land_cover.predict", "batch_size")
def test_predictions_do_not_depend_on_batch_size(images, classifier, tmp_path):
    import pyarrow.parquet as pq

    tables = []
    for size in (1, 4, 64):
        job = FolderJob(tmp_path / str(size))
        predictions = land_cover.predict(classifier, images["test"], batch_size=size, job=job)
        tables.append(pq.read_table(predictions.path / "predictions.parquet"))
        assert predictions.facts == {"classes": CLASSES, "count": 9, "seen": 0}
    logits = [np.array(t["logits"].to_pylist()) for t in tables]
    assert logits[0].shape == (9, 3)
    assert logits[0].std() > 0
    for other in logits[1:]:
        assert_same(other, logits[0], terms=512 * 9, layers=18)
    assert tables[0]["label"].to_pylist() == [0, 1, 2] * 3


def test_a_test_image_of_an_unknown_class_or_unreadable_is_named(classifier, tmp_path):
    strange = folder(tmp_path / "strange", classes=["Bare Land", "Snow Ice"])
    with pytest.raises(
        StageError, match=r"test image 1-0\.png: label 'Snow Ice' is none of Bare Land, Water"
    ):
        land_cover.predict(classifier, strange, job=FolderJob(tmp_path / "a"))
    torn = folder(tmp_path / "torn", count=1)
    (torn.path / "2-0.png").write_bytes(b"\x89PNG")
    with pytest.raises(StageError, match=r"2-0\.png: not a readable image"):
        land_cover.predict(classifier, torn, job=FolderJob(tmp_path / "b"))


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


def test_test_images_that_were_trained_or_chosen_on_are_counted_by_what_they_show(images, tmp_path):
    """One of them stored anew under another name, one from validation; scores say it, and a warning does."""
    classifier = train(images, tmp_path / "classifier")
    mixed = folder(tmp_path / "mixed", count=2, seed=77)
    for name, side in (("0-0.png", "train"), ("1-1.png", "validation")):
        with Image.open(images[side].path / "2-1.png") as picture:
            picture.save(mixed.path / name, compress_level=9)
    apart = folder(tmp_path / "apart", count=2, seed=78)
    found = {}
    for name, tested in (("mixed", mixed), ("apart", apart)):
        found[name] = land_cover.predict(classifier, tested, job=FolderJob(tmp_path / name / "job"))
    assert (found["mixed"].facts["seen"], found["mixed"].facts["seen_images"]) == (2, ["0-0.png", "1-1.png"])
    assert found["mixed"].facts["warnings"] == [
        "2 of 6 test images are among those that the classifier was trained or chosen on (the same pixels): "
        "0-0.png, …"
    ]
    assert classification.scores(found["mixed"]).details["seen"] == 2
    assert found["apart"].facts["seen"] == 0
    assert "warnings" not in found["apart"].facts
    (classifier.path / "seen.txt").unlink()
    unknown = land_cover.predict(classifier, mixed, job=FolderJob(tmp_path / "unknown"))
    assert "seen" not in unknown.facts, "a classifier from elsewhere does not say what it has seen"
