"""How sources are named."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.sources.hub import Source
from harness.suite.typed import to_json

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_a_repository_at_a_commit_is_read():
    source = Source.from_text(f"arampacha/rsicd@{COMMIT}")
    assert (source.repo, source.commit, source.inside, source.place) == ("arampacha/rsicd", COMMIT, "", None)


def test_a_file_inside_is_read():
    source = Source.from_text("org/na.me-2@unpinned:weights/best.safetensors")
    assert (source.repo, source.commit, source.inside) == ("org/na.me-2", None, "weights/best.safetensors")


def test_a_path_is_relative_to_the_suites_folder(tmp_path):
    assert Source.from_text("path:data/own").relative_to(tmp_path).place == tmp_path / "data" / "own"
    assert Source.from_text("path:/data/own").relative_to(tmp_path).place == Path("/data/own")


def test_a_repository_stays_what_it_is_wherever_the_suite_lies(tmp_path):
    source = Source.from_text("org/name@unpinned")
    assert source.relative_to(tmp_path) == source


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("org/name", "needs a commit: org/name@<40 hex digits>, or org/name@unpinned"),
        ("org/name@main", "'main' is neither a commit of 40 hex digits nor 'unpinned'"),
        (f"org/name@{COMMIT[:12]}", "neither a commit of 40 hex digits"),
        (f"org/name@{COMMIT.upper()}", "neither a commit of 40 hex digits"),
        ("name@unpinned", "neither org/name@commit nor path:"),
        ("../name@unpinned", "neither org/name@commit nor path:"),
        ("./data", "neither org/name@commit nor path:"),
        ("", "neither org/name@commit nor path:"),
        ("path:", "a file or folder must follow 'path:'"),
        ("org/name@unpinned:", "must be a file or folder inside org/name"),
        ("org/name@unpinned:/etc/passwd", "must be a file or folder inside org/name"),
        ("org/name@unpinned:a/../../b", "must be a file or folder inside org/name"),
    ],
)
def test_a_malformed_reference_is_one_helpful_line(text, message):
    with pytest.raises(ValueError, match=r"^.+$") as e:
        Source.from_text(text)
    assert message in str(e.value)
    assert repr(text) in str(e.value)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_one_line(text):
    try:
        source = Source.from_text(text)
    except ValueError as e:
        lines = str(e).splitlines()
    else:
        lines = [repr(source.text)]
    assert len(lines) == 1


def test_unresolved_its_key_is_its_text():
    assert to_json(Source.from_text("org/name@unpinned")) == "org/name@unpinned"


def test_unresolved_it_has_no_place():
    with pytest.raises(AssertionError, match="org/name@unpinned is not resolved"):
        _ = Source.from_text("org/name@unpinned").path
