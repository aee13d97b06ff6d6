"""Extraction: the same features whatever the batch, memory or threads; a bad image by its name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from jobs import FolderJob
from PIL import Image
from rounding import assert_same
from tiny_land_cover import folder
from torch import Tensor, nn

from harness.artifact import Extractor, Images, LabelledImages
from harness.errors import StageError
from harness.formats.features import pair, read
from harness.stages.metrics import features
from harness.stages.metrics.features.families import Architecture
from harness.stages.metrics.features.networks import Description, Runner, build, save
from harness.stages.metrics.features.view import View

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> LabelledImages:
    return folder(tmp_path_factory.mktemp("images") / "a", count=4, size=48)


@pytest.fixture(scope="module")
def extractor(tmp_path_factory: pytest.TempPathFactory) -> Extractor:
    return load(tmp_path_factory.mktemp("extractor"))


def load(job: Path) -> Extractor:
    architecture = Architecture.from_text("torchvision:squeezenet1_1")
    return features.load(architecture=architecture, weights=None, size=64, job=FolderJob(job))


def as_it_is(at: Path) -> Extractor:
    """A network that takes pictures of any one size, as a classifier without a crop does."""
    architecture = Architecture.from_text("torchvision:squeezenet1_1")
    at.mkdir()
    save(build(architecture, None).module, at, "random")
    description = Description(architecture, View(None, "as it is", (0.0,) * 3, (255.0,) * 3), 512)
    description.write(at)
    return description.artifact(at, "random")


@pytest.mark.proves("features.extract", "batch_size")
def test_batch_size_changes_nothing_in_fp32(images: Images, extractor: Extractor, tmp_path: Path) -> None:
    made = {
        n: features.extract(images, extractor, batch_size=n, job=FolderJob(tmp_path / str(n)))
        for n in (1, 5, 12, 100)
    }
    vectors = {n: read(m) for n, m in made.items()}
    assert vectors[1].values.shape == (12, 512)
    assert vectors[1].values.std() > 0
    for n, other in vectors.items():
        assert_same(other.values, vectors[1].values, terms=512 * 9, layers=18)
        assert other.items == vectors[1].items == [f"{c}-{i}.png" for i in range(4) for c in range(3)]
        assert made[n].conditions == {}
    assert made[1].facts == made[100].facts
    assert made[1].facts["extractor"] == extractor.facts["extractor"]


@pytest.mark.proves("features.extract", "precision")
def test_half_precision_is_another_extractor_and_batch_size_a_condition(
    images: Images, extractor: Extractor, tmp_path: Path
) -> None:
    full = features.extract(images, extractor, precision="fp32", job=FolderJob(tmp_path / "a"))
    half = features.extract(images, extractor, precision="bf16", batch_size=4, job=FolderJob(tmp_path / "b"))
    assert half.conditions == {"batch_size": 4}
    assert not np.array_equal(read(full).values, read(half).values)
    np.testing.assert_allclose(
        read(half).values, read(full).values, rtol=0.1, atol=0.1 * read(full).values.max()
    )
    with pytest.raises(StageError, match="features of different extractors"):
        pair(full, half)


def test_images_of_different_sizes_are_all_fitted(extractor: Extractor, tmp_path: Path) -> None:
    mixed = folder(tmp_path / "mixed", count=1, size=48)
    Image.effect_noise((90, 31), 60).convert("RGB").save(mixed.path / "1-0.png")
    made = features.extract(mixed, extractor, batch_size=3, job=FolderJob(tmp_path / "a"))
    assert made.facts["count"] == 3


def test_images_taken_as_they_are_must_have_one_size_and_it_counts(tmp_path: Path) -> None:
    extractor = as_it_is(tmp_path / "extractor")
    sides = {n: folder(tmp_path / f"images {n}", count=1, size=n) for n in (48, 64)}
    made = {n: features.extract(i, extractor, job=FolderJob(tmp_path / str(n))) for n, i in sides.items()}
    with pytest.raises(StageError, match="features of different extractors"):
        pair(made[48], made[64])
    Image.new("RGB", (64, 40)).save(sides[64].path / "2-0.png")
    with pytest.raises(
        StageError, match=r"2-0\.png: 64×40 pixels where others have 64×64; .* resize them first"
    ):
        features.extract(sides[64], extractor, job=FolderJob(tmp_path / "uneven"))


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda p: p.write_bytes(p.read_bytes()[:300]), "not a readable image"),
        (lambda p: p.write_bytes(b"\x89PNG"), "not a readable image"),
        (lambda p: p.unlink(), "not a readable image"),
        (lambda p: Image.new("L", (48, 48)).save(p), "grey; images of a folder are 8-bit RGB"),
        (lambda p: Image.new("RGBA", (48, 48)).save(p), "alpha; images of a folder are 8-bit RGB"),
        (lambda p: Image.new("I;16", (48, 48)).save(p), "more than 8 bits per pixel"),
    ],
    ids=["torn", "only a signature", "gone", "grey", "alpha", "16 bits"],
)
def test_an_image_that_cannot_be_used_is_named(
    extractor: Extractor, tmp_path: Path, spoil: object, expected: str
) -> None:
    images = folder(tmp_path / "images", count=3)
    spoil(images.path / "1-2.png")  # type: ignore[operator]
    with pytest.raises(StageError, match=rf"1-2\.png: {expected}"):
        features.extract(images, extractor, job=FolderJob(tmp_path / "a"))


def test_no_images_are_an_error(extractor: Extractor, tmp_path: Path) -> None:
    with pytest.raises(StageError, match="no images to extract features of"):
        features.extract(folder(tmp_path / "images", count=0), extractor, job=FolderJob(tmp_path / "a"))


def test_progress_is_told_for_every_batch(images: Images, extractor: Extractor, tmp_path: Path) -> None:
    job = FolderJob(tmp_path)
    features.extract(images, extractor, batch_size=5, job=job)
    assert job.reports == [(5, 12, "images"), (10, 12, "images"), (12, 12, "images")]


class Small(nn.Module):
    """The mean of each channel, of a few images at once: a device with little memory."""

    def __init__(self, room: int, error: Exception) -> None:
        super().__init__()
        self.room = room
        self.error = error

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > self.room:
            raise self.error
        return x.mean(dim=(2, 3))


CPU_ERROR = RuntimeError(
    "[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: 9 bytes"
)
VIEW = View(None, "as it is", (0.0,) * 3, (1.0,) * 3)
PIXELS = np.random.default_rng(0).integers(0, 256, (11, 4, 4, 3), dtype=np.uint8)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), CPU_ERROR, MemoryError()])
def test_out_of_memory_halves_the_batch_until_it_fits(tmp_path: Path, error: Exception) -> None:
    job = FolderJob(tmp_path)
    runner = Runner(Small(3, error), VIEW, 8, "fp32", job)
    np.testing.assert_allclose(runner.features(PIXELS), PIXELS.mean(axis=(1, 2)), rtol=1e-5)
    assert runner.batch_size == 2
    assert job.lines == [f"out of memory with {n} images at once; going on with {n // 2}" for n in (8, 4)]


def test_out_of_memory_is_an_error_with_one_image_and_at_half_precision(tmp_path: Path) -> None:
    error = torch.OutOfMemoryError("CUDA out of memory")
    with pytest.raises(StageError, match="out of memory on cpu with a single image"):
        Runner(Small(0, error), VIEW, 8, "fp32", FolderJob(tmp_path)).features(PIXELS)
    with pytest.raises(StageError, match=r"with 8 images at bf16, .* set batch_size: 4"):
        Runner(Small(3, error), VIEW, 8, "bf16", FolderJob(tmp_path)).features(PIXELS)


def test_another_error_of_the_network_is_not_taken_for_it(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        Runner(
            Small(0, RuntimeError("shapes cannot be multiplied")), VIEW, 8, "fp32", FolderJob(tmp_path)
        ).features(PIXELS)


PEAK = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from jobs import FolderJob
from harness.artifact import Extractor, Images
from harness.stages.metrics import features
digest = {"extractor": "sha256:one"}
to = Path(sys.argv[5])
few, many = (Images(Path(sys.argv[i])) for i in (2, 3))
for name, images in (("a", few), ("b", many)):
    features.extract(images, Extractor(Path(sys.argv[4]), digest), batch_size=4, job=FolderJob(to / name))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_images(extractor: Extractor, tmp_path: Path) -> None:
    """Megabytes at their peak: 24 images, then 600, which are 226 MB when decoded."""
    few = folder(tmp_path / "few", count=8, size=354)
    (tmp_path / "many").mkdir()
    lines = (few.path / "metadata.jsonl").read_text().splitlines() * 25
    (tmp_path / "many/metadata.jsonl").write_text(
        "\n".join(lines).replace('"file_name": "', '"file_name": "../few/')
    )
    tests = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *map(str, (tests, few.path, tmp_path / "many", extractor.path, tmp_path))],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    before, after = map(int, done.stdout.split())
    assert before > 100
    assert after - before < 60
