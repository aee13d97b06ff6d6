"""Inception's features are torch-fidelity's, without opening weights as a pickle and in half of the time."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jobs import FolderJob
from PIL import Image
from rounding import assert_same
from safetensors.torch import save_file
from tiny_land_cover import found
from torch import nn

from harness.artifact import Images
from harness.errors import StageError
from harness.formats.features import read
from harness.formats.image_folder import Writer, rows
from harness.stages.metrics import features
from harness.stages.metrics.features.families import INCEPTION_LAYERS, Architecture
from harness.stages.metrics.features.networks import build
from harness.stages.systems.land_cover.weights import Weights

pytestmark = pytest.mark.numeric

fidelity = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3", reason="the extra 'fidelity'")

SIZES = [(512, 512), (300, 200), (64, 96)]


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    """Random weights that keep a signal alive through all layers, as trained ones do."""
    from harness.stages.metrics.features.foreign_networks import Inception

    network, generator = Inception("2048"), torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, generator=generator)
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    return dict(network.state_dict())


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    """Of three shapes, larger and smaller than what the network sees."""
    folder, generator = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    with Writer(folder) as out:
        for i, size in enumerate(SIZES):
            small = Image.fromarray(generator.integers(0, 256, (24, 24, 3), dtype=np.uint8))
            out.add(small.resize(size), f"{i}.png")
    return Images(folder)


@pytest.fixture(scope="module")
def published(
    state: dict[str, torch.Tensor], images: Images, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, np.ndarray]:
    """torch-fidelity's features of every layer, by name."""
    file = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(state, file)
    network = fidelity.FeatureExtractorInceptionV3(
        "theirs", list(INCEPTION_LAYERS), feature_extractor_weights_path=str(file)
    )
    pictures = [np.array(Image.open(row.path)) for row in rows(images)]
    seen: list[Any] = [network(torch.from_numpy(p).permute(2, 0, 1)[None]) for p in pictures]
    columns = zip(INCEPTION_LAYERS, zip(*seen, strict=True), strict=True)
    return {layer: torch.cat(list(parts)).numpy() for layer, parts in columns}


@pytest.fixture(scope="module")
def weights(state: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> Weights:
    file = tmp_path_factory.mktemp("weights") / "inception.safetensors"
    save_file(state, file)
    return found(Weights.from_text(f"path:{file}"))


@pytest.mark.parametrize(
    "layer", [pytest.param(n, marks=[] if n == "2048" else pytest.mark.slow) for n in INCEPTION_LAYERS]
)
def test_features_of_each_layer_are_torch_fidelity_s(
    published: dict[str, np.ndarray], images: Images, weights: Weights, tmp_path: Path, layer: str
) -> None:
    architecture = Architecture.from_text(f"inception-v3:{layer}")
    extractor = features.load(architecture=architecture, weights=weights, job=FolderJob(tmp_path / "a"))
    made = features.extract(images, extractor, job=FolderJob(tmp_path / "b"))
    expected = published[layer]
    assert expected.std() > 1e-3
    assert made.facts["dim"] == expected.shape[1]
    assert_same(read(made).values, expected, terms=2048, layers=94)


def test_without_torch_fidelity_the_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(
        StageError, match="inception-v3 needs torch-fidelity, which is not installed: pip install"
    ):
        build(Architecture.from_text("inception-v3"), None)
