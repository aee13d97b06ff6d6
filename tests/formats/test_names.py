"""When two names are one name."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.errors import StageError
from harness.formats.names import folded, png_names, refuse_alike, spelled

DECOMPOSED = unicodedata.normalize("NFD", "forêt")


def test_a_path_has_one_spelling():
    assert {spelled(n) for n in ("a/0.png", "./a/0.png", "a//0.png", "a/b/../0.png")} == {"a/0.png"}
    assert spelled(DECOMPOSED) == "forêt"
    assert spelled("A.png") != spelled("a.png")
    assert folded("A.png") == folded("a.png")


@given(st.lists(st.from_regex(r"[ab]/[tT](\.jpg|\.png|\.tif|\.JPG){1,2}", fullmatch=True), unique=True))
@example(["t.jpg", "t.tif", "t.jpg.png"])
@example(["T.jpg", "t.tif", "t.png"])
@example([f"{DECOMPOSED}.png", "forêt.png"])
def test_no_two_images_get_names_that_could_be_one_file(names):
    found = png_names(names)
    assert list(found) == names
    assert len({folded(new) for new in found.values()}) == len(names)
    assert all(new.endswith(".png") for new in found.values())


def test_a_name_that_nothing_contests_only_changes_its_suffix():
    assert png_names(["x/a.jpg", "y/a.jpg"]) == {"x/a.jpg": "x/a.png", "y/a.jpg": "y/a.png"}


@pytest.mark.parametrize("other", ["Forêt", DECOMPOSED, "forêt "])
def test_classes_that_cannot_be_told_apart_are_refused(other):
    with pytest.raises(StageError, match=r"own: the classes .* are one name but for"):
        refuse_alike(["forêt", other], "own")
    refuse_alike(["forêt", "lac"], "own")
