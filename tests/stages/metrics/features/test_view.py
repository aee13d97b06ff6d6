"""Pictures reach the network as the library does it whose name the filter has, to the pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from drawing import draws
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import v2

from harness.errors import StageError
from harness.stages.metrics.features.view import Fit, View, tensorflow_bilinear

pytestmark = pytest.mark.numeric


def pixels(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), dtype=np.uint8)


def view(size: int | None, fit: Fit) -> View:
    return View(size, fit, (1.0, 2.0, 3.0), (10.0, 20.0, 30.0))


@draws(30)
@given(height=st.integers(2, 400), width=st.integers(2, 400), size=st.sampled_from([7, 32, 299]))
def test_tensorflow_s_resize_is_torch_fidelity_s_bit_for_bit(height: int, width: int, size: int) -> None:
    fidelity = pytest.importorskip(
        "torch_fidelity.interpolate_compat_tensorflow", reason="the extra 'fidelity'"
    )
    image = pixels(height, width)
    batch = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    theirs = fidelity.interpolate_bilinear_2d_like_tensorflow1x(batch, (size, size), align_corners=False)
    assert np.array_equal(tensorflow_bilinear(image, size), theirs[0].permute(1, 2, 0).numpy())


@pytest.mark.parametrize("name", ["bilinear", "bicubic", "lanczos"])
def test_pillow_s_filters_are_pillow_s(name: str) -> None:
    picture = Image.fromarray(pixels(40, 52))
    expected = np.asarray(picture.resize((17, 17), Image.Resampling[name.upper()]))
    assert np.array_equal(view(17, f"pil-{name}").pixels(picture), expected)


@pytest.mark.parametrize("name", ["bilinear", "bicubic"])
def test_tensor_filters_are_torchvision_s(name: str) -> None:
    image = pixels(40, 52)
    tensor = torch.from_numpy(image).permute(2, 0, 1)
    expected = v2.Resize((17, 17), v2.InterpolationMode(name), antialias=True)(tensor).permute(1, 2, 0)
    assert np.array_equal(view(17, f"tensor-{name}").pixels(Image.fromarray(image)), expected.numpy())


@pytest.mark.parametrize("size", [(40, 52), (41, 53), (16, 16)])
def test_the_crop_is_torchvision_s(size: tuple[int, int]) -> None:
    image = pixels(*size)
    expected = v2.CenterCrop(16)(torch.from_numpy(image).permute(2, 0, 1)).permute(1, 2, 0)
    assert np.array_equal(view(16, "centre-crop").pixels(Image.fromarray(image)), expected.numpy())


def test_a_picture_smaller_than_the_crop_is_refused() -> None:
    with pytest.raises(StageError, match="20×10 pixels, smaller than the crop of 16"):
        view(16, "centre-crop").pixels(Image.fromarray(pixels(10, 20)))


def test_a_picture_of_the_right_size_stays_as_it_is_under_every_filter() -> None:
    image = pixels(32, 32)
    fits: list[Fit] = ["pil-bicubic", "pil-lanczos", "tensor-bilinear", "tensorflow-bilinear", "as it is"]
    for fit in fits:
        seen = view(None if fit == "as it is" else 32, fit).pixels(Image.fromarray(image))
        assert np.array_equal(seen, image), fit


def test_normalisation_is_per_channel_and_in_8_bit_units() -> None:
    batch = torch.full((2, 3, 4, 4), 101, dtype=torch.uint8)
    found = view(None, "as it is").normalised(batch)
    assert found.dtype == torch.float32
    assert torch.allclose(found[1, :, 0, 0], torch.tensor([10.0, 99 / 20, 98 / 30]))
