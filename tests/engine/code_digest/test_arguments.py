"""Which arguments of a call fill a parameter or a field that chooses, and what the call then depends on."""

from __future__ import annotations

import pytest
from source_files import Toys, toys  # noqa: F401

from harness.engine import code_digest

STAGES = """
    from PKG.code import *

    @stage(version=1)
    def train(data: Images, *, kind: Kind, other: str, job: Job) -> Images:
        BODY
"""
CODE = """
    from dataclasses import dataclass, replace
    from typing import Annotated, ClassVar, NamedTuple
    from harness.artifact import Images
    from harness.stage import Choices, Job, stage

    KINDS = Choices({"one": 1, "two": 2})
    Kind = Annotated[str, KINDS]
"""
NAMED = "def take(*, size=1, kind: Kind): return KINDS[kind]"
NAMED_WITH_DEFAULT = 'def take(*, size=1, kind: Kind = "two"): return KINDS[kind]'
BY_POSITION = "def take(size, kind: Kind, /): return KINDS[kind]"
LAST_HAS_DEFAULT = 'def take(size, kind: Kind = "two"): return KINDS[kind]'
CONSTRUCTOR = """class Taker:
        def __init__(self, size, kind: Kind): self.result = KINDS[kind]
        def method(self): ...
"""
INHERITED = f"{CONSTRUCTOR}    class Heir(Taker): ...\n"
FIELDS = """@dataclass
    class Sized:
        size: int
        def method(self): ...
    @dataclass
    class Taker(Sized):
        kind: Kind
        def take(self): return KINDS[self.kind]
"""
TWO_BASES = f"""{FIELDS}
    @dataclass
    class Named:
        name: str
    @dataclass
    class Heir(Taker, Named): ...
"""
FIELD_WITH_DEFAULT = """@dataclass
    class Taker:
        size: int
        kind: Kind = "two"
        def take(self): return KINDS[self.kind]
"""
DEFAULT_OF_A_CALL = f"""{FIELDS}
    def usual() -> Taker: return Taker(1, "two")
    def take(kind: Kind = usual().kind): return KINDS[kind]
"""
CLASS_VARIABLE = """@dataclass
    class Taker:
        count: ClassVar[int] = 0
        kind: Kind
        def take(self): return KINDS[self.kind]
"""


def depends_on(toys: Toys, code: str, body: str) -> str:  # noqa: F811
    """What the stage depends on, of the table's entries that ``kind`` did not choose: none, "two", or all."""
    written = ('"two": 2', '"two": 2, "three": 3', '"two": 22')
    stages, code = STAGES.replace("BODY", body), f"{CODE}\n    {code}"
    before, added, changed = (
        code_digest.digest(toys.function({"stages": stages, "code": code.replace(written[0], two)}))
        for two in written
    )
    if before != added:
        return "all"
    return "none" if before == changed else "two"


@pytest.mark.parametrize(
    ("code", "call", "expected"),
    [
        (NAMED, "take(kind=kind)", "none"),
        (NAMED, "take(kind=other)", "all"),
        (NAMED, "take(size=other, kind=kind)", "none"),
        (NAMED, "take(**other)", "all"),
        (NAMED, "take(*other, kind=kind)", "none"),
        (NAMED_WITH_DEFAULT, "take(size=2)", "two"),
        (NAMED_WITH_DEFAULT, "take(kind=kind)", "none"),
        (BY_POSITION, "take(other, kind)", "none"),
        (BY_POSITION, "take(kind, other)", "all"),
        (BY_POSITION, "take(other, *data)", "all"),
        (LAST_HAS_DEFAULT, "take(other)", "two"),
        (LAST_HAS_DEFAULT, "take(other, kind)", "none"),
        (LAST_HAS_DEFAULT, "take(other, kind=other)", "all"),
        (LAST_HAS_DEFAULT, "take(kind=kind, size=other)", "none"),
        (LAST_HAS_DEFAULT, "take(1, 'two' if other else kind)", "two"),
        (LAST_HAS_DEFAULT, "take(1, kind if other else 'two')", "two"),
        (LAST_HAS_DEFAULT, "take(1, 'four')", "none"),
        (DEFAULT_OF_A_CALL, "take()", "two"),
    ],
)
def test_a_parameter_is_filled_by_its_place_or_by_its_name(toys, code, call, expected):  # noqa: F811
    assert depends_on(toys, code, f"return {call}") == expected


@pytest.mark.parametrize(
    ("code", "call", "expected"),
    [
        (CONSTRUCTOR, "Taker(other, kind)", "none"),
        (CONSTRUCTOR, "Taker(kind, other)", "all"),
        (CONSTRUCTOR, "Taker(1, kind=other)", "all"),
        (INHERITED, "Heir(other, kind)", "none"),
        (INHERITED, "Heir(kind, other)", "all"),
        (FIELDS, "Taker(other, kind).take()", "none"),
        (FIELDS, "Taker(kind, other).take()", "all"),
        (TWO_BASES, "Heir(size=1, kind=kind, name=other).take()", "none"),
        (TWO_BASES, "Heir(size=1, kind=other, name=other).take()", "all"),
        (FIELD_WITH_DEFAULT, "Taker(1).take()", "two"),
        (FIELD_WITH_DEFAULT, "Taker(1, kind).take()", "none"),
        (CLASS_VARIABLE, "Taker(kind).take()", "none"),
        (CLASS_VARIABLE, "Taker(other).take()", "all"),
    ],
)
def test_a_constructor_is_the_written_one_or_is_made_from_the_fields(toys, code, call, expected):  # noqa: F811
    assert depends_on(toys, code, f"return {call}") == expected


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("replace(Taker(1, kind), size=other)", "none"),
        ("replace(Taker(1, kind), kind=kind, size=other)", "none"),
        ("replace(Taker(1, kind), kind=other, size=2)", "all"),
        ("replace(Taker(1, kind), size=2, kind=other)", "all"),
        ("replace(Taker(1, kind), kind='two')", "two"),
    ],
)
def test_a_copy_has_the_fields_that_it_is_given(toys, call, expected):  # noqa: F811
    assert depends_on(toys, FIELDS, f"return {call}.take()") == expected


ROW = """class Row(NamedTuple):
        kind: Kind
        size: int
        def take(self): return KINDS[self.kind]
"""


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("Row(kind, 1)._replace(size=other)", "none"),
        ("Row(kind, 1)._replace(kind=kind)", "none"),
        ("Row(kind, 1)._replace(kind=other)", "all"),
        ("Row(kind, 1)._replace(kind='two')", "two"),
    ],
)
def test_so_has_the_copy_of_a_named_tuple(toys, call, expected):  # noqa: F811
    assert depends_on(toys, ROW, f"return {call}.take()") == expected


RETURNING = f"""{FIELDS}
    def usual() -> Taker: return Taker(1, "two")
    def unknown(): return Taker(1, "two")
    class Maker:
        size: int = 0
        @staticmethod
        def sized() -> Sized: return Sized(1)
        @staticmethod
        def usual() -> Taker: return Taker(1, "two")
"""


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("usual().kind", "two"),
        ("Maker.usual().kind", "two"),
        ("Taker(1, 'two').kind", "two"),
        ("unknown().kind", "all"),
        ("usual().size", "all"),
        ("Maker.sized().kind", "all"),
        ("max(other).kind", "all"),
        ("other().kind", "all"),
    ],
)
def test_what_a_function_returns_has_the_fields_of_its_type(toys, key, expected):  # noqa: F811
    assert depends_on(toys, RETURNING, f"return KINDS[{key}]") == expected


@pytest.mark.parametrize("alias", ["Taker", "Taker | None", "list['Alias'] | Taker"])
def test_a_type_may_have_another_name(toys, alias):  # noqa: F811
    code = f"{FIELDS}    Alias = {alias}\n    def take(taker: Alias): return KINDS[taker.kind]"
    assert depends_on(toys, code, "return take(Taker(1, kind))") == "none"
    assert depends_on(toys, code, "return take(Taker(1, other))") == "all"


def test_what_an_input_says_of_itself_was_chosen_by_the_stage_that_made_it(toys):  # noqa: F811
    assert depends_on(toys, "", "made: Annotated[Images, KINDS] = data; return KINDS[made.kind]") == "none"
    assert depends_on(toys, "", "made: Images = data; return KINDS[made.kind]") == "all"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("kinds: list[Kind] = other\n        for each in kinds: return KINDS[each]", "none"),
        ("kinds = other\n        for each in kinds: return KINDS[each]", "all"),
        ("kinds: list[Kind] = other\n        return [KINDS[each] for each in kinds]", "none"),
        ("kinds: list[Kind] = other\n        return [KINDS[kinds] for kinds in kinds]", "none"),
        ("letters = kind\n        for each in letters: return KINDS[each]", "all"),
    ],
)
def test_what_an_annotated_iterable_has_is_chosen(toys, body, expected):  # noqa: F811
    assert depends_on(toys, "", body) == expected


@pytest.mark.parametrize(
    "method",
    ["take = lambda self, kind: KINDS[kind]", "def take():\n            for each in []: KINDS[each.kind]"],
    ids=["a lambda", "without parameters"],
)
def test_what_a_method_is_called_with_is_not_seen(toys, method):  # noqa: F811
    assert depends_on(toys, f"class Taker:\n        {method}", "return Taker") == "all"


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("def look_up(taker)", "none"),
        ("def look_up(self, taker)", "all"),
        ("@staticmethod\n        def look_up(taker)", "all"),
    ],
)
def test_only_the_first_parameter_of_a_method_is_an_instance(toys, method, expected):  # noqa: F811
    code = f"{FIELDS}        {method}: return KINDS[taker.kind]"
    assert depends_on(toys, code, "return Taker(1, kind)") == expected


def test_variables_that_are_made_from_each_other_lead_nowhere(toys):  # noqa: F811
    body = "while other: left = right.next; right = left.next; data = KINDS[left.kind]\n        return data"
    assert depends_on(toys, FIELDS, body) == "all"


def test_a_variable_that_an_inner_function_sets_may_be_something_else(toys):  # noqa: F811
    body = """name = kind
        def change():
            nonlocal name
            name = other
        change()
        return KINDS[name]
    """
    assert depends_on(toys, "", body) == "all"
