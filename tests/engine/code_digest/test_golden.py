"""Digests as numbers. Where one changes, everything that was computed runs again: change these with that in mind."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from source_files import Toys, toys  # noqa: F401

from harness.engine import code_digest

OTHER = """
    SIZE = 3
    def helper(x): return x + SIZE
    class Base:
        factor = 2
        def area(self): return self.factor
"""
RULES = """
    __contract__ = ""
    class Items: ...
"""
TABLES = """
    from typing import Annotated
    from harness.stage import Choices
    from PKG.other import helper
    KINDS = Choices({"one": helper, "two": 2})
    SIZES = Choices[int]({"one": 1, "two": 2, "three": 3})
    Kind = Annotated[str, KINDS]
    Both = Annotated[str, KINDS, SIZES]
    def use(kind: Kind):
        if kind not in KINDS: raise ValueError(KINDS.names)
        return KINDS[kind]
"""
MODULES = {
    "other": OTHER,
    "rules": RULES,
    "tables": TABLES,
    "pack/__init__": "from . import part\nfrom .part import thing\nfrom ..other import SIZE as rest",
    "pack/part": "def thing(): return 1",
    "one": "try:\n    from PKG.two import lost\nexcept ImportError: ...\nfrom PKG.two import *",
    "two": "try:\n    from PKG.one import lost\nexcept ImportError: ...\nfrom PKG.one import *\nfound = 1",
}
TEXTS = {
    "arguments": """
        def train(a, /, b=1, *c, d: int, e=2, **f) -> int: return a, b, c, d, e, f
    """,
    "constants": """
        def train(): return 1, 1.5, True, None, 'a', b'b', ..., 2j, -0.0, 1e300
    """,
    "operators": """
        def train(a, b): return not a or a < b <= 3 and a ** -b, a[1:2], {**a, b: 1}, {*a}
    """,
    "statements": """
        def train(x):
            "What it does."
            global COUNT
            COUNT = 1
            "Once."
            for i, _ in x:
                if i: continue
                else: break
            while x: x -= 1
            try: del x
            except (OSError, ValueError) as e: raise TypeError from e
            finally: pass
            with open("a") as f, open("b"): assert f, "no"
            y: int = 1
            return lambda a: a + y
    """,
    "match": """
        def train(x):
            match x:
                case [1, *rest] | {"a": rest}: return rest
                case {**others} if others: return others
                case int() as n: return n
                case None: return 0
    """,
    "comprehensions": """
        async def train(x, y):
            a = [x for x in x for y in x if y if x]
            b = {x: y async for x, y in y}
            return a, b, {x for x in y}, sum(y for y in y), [(z := x) for x in y], z
    """,
    "what a comprehension and a default hide": """
        from PKG.other import Base, helper
        def train(x, helper=helper) -> Base:
            def inner(Base=Base): return {Base: Base for Base in [Base]}
            return [y for Base in Base() for y in Base], [0 for x[Base] in x], inner
    """,
    "scopes": """
        x = 1
        def train():
            x = 2
            class C:
                x = 3
                y = x
                def m(self): return x
            def f():
                nonlocal x
                x = 4
                return x
            def g():
                global x
                return x
            return C, f, g
    """,
    "an own function": """
        from PKG.other import helper
        def train(x): return helper(x).a.b
    """,
    "an own module": """
        import PKG.other
        from PKG import other as o
        def train(): return PKG.other.SIZE, o.SIZE
    """,
    "a whole module": """
        from PKG import other
        def train(name): return getattr(other, name)
    """,
    "all names": """
        from PKG.other import *
        from json import *
        def train(x): return helper(x), loads(x), sum(x)
    """,
    "third parties": """
        import os.path
        import xml.dom as d
        from math import sqrt as r
        def train(x): return os.path.join(x), d.minidom, r(x), len(x)
    """,
    "built-ins": """
        def train(x): return str.join, int.real.imag, missing.a.b, x
    """,
    "a package": """
        import PKG.pack.part as p
        from PKG import pack
        from PKG.pack import part, thing
        def train(): return part.thing, thing, pack.part.thing, pack.thing.a, pack.missing, p, pack, pack.rest
    """,
    "modules that bring in each other": """
        def train():
            from PKG.one import lost
            from PKG.two import found
            return lost, found
    """,
    "the contract": """
        from harness.stage import Job
        from PKG.rules import Items
        from PKG import rules
        def train(job: Job): return Items(job), rules.Items.a, rules, Job
    """,
    "imports inside": """
        def train(x):
            import os.path
            import PKG.other
            from PKG.other import Base, SIZE as size
            if x: from PKG.other import helper as f
            else: from math import sqrt as f
            try: from PKG.other import helper
            except ImportError: helper = None
            return f(size), helper
    """,
    "conditions": """
        from contextlib import nullcontext
        from typing import TYPE_CHECKING
        if TYPE_CHECKING: A = 1
        else: A = -1
        import typing
        if typing.TYPE_CHECKING: B = 1
        if 1 == typing: B = 2
        if abs(1): A = 2
        elif len: A = 3
        else: A = 4
        try: from PKG.other import helper
        except ImportError: helper = None
        else: A = 5
        finally: A = 6
        with nullcontext(), nullcontext(1) as c: A = 7
        if __name__ == "__main__": A = 8
        while A:
            import os
            from PKG import other
            A = other = 0
        def train(): return A, B
    """,
    "changes": """
        A = B = {}
        class C: ...
        A["a"] = C()
        A["a"].b = 1
        A["a"].c: int = 2
        B |= {1: 2}
        B.update(A)
        del B["a"]
        def train(): return B
    """,
    "a class": """
        from dataclasses import dataclass, KW_ONLY
        from typing import ClassVar
        from PKG.other import Base
        @dataclass(frozen=True)
        class Tree(Base, metaclass=type):
            "A tree."
            many: ClassVar[int] = 1
            _: KW_ONLY
            left: "Tree | None" = None
            "Its left."
            def join(self, other: "Tree") -> list["Tree"]: return [self, other]
        def train(x: "dict[str, Tree]"): return x
    """,
    "annotations": """
        from typing import Annotated, Literal
        from PKG.other import Base
        Alias = Base | None
        def train(a: Annotated[Alias, 1], b: "list[Base]", c: Literal["Base"], *, d: Base = 1) -> Base:
            x: Alias = a
            return x
    """,
    "annotations that name nothing": """
        import typing
        from PKG.other import Base
        def train(a: "no type", b: "typing.Literal['Base'] | None", c: typing.Annotated[int, Base]):
            x: a()[Base] = 1
            y: "list[typing.Annotated[Base, a]]" = 2
            return x, y
    """,
    "an alias of itself": """
        from PKG.other import Base
        Nested = dict[str, "Nested"] | list["Nested"] | Base
        def train(x: Nested): return x
    """,
    "each other": """
        def even(n): return n == 0 or odd(n - 1)
        def odd(n): return n != 0 and even(n - 1)
        def train(n): return even(n)
    """,
    "a stage": """
        from harness.artifact import Images
        from functools import cache
        from harness.stage import Job, stage
        @stage(version=1)
        @cache
        def train(*, count: int = 1, job: Job) -> Images: return count
    """,
    "a chosen entry": """
        from PKG.tables import KINDS, SIZES, Kind, use
        from harness.artifact import Images
        from harness.stage import stage
        @stage(version=1)
        def train(data: Images, *, kind: Kind) -> Images:
            return use(kind), kind in KINDS, KINDS["one"], "two" not in KINDS, SIZES[kind], use("two"), SIZES
    """,
    "made at run time": """
        exec("def train(): return 1")
    """,
    "entries of two tables": """
        from PKG.tables import KINDS, SIZES, Both, Kind, use
        def train(data: Kind, *, kind: Both): return use(kind), SIZES[kind], [use, kind]
    """,
}
DIGESTS = {
    "arguments": "8ade2841d982edfd",
    "constants": "b456a13ae8ce2199",
    "operators": "f9fae7eab3706382",
    "statements": "ae15746f543d92c8",
    "match": "42ab609e7c7fe9c1",
    "comprehensions": "7ae7a2c130b27d94",
    "what a comprehension and a default hide": "4dc99c24abe2c9b0",
    "scopes": "e9668f9f22d9fa79",
    "an own function": "27115e1f57fcba8a",
    "an own module": "838a2a64ab2325e1",
    "a whole module": "8ad963c73b218a9c",
    "all names": "f386a5e851a17e7f",
    "third parties": "38367c18ca1f39ff",
    "built-ins": "28dc0cc044cc2de2",
    "a package": "d8e9d07fec67a99e",
    "modules that bring in each other": "4c98a90015dce327",
    "the contract": "c65958ac3a503847",
    "imports inside": "bb3c72c7382f0308",
    "conditions": "ddc3c15fd144f2ab",
    "changes": "7b76d88dd6fb1a49",
    "a class": "465c964d7c2a84fb",
    "annotations": "28bf70a53c079590",
    "annotations that name nothing": "f42dfb083ce4f5eb",
    "an alias of itself": "f302195fd07b63be",
    "each other": "94d1994c80188d62",
    "a stage": "503dee67b1c924f4",
    "a chosen entry": "168f05ae50d961f7",
    "made at run time": "edcdbf8c4dee2cf8",
    "entries of two tables": "769a473b2a4e73c9",
}
ENTRIES = {
    "a chosen entry": {"kind": {"one": "accd350063cd29a3", "two": "0ad6d81c3b39886c"}},
    "entries of two tables": {
        "kind": {"one": "c7304e47a9a78dac", "three": "7a0a472dcf814f47", "two": "566842d3077ff710"}
    },
}


def train(toys: Toys, name: str) -> Callable[..., Any]:  # noqa: F811
    return toys.function({"stages": TEXTS[name], **MODULES})


@pytest.mark.parametrize("name", TEXTS)
def test_a_digest_is_what_it_was(toys, name):  # noqa: F811
    assert code_digest.digest(train(toys, name))[:16] == DIGESTS[name]


def test_what_has_no_source_is_known_by_its_name() -> None:
    assert code_digest.digest(math.sqrt)[:16] == "2e0a100ff12d0a22"


@pytest.mark.parametrize("name", ENTRIES)
def test_the_digests_of_entries_are_what_they_were(toys, name):  # noqa: F811
    choices = code_digest.choices(train(toys, name))
    assert {p: {e: d[:16] for e, d in entries.items()} for p, entries in choices.items()} == ENTRIES[name]
