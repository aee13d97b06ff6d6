"""What an edit changes: everything that a stage reaches by name, and nothing else."""

from __future__ import annotations

import pytest
from source_files import toys  # noqa: F401

from harness.engine import code_digest

STAGES = """
    from PKG import inner
    from PKG.other import helper, unrelated as _unused
    from harness.artifact import Classifier, Images
    from harness.stage import stage

    @stage(version=1)
    def train(data: Images, *, epochs: int = 3) -> Classifier:
        "What it does."
        total = helper(epochs) + CONSTANT  # a comment
        for one in range(epochs):
            total += one
        return total + lazily()

    def lazily():
        from .other import late
        return late() + inner.deep(1)

    CONSTANT = 7

    def measure(data):
        return 1
"""
OTHER = """
    import math
    from functools import partial

    def helper(x):
        return deeper(x) * 2 + even(x) + TABLE["a"](x) + Shape(x).area() + KINDS[0]

    def deeper(x, *, step=1):
        return x + step

    def late():
        return 3

    def even(n):
        return n == 0 or odd(n - 1)

    def odd(n):
        return n != 0 and even(n - 1)

    TABLE = {"a": lambda x: math.sqrt(x), "b": partial(deeper, step=5)}
    TABLE["c"] = late

    KINDS = []
    KINDS.append(4)
    for _kind in (5, 6):
        KINDS.append(_kind)

    try:
        FAST = True
    except ImportError:
        FAST = False

    if FAST:
        SCALE = 10
    else:
        SCALE = 20

    class Base:
        factor = 1

    class Shape(Base):
        sides: int = 4
        def __init__(self, x: "Base"):
            self.x = x
        def area(self):
            "Its area."
            return self.x * self.factor * SCALE

    def unrelated():
        return 0
"""
INNER = """
    def deep(x):
        return x
"""
TOY = {"stages": STAGES, "other": OTHER, "inner": INNER}


def edited(*changes: tuple[str, str]) -> dict[str, str]:
    files = dict(TOY)
    for old, new in changes:
        assert sum(old in text for text in files.values()) == 1, old
        files = {name: text.replace(old, new) for name, text in files.items()}
    return files


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return deeper(x) * 2", "return deeper(x) * 3"),
        ("return x + step", "return x - step"),
        ("step=1", "step=2"),
        ("return 3", "return 4"),
        ("CONSTANT = 7", "CONSTANT = 8"),
        ("def deep(x):\n        return x", "def deep(x):\n        return -x"),
        ("total = helper(epochs) + CONSTANT", "total = helper(epochs) - CONSTANT"),
        ("total += one", "total -= one"),
        ("total += one", "total += one; break"),
        ("total + lazily()", "total - lazily()"),
        ("* 2 ", "* 2.0 "),
        ("epochs: int = 3", "epochs: int = 4"),
        ("n == 0 or", "n == 1 or"),
        ("n != 0 and", "n != 1 and"),
        ("math.sqrt", "math.cbrt"),
        ("step=5", "step=6"),
        ('TABLE["c"] = late', 'TABLE["d"] = late'),
        ("KINDS.append(4)", "KINDS.append(7)"),
        ("(5, 6)", "(5, 7)"),
        ("FAST = True", "FAST = 1"),
        ("except ImportError", "except OSError"),
        ("if FAST", "if not FAST"),
        ("SCALE = 10", "SCALE = 11"),
        ("SCALE = 20", "SCALE = 21"),
        ("factor = 1", "factor = 2"),
        ("class Shape(Base)", "class Shape"),
        ("sides: int = 4", "sides: int = 5"),
        ("late() + inner", "late() or inner"),
        ("def deeper(x, *, step=1)", "def deeper(x, step=1)"),
        ("    TABLE = {", "    @partial\n    def late(): ...\n    TABLE = {"),
    ],
)
def test_an_edit_of_anything_reached_changes_the_digest(toys, old, new):  # noqa: F811
    assert code_digest.digest(toys.function(edited((old, new)))) != code_digest.digest(toys.function(TOY))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# a comment", "# another"),
        ('"What it does."', '"Something else."'),
        ('"Its area."', '"Another."'),
        ('        "Its area."\n', ""),
        ("sides: int = 4", 'sides: int = 4\n        "How many sides it has."'),
        ("    CONSTANT = 7", '    CONSTANT = 7\n    "The size."'),
        ("total += one\n", 'total += one\n            "Once an epoch."\n'),
        ("*, epochs: int = 3", "*, epochs: float = 3"),
        ("total = helper", "total  =  helper"),
        ("def unrelated():\n        return 0", "def unrelated():\n        return 1"),
        ("def measure(data):\n        return 1", "def measure(data):\n        return 2"),
        ("@stage(version=1)", "@stage(version=2)"),
        ("harness.stage import stage\n", "harness.stage import stage as stage, Job\n"),
        (") -> Classifier", ") -> Images"),
    ],
)
def test_what_changes_no_behaviour_keeps_the_digest(toys, old, new):  # noqa: F811
    assert code_digest.digest(toys.function(edited((old, new)))) == code_digest.digest(toys.function(TOY))


def test_a_digest_is_the_same_in_another_package_and_depends_on_every_statement(toys):  # noqa: F811
    """Each statement of a function counts, the first and the last too."""
    body = ["a = data", "b = a + 1", "c = b * 2", "return c"]
    text = "def train(data):\n    " + "\n    ".join(body)
    whole = code_digest.digest(toys.function({"stages": text}))
    assert len(whole) == 64
    assert int(whole, 16) > 0
    assert whole == code_digest.digest(toys.function({"stages": text}))
    found = {whole}
    for line in body:
        found.add(code_digest.digest(toys.function({"stages": text.replace(line, "pass")})))
        found.add(
            code_digest.digest(toys.function({"stages": text.replace(f"\n    {line}", "")}))
            if line != body[0]
            else code_digest.digest(toys.function({"stages": text.replace(f"    {line}\n", "")}))
        )
    assert len(found) == 1 + 2 * len(body)


def test_an_edited_helper_changes_exactly_the_functions_that_reach_it(toys):  # noqa: F811
    text = """
        def first(x): return helper(x)
        def second(x): return first(x)
        def third(x): return x
        def helper(x): return x + 1
    """
    after = text.replace("x + 1", "x + 2")

    def digests(text: str) -> list[str]:
        return [
            code_digest.digest(toys.function({"stages": text}, f"stages.{n}"))
            for n in ("first", "second", "third")
        ]

    same = [a == b for a, b in zip(digests(text), digests(after), strict=True)]
    assert same == [False, False, True]


def test_a_method_counts_with_its_whole_class(toys):  # noqa: F811
    text = "class Trainer:\n    epochs = 1\n    def train(self): return self.epochs"
    more = text.replace("epochs = 1", "epochs = 2")
    assert [
        code_digest.digest(toys.function({"stages": t}, "stages.Trainer").train) for t in (text, text)
    ] == [code_digest.digest(toys.function({"stages": text}, "stages.Trainer"))] * 2
    assert code_digest.digest(toys.function({"stages": more}, "stages.Trainer").train) != code_digest.digest(
        toys.function({"stages": text}, "stages.Trainer").train
    )
