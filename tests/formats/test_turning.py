"""Which way is up, for arrays, pictures and transforms of rasters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from harness.formats.turning import of_transform, turned, upright

VALUES = np.arange(6, dtype=np.uint8).reshape(2, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_arrays_and_pictures_are_turned_as_pillow_turns_them(orientation):
    picture = Image.fromarray(VALUES)
    exif = picture.getexif()
    exif[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(picture))
    assert (turned(VALUES, orientation) == expected).all()
    assert (np.asarray(upright(Image.fromarray(VALUES), orientation)) == expected).all()


@given(
    step=st.tuples(st.sampled_from([-10, 10]), st.sampled_from([-5, 5])),
    on_its_side=st.booleans(),
)
def test_after_turning_east_is_right_and_north_is_up(step, on_its_side):
    """Each pixel is put where its coordinates say."""
    one, other = step
    a, b, d, e = (0, one, other, 0) if on_its_side else (one, 0, 0, other)
    place = {
        (a * column + b * row, d * column + e * row): VALUES[row, column]
        for row in range(2)
        for column in range(3)
    }
    east, south = sorted({x for x, _ in place}), sorted({y for _, y in place}, reverse=True)
    expected = np.array([[place[x, y] for x in east] for y in south])
    assert (turned(VALUES, of_transform(a, b, d, e)) == expected).all()


def test_no_georeference_is_no_reason_to_turn_and_an_angle_has_no_answer():
    assert of_transform(1, 0, 0, 1) == 1
    assert of_transform(10, 3, 3, -10) is None
    assert of_transform(10, 1e-9, 1e-9, -10) == 1
