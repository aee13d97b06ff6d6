"""The names of images in suites: pinned, or pinned by images.lock."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_suites import TOY, changed, write_suite

from harness import suite
from harness.errors import SuiteError
from harness.suite.images import ImageName

DIGEST = "sha256:" + "0a" * 32


@pytest.mark.parametrize(
    "text", [f"ghcr.io/a/b@{DIGEST}", f"localhost/b@{DIGEST}", f"h:5000/a/b:1.2@{DIGEST}"]
)
def test_what_is_pinned(text: str) -> None:
    assert ImageName.from_text(text).digest == DIGEST
    assert ImageName.from_text("text-to-image").digest is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ghcr.io/a/b:latest", "a tag can be moved; pin the image: ghcr.io/a/b@sha256:…"),
        ("ghcr.io/a/b", "a tag can be moved"),
        (f"a/b@{DIGEST}", "the registry is missing, as in docker.io/a/b"),
        ("ghcr.io/a/b@sha256:0a", "is not sha256: and 64 hex digits"),
        (f"ghcr.io/a/b@md5:{DIGEST}", "is not sha256: and 64 hex digits"),
        ("Text To Image", "neither HOST/NAME@sha256"),
        ("", "neither HOST/NAME@sha256"),
        ("torch:2.1", "neither HOST/NAME@sha256"),
        ("-rm", "neither HOST/NAME@sha256"),
    ],
)
def test_what_is_not(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ImageName.from_text(text)


def test_a_stage_s_image_comes_before_the_suite_s(tmp_path: Path) -> None:
    text = changed(
        ("subject: [model]", "subject: [model]\nimage: all"),
        ("epochs: 5}", f"epochs: 5, image: 'h.io/x@{DIGEST}'}}"),
    )
    found = suite.load(write_suite(tmp_path, text))
    assert {n: node.image.text for n, node in found.nodes.items() if node.image} == {
        "numbers": "all",
        "parts": "all",
        "model": f"h.io/x@{DIGEST}",
        "fit": "all",
    }
    assert all(node.image is None for node in suite.load(write_suite(tmp_path, TOY)).nodes.values())


def test_an_image_that_is_not_pinned_is_a_mistake_of_the_suite(tmp_path: Path) -> None:
    text = changed(("subject: [model]", "subject: [model]\nimage: ghcr.io/a/b:latest"))
    with pytest.raises(SuiteError, match=r"suite.yaml:4: image: .* a tag can be moved"):
        suite.load(write_suite(tmp_path, text))
