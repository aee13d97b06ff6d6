"""An entry of a table that no parameter chose makes its place depend on the whole table."""

from __future__ import annotations

import ast
from hashlib import sha256

import pytest
from moved_copy import Original
from source_files import Toys, toys  # noqa: F401

from harness.engine import code_digest
from harness.engine.code_digest import hints, modules

STAGES = """
    from typing import Annotated, Literal
    from harness.artifact import Images
    from harness.stage import Choices, Job, stage
    from PKG.code import *

    @stage(version=1)
    def train(data: Images, *, kind: Kind = "one", other: str = "two", job: Job) -> Images:
        BODY
"""
CODE = """
    from dataclasses import dataclass, replace
    from functools import partial
    from typing import Annotated, Literal, NamedTuple
    from harness.stage import Choices

    KINDS = Choices({"one": 1, "two": 2})
    Kind = Annotated[Literal["one", "two"], KINDS]

    @dataclass(frozen=True)
    class Recipe:
        steps: int
        kind: Kind

        def take(self): return KINDS[self.kind]

    @dataclass(frozen=True)
    class Loose:
        kind: Kind = "one"

        def method(self, kind: Kind): return KINDS[kind]

    @dataclass(frozen=True)
    class Read:
        kind: Kind

        @classmethod
        def read(cls, kind): return cls(kind)

    class Further(Recipe):
        more: int = 0

    class Row(NamedTuple):
        kind: Kind

    class Loop:
        recipe: Recipe
        kind: Kind
        def __init__(self, recipe: Recipe, kind: Kind):
            self.recipe, self.kind = recipe, kind
        def run(self): return KINDS[self.recipe.kind], KINDS[self.kind]

    class Longer(Loop):
        def __init__(self, recipe: Recipe, which):
            super().__init__(recipe, which)

    def take(kind: Kind): return KINDS[kind]
    def usually(kind: Kind = "two"): return KINDS[kind]
    def by(recipe: Recipe): return KINDS[recipe.kind]
    def again(kind: Kind): return KINDS[kind], again
    def apply(function, x): return function(x)
"""
SEEN = [
    "KINDS[kind]",
    "take(kind)",
    "take(kind=kind)",
    "by(Recipe(1, kind))",
    "by(Recipe(steps=1, kind=kind))",
    "Further(1, kind, 2).take()",
    "KINDS[kind] if kind in KINDS else KINDS.names",
    "[KINDS[kind] for other in range(3)]",
    "Row(kind)",
    "Loop(Recipe(1, kind), kind).run()",
    "isinstance(other, Recipe)",
    "issubclass(other, Recipe)",
    "again(kind)",
]
NOT_SEEN = [
    "KINDS[other]",
    "other in KINDS",
    "KINDS[kind + '']",
    "KINDS[data.facts['kind']]",
    "take(other)",
    "take(*other)",
    "take(**other)",
    "take(kind if other else other)",
    "by(Recipe(1, other))",
    "by(Recipe(steps=1, kind=other))",
    "by(Recipe(*other))",
    "by(Recipe(1, **other))",
    "by(replace(Recipe(1, kind), kind=other))",
    "Read.read(other)",
    "Loose(kind).method(kind)",
    "Further(1, other, 2).take()",
    "Row(other)",
    "Loop(Recipe(1, kind), other).run()",
    "Longer(Recipe(1, kind), kind).run()",
    "apply(take, kind)",
    "partial(take, other)()",
    "apply(Recipe, other)",
    "[KINDS[kind] for kind in other]",
    "(lambda kind: KINDS[kind])(other)",
]
NESTED = """
        def inner(kind: Kind): return KINDS[kind]
        return inner(other)
"""
NESTED_CLASS = """
        class Inner(NamedTuple):
            kind: Kind
            def take(self): return KINDS[self.kind]
        return Inner(other).take()
"""
SEEN_BODIES = [
    "name = kind; return KINDS[name]",
    "recipe = Recipe(1, kind); return KINDS[recipe.kind]",
    "name: Kind = other; return KINDS[name]",
    "recipe: Recipe = other; return KINDS[recipe.kind]",
    "kinds: tuple[Kind, ...] = other; return [KINDS[each] for each in kinds]",
    "loop = Loop(Recipe(1, kind), kind); loop.kind = kind; return loop.run()",
    "loop = Loop(Recipe(1, kind), kind); loop.kind: str = kind; return loop.run()",
]
"""The annotation of a variable is taken on trust."""
NOT_SEEN_BODIES = [
    "name = other; return KINDS[name]",
    "name = kind; name = other; return KINDS[name]",
    "kind = other; return KINDS[kind]",
    "name: Kind = kind; name += ''; return KINDS[name]",
    "recipe = Recipe(1, kind); recipe = other; return KINDS[recipe.kind]",
    "loop = Loop(Recipe(1, kind), kind); loop.kind = other; return loop.run()",
    "loop = Loop(Recipe(1, kind), kind); loop.kind: Kind = other; return loop.run()",
    "loop = Loop(Recipe(1, kind), kind); loop.kind += ''; return loop.run()",
    "loop = Loop(Recipe(1, kind), kind); loop.kind, data = other; return loop.run()",
    "return [KINDS[kind] for kind in other for other in kind]",
    "from PKG.code import other as kind; return KINDS[kind]",
    "inner = lambda kind: KINDS[kind]; return inner(other)",
    "function = take; return function(other)",
    NESTED,
    NESTED_CLASS,
    "name = name2; name2 = name; return KINDS[name]",
]


def digests(toys: Toys, body: str, code: str = CODE) -> list[tuple[str, str]]:  # noqa: F811
    """Of the stage and of its entry ``one``: as it is, with one more entry, and with another ``two``."""
    found = []
    for written in ('"two": 2', '"two": 2, "three": 3', '"two": 22'):
        files = {"stages": STAGES.replace("BODY", body), "code": code.replace('"two": 2', written)}
        train = toys.function(files)
        found.append((code_digest.digest(train), code_digest.choices(train)["kind"]["one"]))
    return found


@pytest.mark.parametrize("call", SEEN)
def test_what_a_parameter_chose_is_seen_through_calls_and_fields(toys, call):  # noqa: F811
    before, added, changed = digests(toys, f"return {call}")
    assert before == added == changed


@pytest.mark.parametrize("call", NOT_SEEN)
def test_where_it_is_not_seen_the_whole_table_counts(toys, call):  # noqa: F811
    before, added, changed = digests(toys, f"return {call}")
    assert len({before[0], added[0], changed[0]}) == 3


@pytest.mark.parametrize("body", SEEN_BODIES)
def test_what_a_parameter_chose_is_seen_through_variables(toys, body):  # noqa: F811
    before, added, changed = digests(toys, body)
    assert before == added == changed


@pytest.mark.parametrize("body", NOT_SEEN_BODIES)
def test_a_variable_that_may_be_something_else_makes_the_whole_table_count(toys, body):  # noqa: F811
    before, added, changed = digests(toys, body)
    assert len({before[0], added[0], changed[0]}) == 3


@pytest.mark.parametrize(
    "body", ["return KINDS['two']", "return take('two')", "return usually()", "return Loose('two')"]
)
def test_a_literal_depends_on_its_entry_and_on_no_other(toys, body):  # noqa: F811
    code = CODE.replace("def method(self, kind: Kind): return KINDS[kind]", "")
    before, added, changed = digests(toys, body, code)
    assert before == added
    assert before[0] != changed[0]


def test_the_digests_of_all_of_these_are_what_they_were(toys):  # noqa: F811
    """As in ``test_golden``."""
    bodies = [*(f"return {call}" for call in (*SEEN, *NOT_SEEN)), *SEEN_BODIES, *NOT_SEEN_BODIES]
    texts = [
        STAGES.replace("BODY", body) for body in bodies if "PKG" not in body
    ]  # which imports what is not there
    digests = [code_digest.digest(toys.function({"stages": text, "code": CODE})) for text in texts]
    assert sha256("".join(digests).encode()).hexdigest()[:16] == "72e1bdd793d06452"


def test_only_these_places_of_the_package_take_a_choice_on_trust():
    """Whoever adds one has to be sure that the task's key has the entry, by a parameter or by that of an input."""
    trusted = {
        f"{module}: {node.target.id}"
        for module, text in Original.read().texts.items()
        for function in ast.walk(ast.parse(text))
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
        if (read := modules.read(module)) and hints.named(node.annotation, read)
    }
    assert trusted == {
        "harness.stages.metrics.features.families: family",
        "harness.stages.systems.text_to_image.recipe: augment",
        "harness.stages.systems.text_to_image.recipe: precision",
    }
