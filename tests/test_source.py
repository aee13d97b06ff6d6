"""The source digest: what changes it, and what does not."""

import importlib
import sys

import pytest

from harness import source

STAGE = """
from edited import inner
from edited.other import helper, unrelated as _unused
from harness.artifact import Classifier, Images
from harness.stage import stage

@stage(version=1)
def train(data: Images, *, epochs: int = 3) -> Classifier:
    "What it does."
    total = helper(epochs) + CONSTANT  # a comment
    return total + lazily()

def lazily():
    from .other import late
    return late() + inner.deep(1)

CONSTANT = 7

def measure(data):
    return 1
"""
OTHER = """
def helper(x):
    return deeper(x) * 2

def deeper(x):
    return x + 1

def late():
    return 3

def unrelated():
    return 0
"""
INNER = """
def deep(x):
    return x
"""


@pytest.fixture
def digest_of(tmp_path, monkeypatch):
    """Writes the package with these edits, imports it anew, and digests its ``train``."""

    def digest(edits: dict[str, str] | None = None) -> str:
        root = tmp_path / str(len(list(tmp_path.iterdir())))
        folder = root / "edited"
        folder.mkdir(parents=True)
        for name, text in {
            "__init__.py": "",
            "stages.py": STAGE,
            "other.py": OTHER,
            "inner.py": INNER,
        }.items():
            for old, new in (edits or {}).items():
                text = text.replace(old, new)
            (folder / name).write_text(text)
        for name in [n for n in sys.modules if n.partition(".")[0] == "edited"]:
            del sys.modules[name]
        source._module.cache_clear()
        importlib.invalidate_caches()
        with monkeypatch.context() as path:
            path.syspath_prepend(str(root))
            return source.digest(importlib.import_module("edited.stages").train)

    return digest


@pytest.mark.parametrize(
    "edit",
    [
        {"return deeper(x) * 2": "return deeper(x) * 3"},
        {"return x + 1": "return x + 2"},
        {"return 3": "return 4"},
        {"CONSTANT = 7": "CONSTANT = 8"},
        {"def deep(x):\n    return x": "def deep(x):\n    return -x"},
        {"total + lazily()": "total - lazily()"},
        {"* 2": "* 2.0"},
    ],
    ids=["helper", "helper's helper", "late import", "constant", "other module", "body", "int to float"],
)
def test_an_edit_of_anything_reached_changes_the_digest(digest_of, edit):
    assert digest_of(edit) != digest_of()


@pytest.mark.parametrize(
    "edit",
    [
        {"# a comment": "# another"},
        {'"What it does."': '"Something else."'},
        {"*, epochs: int = 3": "*, epochs: float = 3"},
        {"total = helper": "total  =  helper"},
        {"def unrelated():\n    return 0": "def unrelated():\n    return 1"},
        {"def measure(data):\n    return 1": "def measure(data):\n    return 2"},
        {"@stage(version=1)": "@stage(version=2)"},
    ],
    ids=[
        "comment",
        "docstring",
        "annotation",
        "layout",
        "unreached helper",
        "sibling metric",
        "declared version",
    ],
)
def test_what_changes_no_behaviour_keeps_the_digest(digest_of, edit):
    assert digest_of(edit) == digest_of()


def test_a_default_is_behaviour(digest_of):
    assert digest_of({"epochs: int = 3": "epochs: int = 4"}) != digest_of()


def test_the_contract_is_not_followed():
    from harness.data import image_folder

    digest = source.digest(image_folder.rows)
    assert len(digest) == 64
    module = source._module(image_folder.__name__)
    assert module is not None
    assert list(source._resolve(("StageError",), module, {"harness"})) == []
    assert list(source._resolve(("Row",), module, {"harness"})) == [(image_folder.__name__, "Row")]
