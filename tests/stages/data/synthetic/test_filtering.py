"""Filters of generated images: each rule takes out what it is meant for, and what it took out says why.

Fingerprints of images: what they see, what they do not, and who stays of those that are alike.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from generated_images import CLASSES, generated, predicted, structure
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from image_files import everything
from jobs import FolderJob
from PIL import Image

from harness.artifact import GeneratedImages
from harness.errors import StageError
from harness.formats.image_folder import rows
from harness.stages.data.synthetic import filter
from harness.stages.data.synthetic.filtering import Filtered, Twin, distances, fingerprint, twins
from harness.stages.metrics import cost

pytestmark = pytest.mark.numeric


@pytest.fixture
def images(tmp_path: Path) -> GeneratedImages:
    """Nine, three of each class; the last three are copies of the first three, the very last a brighter one."""
    first = [(c, structure(i)) for i, c in enumerate(CLASSES)]
    second = [(c, structure(10 + i)) for i, c in enumerate(CLASSES)]
    copies = [(c, structure(i) // 2 + 60) for i, c in enumerate(CLASSES)]
    return generated(tmp_path / "images", [*first, *second, *copies], {"sampling": {"steps": 50}}, seed=7)


def names(images: GeneratedImages) -> list[str]:
    return [row.name for row in rows(images)]


def run(images: GeneratedImages, root: Path, *wired: Any, **parameters: Any) -> Filtered:
    return filter(images, *wired, **parameters, job=FolderJob(root))


def test_without_a_rule_everything_is_kept_as_it_was_and_it_says_so(
    images: GeneratedImages, tmp_path: Path
) -> None:
    job = FolderJob(tmp_path / "job")
    made = filter(images, job=job)
    assert everything(made.kept) == everything(images)
    assert everything(made.removed) == {}
    assert made.kept.facts["rules"] == "none: every image is kept"
    assert made.kept.facts["removed"] == {}
    assert made.kept.facts["sampling"] == {"steps": 50}
    assert job.lines == ["no rule is set: every image is kept"]


def test_a_duplicate_goes_and_names_the_first_of_its_group(images: GeneratedImages, tmp_path: Path) -> None:
    made = run(images, tmp_path / "job", duplicate_distance=8)
    assert names(made.kept) == [f"0000{i}.png" for i in range(6)]
    gone = {row.name: row.columns for row in rows(made.removed)}
    assert [gone[f"0000{i}.png"]["like"] for i in (6, 7, 8)] == ["00000.png", "00001.png", "00002.png"]
    assert {c["removed_by"] for c in gone.values()} == {"duplicate"}
    assert all(0 <= float(str(c["value"])) <= 8 for c in gone.values())
    assert {c["seed"] for c in gone.values()} == {7}
    assert made.kept.facts["removed"] == {"duplicate": dict.fromkeys(CLASSES, 1)}
    assert made.kept.facts["classes"] == list(CLASSES)
    assert made.kept.facts["per_class"] == dict.fromkeys(CLASSES, 2)
    assert made.removed.facts["count"] == 3


def test_an_image_goes_that_a_classifier_of_real_ones_does_not_take_for_its_class(
    images: GeneratedImages, tmp_path: Path
) -> None:
    predictions = predicted(tmp_path / "predictions", images, {"00001.png": 0.3, "00005.png": 0.5})
    made = run(images, tmp_path / "job", predictions, min_confidence=0.45)
    (gone,) = rows(made.removed)
    assert gone.name == "00001.png"
    assert gone.columns["removed_by"] == "confidence"
    assert gone.columns["value"] == gone.columns["confidence"] == pytest.approx(0.3, abs=1e-6)
    kept = {row.name: row.columns["confidence"] for row in rows(made.kept)}
    assert kept["00005.png"] == pytest.approx(0.5, abs=1e-6)
    assert kept["00000.png"] == pytest.approx(0.99, abs=1e-6)
    assert made.kept.facts["removed"] == {"confidence": {**dict.fromkeys(CLASSES, 0), "Crop Land": 1}}


def test_an_unsure_image_takes_no_duplicate_with_it(images: GeneratedImages, tmp_path: Path) -> None:
    """Image 6 looks like image 0, which goes for another reason: so it stays."""
    predictions = predicted(tmp_path / "predictions", images, {"00000.png": 0.1})
    made = run(images, tmp_path / "job", predictions, min_confidence=0.5, duplicate_distance=8)
    assert "00006.png" in names(made.kept)
    gone = {row.name: row.columns["removed_by"] for row in rows(made.removed)}
    assert gone == {"00000.png": "confidence", "00007.png": "duplicate", "00008.png": "duplicate"}


@pytest.mark.proves("synthetic.filter", "min_confidence duplicate_distance")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"min_confidence": 0.2}, {"min_confidence": 0.4}),
        ({"min_confidence": None}, {"min_confidence": 0.4}),
        ({"duplicate_distance": None}, {"duplicate_distance": 8}),
        ({"duplicate_distance": 0}, {"duplicate_distance": 8}),
    ],
    ids=str,
)
def test_every_threshold_changes_what_is_kept(
    images: GeneratedImages, tmp_path: Path, before: dict[str, Any], after: dict[str, Any]
) -> None:
    images = GeneratedImages(images.path, {})
    predictions = predicted(tmp_path / "predictions", images, {"00001.png": 0.3})
    one, again, other = (
        names(run(images, tmp_path / name, predictions, **parameters).kept)
        for name, parameters in (("a", before), ("b", before), ("c", after))
    )
    assert one == again
    assert len(one) > len(other) > 0


def test_a_class_of_which_nothing_would_be_left_is_an_error(images: GeneratedImages, tmp_path: Path) -> None:
    lost = dict.fromkeys(("00001.png", "00004.png", "00007.png"), 0.01)
    predictions = predicted(tmp_path / "predictions", images, lost)
    with pytest.raises(
        StageError, match=r"no image of class 'Crop Land' would be left of 3 \(rules: confidence\)"
    ):
        run(images, tmp_path / "job", predictions, min_confidence=0.5)


def test_confidence_without_predictions_is_an_error(images: GeneratedImages, tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"min_confidence: whose\? Wire predictions"):
        run(images, tmp_path / "job", min_confidence=0.5)


def test_predictions_of_other_images_are_refused(images: GeneratedImages, tmp_path: Path) -> None:
    fewer = generated(tmp_path / "fewer", [(c, structure(i)) for i, c in enumerate(CLASSES)])
    with pytest.raises(StageError, match=r"predictions: none of image 00003\.png"):
        run(images, tmp_path / "a", predicted(tmp_path / "p", fewer, {}), min_confidence=0.5)
    with pytest.raises(StageError, match=r"predictions: of an image 00003\.png that is not there"):
        run(fewer, tmp_path / "b", predicted(tmp_path / "q", images, {}), min_confidence=0.5)


def test_a_class_that_the_classifier_does_not_know_is_named(images: GeneratedImages, tmp_path: Path) -> None:
    known = predicted(tmp_path / "p", images, {})
    known.facts["classes"][1] = "Crop Lands"  # type: ignore[index]
    with pytest.raises(StageError, match=r"00001\.png is of class 'Crop Land'; did you mean 'Crop Lands'\?"):
        run(images, tmp_path / "job", known)


def test_an_image_without_a_class_is_refused(tmp_path: Path) -> None:
    nameless = generated(tmp_path / "images", [("", structure(0)), ("Crop Land", structure(1))])
    with pytest.raises(StageError, match=r"images: 00000\.png has no class"):
        run(nameless, tmp_path / "job")


def test_what_is_kept_did_not_cost_what_all_of_it_cost(images: GeneratedImages, tmp_path: Path) -> None:
    whole = GeneratedImages(images.path, {"cost": {"evaluations": 51}})
    with pytest.raises(StageError):
        cost.sampling(run(whole, tmp_path / "job", duplicate_distance=8).kept)


PRINTS = arrays(np.uint64, st.tuples(st.integers(1, 12), st.just(2)), elements=st.integers(0, 2**64 - 1))
ONES = np.uint64(2**64 - 1)


def of(pixels: np.ndarray, folder: Path) -> np.ndarray:
    Image.fromarray(pixels).save(folder / "image.png")
    return fingerprint(folder / "image.png")


def ramp(size: int = 72) -> np.ndarray:
    """Brighter from left to right, in grey."""
    line = np.linspace(0, 255, size).round().astype(np.uint8)
    return np.repeat(np.tile(line, (size, 1))[:, :, None], 3, axis=2)


def test_every_bit_says_which_of_two_neighbours_is_brighter(tmp_path: Path) -> None:
    """Computed by hand: brighter to the right sets the first 64 bits, brighter downwards the other 64."""
    right, down = ramp(), ramp().transpose(1, 0, 2)
    assert of(right, tmp_path).tolist() == [ONES, 0]
    assert of(down, tmp_path).tolist() == [0, ONES]
    assert of(right[:, ::-1], tmp_path).tolist() == [0, 0]
    assert of(np.full((9, 9, 3), 90, np.uint8), tmp_path).tolist() == [0, 0]


def test_neither_brightness_nor_contrast_nor_size_nor_compression_makes_another_image(tmp_path: Path) -> None:
    pixels = structure(3, 64)
    before = of(pixels, tmp_path)
    jpeg = io.BytesIO()
    Image.fromarray(pixels).save(jpeg, format="JPEG", quality=60)
    copies = {
        "brighter": pixels + np.uint8(40),
        "flatter": (pixels // 2 + 30).astype(np.uint8),
        "larger": np.asarray(Image.fromarray(pixels).resize((96, 96), Image.Resampling.BICUBIC)),
        "compressed": np.asarray(Image.open(jpeg)),
    }
    found = {name: int(distances(before, of(copy, tmp_path)[None])[0]) for name, copy in copies.items()}
    assert max(found.values()) <= 6, found
    others = [int(distances(before, of(structure(seed), tmp_path)[None])[0]) for seed in range(4, 12)]
    assert min(others) > 30, others


@given(PRINTS)
def test_a_distance_is_how_many_of_128_bits_differ(prints: np.ndarray) -> None:
    def bits(row: np.ndarray) -> list[str]:
        return list(f"{int(row[0]):064b}{int(row[1]):064b}")

    expected = [sum(a != b for a, b in zip(bits(prints[0]), bits(other), strict=True)) for other in prints]
    assert distances(prints[0], prints).tolist() == expected
    assert expected[0] == 0


@given(PRINTS, st.integers(0, 128))
def test_what_stays_is_apart_and_what_goes_is_near_to_something_before_it_that_stays(
    prints: np.ndarray, distance: int
) -> None:
    found = twins(list(prints), distance)
    gone = {twin.image for twin in found}
    staying = [i for i in range(len(prints)) if i not in gone]
    assert staying[0] == 0
    for i in staying:
        before = [j for j in staying if j < i]
        assert all(d > distance for d in distances(prints[i], prints[before]))
    for image, like, apart in found:
        assert like in staying
        assert like < image
        assert apart == distances(prints[image], prints[[j for j in staying if j < image]]).min() <= distance


def test_of_a_chain_the_first_stays_and_what_is_too_far_from_it() -> None:
    """0 and 2 differ in two bits, 1 lies between them: it goes, and cannot take 2 along."""
    chain = [np.array([bits, 0], dtype=np.uint64) for bits in (0b00, 0b01, 0b11)]
    assert twins(chain, 1) == [Twin(1, 0, 1)]
    assert twins(chain, 2) == [Twin(1, 0, 1), Twin(2, 0, 2)]
    assert twins([], 5) == []


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "torn.png").write_bytes(b"\x89PNG")
    with pytest.raises(StageError, match=r"torn\.png: not a readable image"):
        fingerprint(tmp_path / "torn.png")
