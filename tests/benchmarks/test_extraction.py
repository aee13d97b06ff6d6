"""Extraction beside torch-fidelity's own loop: the same network, weights, PNG files and batch."""

from __future__ import annotations

import time
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from jobs import FolderJob
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture
from safetensors.torch import save_file
from tiny_land_cover import found
from torch import nn

from harness.artifact import Features, Images
from harness.formats.features import read
from harness.formats.image_folder import Writer, rows
from harness.stages.metrics import features
from harness.stages.metrics.features.families import Architecture
from harness.stages.metrics.features.networks import build
from harness.stages.systems.land_cover.weights import Weights

COUNT, SIZE, BATCH = 48, 512, 32
INCEPTION = Architecture.from_text("inception-v3")


@pytest.fixture
def images(tmp_path: Path) -> Images:
    """Soft patches with a little noise: PNG files of an aerial picture's size."""
    (tmp_path / "images").mkdir()
    generator = np.random.default_rng(0)
    with Writer(tmp_path / "images") as out:
        for i in range(COUNT):
            patches = Image.fromarray(generator.integers(16, 240, (32, 32, 3), dtype=np.uint8))
            noise = generator.integers(-8, 9, (SIZE, SIZE, 3))
            out.add((np.array(patches.resize((SIZE, SIZE))) + noise).astype(np.uint8), f"{i}.png")
    return Images(tmp_path / "images")


def random_weights() -> dict[str, torch.Tensor]:
    """Such that features are about as large as with trained ones."""
    network, generator = build(INCEPTION, None).module, torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, generator=generator)
    return dict(network.state_dict())


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes")
def test_extraction_at_512_pixels(tmp_path: Path, images: Images, benchmark: BenchmarkFixture) -> None:
    """The time is that of the whole stage, reading the network and writing the features included.

    torch-fidelity is timed before each round, its network being there already and its files being decoded by its
    worker processes; of it, too, the best round counts.
    """
    pytest.importorskip("torch_fidelity", reason="the extra 'fidelity'")
    from torch_fidelity.datasets import ImagesPathDataset
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    from torch_fidelity.utils import get_featuresdict_from_dataset

    weights = random_weights()
    save_file(weights, tmp_path / "inception.safetensors")
    torch.save(weights, tmp_path / "inception.pth")
    network = FeatureExtractorInceptionV3(
        "theirs", ["2048"], feature_extractor_weights_path=str(tmp_path / "inception.pth")
    )
    files = ImagesPathDataset([str(row.path) for row in rows(images)])
    seconds, expected, folders = [], [], count()

    def theirs() -> None:
        start = time.perf_counter()
        found = get_featuresdict_from_dataset(
            files, network, BATCH, cuda=False, save_cpu_ram=False, verbose=False
        )
        seconds.append(time.perf_counter() - start)
        expected.append(found["2048"].numpy())

    extractor = features.load(
        architecture=INCEPTION,
        weights=found(Weights.from_text(f"path:{tmp_path / 'inception.safetensors'}")),
        job=FolderJob(tmp_path / "extractor"),
    )

    def ours() -> Features:
        job = FolderJob(tmp_path / str(next(folders)))
        return features.extract(images, extractor, batch_size=BATCH, job=job)

    made = benchmark.pedantic(ours, setup=theirs, rounds=3, warmup_rounds=1)
    values = read(made).values
    assert values.std() > 1e-2
    difference = np.abs(values - expected[0]).max() / np.abs(expected[0]).max()
    assert difference < 1e-5
    if benchmark.stats:
        best = benchmark.stats.stats.min
        benchmark.extra_info["images_per_s"] = round(COUNT / best, 1)
        benchmark.extra_info["torch_fidelity_images_per_s"] = round(COUNT / min(seconds), 1)
        benchmark.extra_info["times_faster"] = round(min(seconds) / best, 2)
        benchmark.extra_info["relative_difference"] = f"{difference:.0e}"
        assert min(seconds) > 1.5 * best
