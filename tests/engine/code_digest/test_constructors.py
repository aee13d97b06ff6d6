"""Ways to make an object: a choice that is passed on by one of them and not declared makes the whole table count."""

from __future__ import annotations

import pytest
from source_files import toys  # noqa: F401

from harness.engine import code_digest

STAGES = """
    from PKG.code import *

    @stage(version=1)
    def train(data: Images, *, kind: Kind, other: str, job: Job) -> Images:
        return BODY
"""
CODE = """
    from dataclasses import dataclass, replace
    from typing import Annotated
    from harness.artifact import Images
    from harness.stage import Choices, Job, stage

    KINDS = Choices({"one": 1, "two": 2})
    Kind = Annotated[str, KINDS]

    class A:
        kind: Kind
        def __init__(self, size, which: Kind): self.kind = which
        def run(self): return KINDS[self.kind]
        EXTRA
    class B(A): ...
    @dataclass
    class OfFields(A):
        kind: Kind
        size: int
    class C(B): ...

    @dataclass
    class Row:
        kind: Kind
        def run(self): return KINDS[self.kind]
    @dataclass
    class Sized:
        size: int
    @dataclass
    class Both(Row, Sized): ...
"""


@pytest.mark.parametrize(
    ("extra", "call"),
    [
        ("", "B(1, other).run()"),
        ("", "OfFields(other, 1).run()"),
        ("", "C(1, other).run()"),
        ("", "C(1, which=other).run()"),
        ("", "Both(1, other).run()"),
        ("", "A.__init__(A(1, kind), 1, other)"),
        ("", "type(A(1, kind))(1, other).run()"),
        ("", "A(1, kind).__class__(1, other).run()"),
        ("def make(self, other): return type(self)(1, other)", "A(1, kind).make(other).run()"),
        ("", "replace(Row(kind), **other).run()"),
    ],
)
def test_another_choice_makes_the_whole_table_count(toys, extra, call):  # noqa: F811
    one, two = (
        code_digest.digest(
            toys.function(
                {
                    "stages": STAGES.replace("BODY", call),
                    "code": CODE.replace("EXTRA", extra).replace('"two": 2', entry),
                }
            )
        )
        for entry in ('"two": 2', '"two": 22')
    )
    assert one != two


@pytest.mark.parametrize(
    "call",
    [
        "C(1, kind).run()",
        "Both(1, kind).run()",
        "A.__init__(A(1, kind), 1, kind)",
        "type(A(1, kind))(1, kind).run()",
        "A(1, kind).__class__(1, kind).run()",
    ],
)
def test_a_declared_choice_is_its_entry_alone(toys, call):  # noqa: F811
    one, two = (
        code_digest.digest(
            toys.function(
                {
                    "stages": STAGES.replace("BODY", call),
                    "code": CODE.replace("EXTRA", "").replace('"two": 2', entry),
                }
            )
        )
        for entry in ('"two": 2', '"two": 22')
    )
    assert one == two


def test_an_import_under_a_global_name_is_reached(toys):  # noqa: F811
    stages = "def train():\n    global helper\n    from PKG.other import helper\n    return helper(1)"
    one, two = (
        code_digest.digest(toys.function({"stages": stages, "other": f"def helper(x): return x + {n}"}))
        for n in (1, 2)
    )
    assert one != two
