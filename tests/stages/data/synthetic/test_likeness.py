"""Fingerprints of images: what they see, what they do not, and who stays of those that are alike."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from generated_images import structure
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from harness.errors import StageError
from harness.stages.data.synthetic.filtering import Twin, distances, fingerprint, twins

pytestmark = pytest.mark.numeric

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
