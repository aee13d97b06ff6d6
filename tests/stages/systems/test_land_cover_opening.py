"""A network that another package made becomes a classifier, and a stored classifier is opened."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from jobs import FolderJob
from tiny_land_cover import CLASSES, folder

from harness.artifact import Classifier
from harness.errors import StageError
from harness.stages.systems import land_cover
from harness.stages.systems.land_cover.loading import Preparation
from harness.stages.systems.land_cover.opening import open_classifier, save
from harness.testing import source

pytestmark = pytest.mark.numeric


def test_what_is_saved_is_a_classifier_for_every_stage(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = timm.create_model("resnet18", num_classes=len(CLASSES), pretrained=False)
    preparation = Preparation(24, (0.4, 0.4, 0.4), (0.2, 0.2, 0.2))
    place = tmp_path / "saved"
    place.mkdir()
    save(network, "resnet18", CLASSES, preparation, place)
    loaded = land_cover.load(source=source(place), job=FolderJob(tmp_path / "load"))
    assert loaded.facts == {"classes": CLASSES}
    classes, prepared, opened = open_classifier(loaded.path)
    assert classes == CLASSES
    assert Preparation(prepared.crop, tuple(prepared.mean), tuple(prepared.std)) == preparation
    pixels = torch.rand(2, 3, 24, 24)
    with torch.inference_mode():
        assert torch.equal(opened.eval()(pixels), network.eval()(pixels))
    images = folder(tmp_path / "images", count=1)
    made = land_cover.predict(Classifier(place), images, job=FolderJob(tmp_path / "predict"))
    assert made.facts["count"] == len(CLASSES)


def test_another_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="the model of a colleague: not a land-cover classifier"):
        open_classifier(tmp_path, "the model of a colleague")
