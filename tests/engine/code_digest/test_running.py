"""Code that is edited while a run goes on is noticed before its result is stored."""

from __future__ import annotations

from pathlib import Path

import pytest
from source_files import toys  # noqa: F401

from harness.engine import code_digest

STAGES = "def train(x):\n    from PKG.late import helper\n    return helper(x)\ndef other(): return 1"
LATE = "from PKG.deep import below\ndef helper(x): return below(x + 1)\ndef unused(): return 1"
FILES = {"stages": STAGES, "late": LATE, "deep": "def below(x): return x", "apart": "X = 1"}


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("late", "x + 1", "x + 2", "late.py"),
        ("late", "x + 1", "x +", "late.py"),
        ("deep", "return x", "return -x", "deep.py"),
        ("stages", "helper(x)", "helper(-x)", "stages.py"),
        ("late", "def helper", "# better\ndef helper", None),
        ("late", "unused(): return 1", "unused(): return 2", None),
        ("stages", "return 1", "return 2", None),
        ("apart", "X = 1", "X = 2", None),
    ],
    ids=[
        "helper",
        "not Python any more",
        "its helper",
        "stage",
        "comment",
        "unreached",
        "sibling",
        "another module",
    ],
)
def test_what_is_edited_after_the_digest_is_named(toys, file, old, new, expected):  # noqa: F811
    train = toys.function(FILES)
    digest = code_digest.digest(train)
    assert code_digest.edited(train) is None
    path = Path(train.__code__.co_filename).with_name(f"{file}.py")
    path.write_text(path.read_text().replace(old, new))
    assert code_digest.edited(train) == expected
    assert code_digest.digest(train) == digest, "the key stays what the run was planned with"
    assert code_digest.edited(train) == expected, "and it is noticed again by the next task"


def test_a_deleted_file_is_named(toys):  # noqa: F811
    train = toys.function(FILES)
    assert code_digest.edited(train) is None
    Path(train.__code__.co_filename).with_name("late.py").unlink()
    assert code_digest.edited(train) == "late.py"


def test_what_only_passes_a_name_on_counts_too(toys):  # noqa: F811
    files = {
        "stages": "from PKG.way import helper\ndef train(): return helper()",
        "way": "from PKG.a import helper",
        "a": "def helper(): return 1",
        "b": "def helper(): return 2",
    }
    train = toys.function(files)
    assert code_digest.edited(train) is None
    path = Path(train.__code__.co_filename).with_name("way.py")
    path.write_text(path.read_text().replace(".a ", ".b "))
    assert code_digest.edited(train) == "way.py"


CHOOSES = {
    "stages": """
        from typing import Annotated
        from harness.artifact import Images
        from harness.stage import stage
        from PKG.late import KINDS, SIZES

        @stage(version=1)
        def train(data: Images, *, kind: Annotated[str, KINDS], other: Annotated[str, SIZES]) -> Images:
            return KINDS[kind]
    """,
    "late": """
        from harness.stage import Choices
        from PKG.far import second
        KINDS = Choices({"one": 1, "two": second})
        SIZES = Choices({"small": 1})
    """,
    "far": "def second(): return 2",
}


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("late", "second}", 'second, "three": 3}', None),
        ("late", "KINDS = Choices({", "KINDS = Choices(  # all\n{", None),
        ("late", '"one": 1', '"one": 2', "late.py"),
        ("late", '"one": 1, ', "", "late.py"),
        ("late", '{"one": 1, "two": second}', "dict(one=1)", "late.py"),
        ("far", "return 2", "return 3", "far.py"),
        ("stages", "other: Annotated[str, SIZES]", "other: str", "stages.py"),
    ],
    ids=["one more", "comment", "another", "one less", "no table", "what an entry calls", "chosen no longer"],
)
def test_an_entry_may_be_added_to_a_table_meanwhile(toys, file, old, new, expected):  # noqa: F811
    train = toys.function(CHOOSES)
    assert code_digest.edited(train) is None
    path = Path(train.__code__.co_filename).with_name(f"{file}.py")
    path.write_text(path.read_text().replace(old, new))
    assert code_digest.edited(train) == expected
