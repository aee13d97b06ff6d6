"""What a name leads to, whatever way it was brought in; what is local leads nowhere."""

from __future__ import annotations

from importlib import import_module

import pytest
from source_files import Toys, toys  # noqa: F401

from harness.engine import code_digest

HELPER = "def helper(x):\n    return x + {}\n"


def reaches(toys: Toys, stages: str, module: str = "other", name: str = "stages.train") -> bool:  # noqa: F811
    """Whether the digest depends on ``helper`` of another module."""
    found = {
        code_digest.digest(toys.function({"stages": stages, module: HELPER.format(n)}, name))
        for n in ("1", "2", "1")
    }
    return len(found) == 2


BROUGHT_IN = {
    "from the module": "from PKG.other import helper\ndef train(): return helper(1)",
    "under another name": "from PKG.other import helper as h\ndef train(): return h(1)",
    "by its module": "from PKG import other\ndef train(): return other.helper(1)",
    "by its module under another name": "import PKG.other as o\ndef train(): return o.helper(1)",
    "by the package": "import PKG.other\ndef train(): return PKG.other.helper(1)",
    "relatively": "from .other import helper\ndef train(): return helper(1)",
    "inside": "def train():\n    from PKG.other import helper\n    return helper(1)",
    "inside, by the package": "def train():\n    import PKG.other\n    return PKG.other.helper(1)",
    "inside, under another name": "def train():\n    from PKG.other import helper as h\n    return h(1)",
    "with all names": "from PKG.other import *\ndef train(): return helper(1)",
}


@pytest.mark.parametrize("how", BROUGHT_IN)
def test_a_helper_is_reached_and_the_way_does_not_matter(toys, how):  # noqa: F811
    assert reaches(toys, BROUGHT_IN[how])
    digests = {
        code_digest.digest(toys.function({"stages": text, "other": HELPER.format(1)}))
        for text in (BROUGHT_IN[how], BROUGHT_IN["from the module"])
    }
    assert len(digests) == 1


def test_a_helper_is_the_same_beside_the_function_and_elsewhere(toys):  # noqa: F811
    here = toys.function({"stages": HELPER.format(1) + "def train(): return helper(1)"})
    there = toys.function({"stages": BROUGHT_IN["inside"], "other": HELPER.format(1)})
    deep = toys.function(
        {"stages": "from PKG.a.b.c import helper as h\ndef train(): return h(1)", "a/b/c": HELPER.format(1)}
    )
    by_path, by_path_inside = (
        toys.function({"stages": text, "a/b/c": HELPER.format(1)})
        for text in (
            "import PKG.a.b.c\ndef train(): return PKG.a.b.c.helper(1)",
            "def train():\n    import PKG.a.b.c\n    return PKG.a.b.c.helper(1)",
        )
    )
    passed_on = toys.function(
        {
            "stages": "from PKG.a import f\ndef train(): return f(1)",
            "a": "from PKG.other import helper as f",
            "other": HELPER.format(1),
        }
    )
    every = (here, there, deep, by_path, by_path_inside, passed_on)
    assert len({code_digest.digest(f) for f in every}) == 1


@pytest.mark.parametrize("way", ["from PKG.other import helper", "from PKG.other import *"])
@pytest.mark.parametrize(
    "stages",
    [
        "from PKG.way import helper\ndef train(): return helper(1)",
        "from PKG.way import *\ndef train(): return helper(1)",
        "from PKG import way\ndef train(): return way.helper(1)",
        "import PKG.way as w\ndef train(): return w.helper(1)",
        "import PKG.way\ndef train(): return PKG.way.helper(1)",
    ],
)
def test_what_a_module_passes_on_is_the_same_as_brought_in_directly(toys, stages, way):  # noqa: F811
    other = HELPER.format(1)
    passed_on = code_digest.digest(toys.function({"stages": stages, "way": way, "other": other}))
    directly = code_digest.digest(toys.function({"stages": BROUGHT_IN["from the module"], "other": other}))
    assert passed_on == directly


def test_a_helper_is_reached_through_modules_that_bring_in_each_other(toys):  # noqa: F811
    around = {
        "stages": "import PKG.a as o\ndef train(): return o.b.helper(1)",
        "a": "import PKG.b as b\nfrom PKG.other import helper",
        "b": "from PKG.a import *",
        "other": HELPER.format(1),
    }
    directly = {"stages": BROUGHT_IN["from the module"], "other": HELPER.format(1)}
    assert code_digest.digest(toys.function(around)) == code_digest.digest(toys.function(directly))


def test_what_a_package_binds_hides_its_module_of_that_name(toys):  # noqa: F811
    hiding = {
        "stages": "from PKG import pack\ndef train(): return pack.helper(1)",
        "pack/helper": "",
        "pack/__init__": "import PKG.pack.helper\nfrom PKG.other import helper",
        "other": HELPER.format(1),
    }
    directly = {"stages": BROUGHT_IN["from the module"], "other": HELPER.format(1)}
    assert code_digest.digest(toys.function(hiding)) == code_digest.digest(toys.function(directly))


@pytest.mark.parametrize(
    "stages",
    [
        "from PKG import rules\ndef train(): return rules.part.helper(1)",
        "from PKG.rules import part\ndef train(): return part.helper(1)",
        "from PKG.rules.part import helper\ndef train(): return helper(1)",
    ],
)
def test_a_module_in_a_package_of_the_contract_is_followed(toys, stages):  # noqa: F811
    """Only the module that binds ``__contract__`` is not."""
    found = {
        code_digest.digest(toys.function({"stages": stages, "rules/__init__": rules, "rules/part": part}))
        for rules, part in (
            ("__contract__ = 1\nfrom . import part", HELPER.format(1)),
            ("__contract__ = 2\nfrom . import part", HELPER.format(1)),
            ("__contract__ = 1\nfrom . import part", HELPER.format(2)),
        )
    }
    assert len(found) == 2


@pytest.mark.parametrize(
    "stages",
    [
        "from PKG.other import helper\n@(lambda f: helper)\ndef f(): ...\ndef train(): return f",
        "from PKG.other import helper\ndef train(x=helper(1)): return x",
        "from PKG.other import helper\ntrain = None\ndef train(): return (lambda: helper)()",
        "from PKG.other import helper\ndef train(): return [helper(i) for i in 'ab']",
        "from PKG.other import helper\ndef train(): return [helper for helper in helper(1)]",
        "from PKG.other import helper\nclass C:\n    def m(self): return helper(1)\ndef train(x: C): return x.m()",
        "from PKG.other import helper\nclass C:\n    def m(self): return helper(1)\ndef train(x: 'C'): return x.m()",
        "from PKG.other import helper\nclass C:\n    def m(self): return helper(1)\n"
        "L = list[C | None]\ndef train(x: 'dict[str, L]'): return x.m()",
        "from PKG.other import helper\nclass C:\n    helper = 1\n    def m(self): return helper(1)\n"
        "def train(): return C",
        "from PKG.other import helper\nclass C:\n    a = helper(1)\ndef train(): return C.a",
        "from PKG.other import helper\nclass C(helper(1) and object): ...\ndef train(): return C",
        "from typing import Annotated\nfrom PKG.other import helper\nclass C:\n    def m(self): return helper(1)\n"
        "def train(x: Annotated[C, 'metres']): return x.m()",
        "from PKG import other\ndef train(name): return getattr(other, name)",
        "from PKG.other import helper\nT = {}\nT['a'] = helper\ndef train(): return T",
        "from PKG.other import helper\nT = []\nT.append(helper)\ndef train(): return T",
        "from PKG.other import helper\nclass K: ...\nK.f = helper\ndef train(): return K",
        "from PKG.other import helper\nfor T in [helper]: pass\ndef train(): return T",
        "from PKG.other import helper\nwhile True:\n    T = helper\n    break\ndef train(): return T",
        "from PKG.other import helper\nT: object = helper\ndef train(): return T",
        "from PKG.other import helper\nT = 1\nT += helper(1)\ndef train(): return T",
        "from PKG.other import helper\nif helper(1): T = 1\nelse: T = 2\ndef train(): return T",
        "from PKG.other import helper\nT = 1\ndef call(f): return f\ncall(helper)\ndef train(): return call",
        "try:\n    from PKG.other import helper\nexcept ImportError:\n    helper = None\ndef train(): return helper",
        "def train():\n    try:\n        from PKG.other import helper\n    except ImportError:\n        helper = None\n"
        "    return helper",
        "from PKG.other import helper\ndef train():\n    global helper\n    return helper",
        "def train():\n    import PKG.other\n    return 1",
        "def train():\n    from PKG import other\n    return 1",
        "def outer():\n    from PKG.other import helper\n    def inner(): return helper\n    return inner\n"
        "def train(): return outer",
        "from PKG.other import helper\ndef train(x):\n    match x:\n        case 1 if helper(x): return 2",
        "from PKG.other import helper\ndef train(x): return f'{helper(x)}'",
        "from PKG.other import helper\nasync def f(): return helper\ndef train(): return f",
        "def train():\n    from PKG.other import helper\n    def f():\n        nonlocal helper\n"
        "        helper = helper(1)\n        return helper\n    return f",
    ],
)
def test_code_is_followed_wherever_it_stands(toys, stages):  # noqa: F811
    assert reaches(toys, stages)


@pytest.mark.parametrize(
    "stages",
    [
        "from PKG.other import helper\ndef train(helper): return helper",
        "from PKG.other import helper\ndef train(*helper): return helper",
        "from PKG.other import helper\ndef train(*, helper): return helper",
        "from PKG.other import helper\ndef train(**helper): return helper",
        "from PKG.other import helper\ndef train(helper, /): return helper",
        "from PKG.other import helper\ndef train():\n    helper = 1\n    return helper",
        "from PKG.other import helper\ndef train():\n    for helper in 'ab': pass\n    return helper",
        "from PKG.other import helper\ndef train(): return [helper for helper in 'ab']",
        "from PKG.other import helper\ndef train(): return {helper: 1 for helper in 'ab'}",
        "from PKG.other import helper\ndef train(): return {1: helper for helper in 'ab'}",
        "from PKG.other import helper\ndef train(): return (lambda helper: helper)(1)",
        "from PKG.other import helper\ndef train():\n    with open('x') as helper: return helper",
        "from PKG.other import helper\ndef train():\n    try: pass\n    except OSError as helper: return helper",
        "from PKG.other import helper\ndef train(x):\n    match x:\n        case [helper, *_]: return helper",
        "from PKG.other import helper\ndef train(x):\n    match x:\n        case [*helper]: return helper",
        "from PKG.other import helper\ndef train(x):\n    match x:\n        case {**helper}: return helper",
        "from PKG.other import helper\ndef train():\n    def helper(): ...\n    return helper",
        "from PKG.other import helper\ndef train():\n    class helper: ...\n    return helper",
        "from PKG.other import helper\ndef train():\n    [(helper := 1) for _ in 'ab']\n    return helper",
        "from PKG.other import helper\ndef train():\n    helper = 1\n    def f():\n        nonlocal helper\n"
        "        helper = 2\n    return f",
        "from PKG.other import helper\ndef train(): return 1",
        "from PKG.other import helper\ndef train(x): return x.helper",
        "from PKG.other import helper\ndef train(x): return x(helper=1)",
        "from PKG.other import helper\nif __name__ == '__main__':\n    X = helper\nX = 1\ndef train(): return X",
        "from typing import Literal\nfrom PKG.other import helper\ndef train(x: Literal['helper']): return x",
    ],
)
def test_a_local_name_leads_nowhere(toys, stages):  # noqa: F811
    assert not reaches(toys, stages)


def test_a_name_of_another_function_s_scope_does_not_hide_the_module_s(toys):  # noqa: F811
    text = "from PKG.other import helper\ndef f():\n    helper = 1\ndef train(): return f, helper"
    assert reaches(toys, text)


def test_all_names_of_modules_that_bring_in_each_other(toys):  # noqa: F811
    files = {
        "stages": "from PKG.a import *\ndef train(): return helper(1), sum([]), missing",
        "a": "from PKG.other import *\nfrom PKG.b import *",
        "b": "from PKG.a import *\nfrom os.path import *\ndef sum(x): return {}",
    }
    found = set()
    for number, one in (("1", "1"), ("2", "1"), ("1", "2"), ("1", "1")):
        again = {**files, "b": files["b"].format(one), "other": HELPER.format(number)}
        found.add(code_digest.digest(toys.function(again)))
    assert len(found) == 3


def test_two_functions_may_bring_different_things_in_under_one_name(toys):  # noqa: F811
    text = """
        def train():
            from PKG.other import helper as f
            return f(1)
        def another():
            from math import sqrt as f
            return f(1)
    """
    assert reaches(toys, text)
    assert not reaches(toys, text, name="stages.another")


def test_swapped_conditional_imports_are_another_function(toys):  # noqa: F811
    text = """
        def train(x):
            if x:
                from PKG.{} import helper
            else:
                from PKG.{} import helper
            return helper
    """
    files = {"a": HELPER.format(1), "b": HELPER.format(2)}
    one = code_digest.digest(toys.function({"stages": text.format("a", "b"), **files}))
    two = code_digest.digest(toys.function({"stages": text.format("b", "a"), **files}))
    assert one != two


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (
            "from PKG.a import helper\nfrom PKG.b import helper",
            "from PKG.b import helper\nfrom PKG.a import helper",
        ),
        ("if abs(1): from PKG.a import helper", "if abs(2): from PKG.a import helper"),
        ("if abs(1): from PKG.a import helper", "from PKG.a import helper"),
    ],
    ids=["order", "another condition", "no condition"],
)
def test_when_a_module_brings_a_name_in_counts(toys, one, two):  # noqa: F811
    files = {"a": HELPER.format(1), "b": HELPER.format(2)}
    first, second = (
        code_digest.digest(toys.function({"stages": f"{text}\ndef train(): return helper", **files}))
        for text in (one, two)
    )
    assert first != second


def test_a_statement_that_changes_what_a_call_returns_belongs_to_no_name(toys):  # noqa: F811
    text = "class Box: ...\nBox().size = 1\ndef train(): return Box"
    digests = [code_digest.digest(toys.function({"stages": t})) for t in (text, text.replace("= 1", "= 2"))]
    assert digests[0] == digests[1]


def test_things_of_third_parties_are_known_by_their_path(toys):  # noqa: F811
    texts = [
        "import os.path\ndef train(): return os.path.join('a')",
        "from os import path\ndef train(): return path.join('a')",
        "from os.path import join\ndef train(): return join('a')",
        "from os.path import join as j\ndef train(): return j('a')",
        "def train():\n    import os.path as p\n    return p.join('a')",
    ]
    assert len({code_digest.digest(toys.function({"stages": text})) for text in texts}) == 1
    other = texts[0].replace("join", "split")
    assert code_digest.digest(toys.function({"stages": other})) != code_digest.digest(
        toys.function({"stages": texts[0]})
    )
    assert code_digest.digest(
        toys.function({"stages": "def train():\n    import os.path\n    return 1"})
    ) != (code_digest.digest(toys.function({"stages": "def train():\n    import os\n    return 1"}))), (
        "an import that nothing uses has a purpose of its own"
    )


def test_a_module_without_source_is_known_by_its_path(toys):  # noqa: F811
    """An extension module of the own package, for example."""
    files = {
        "stages": "def train():\n    from PKG import native\n    return native.kernels.add(1)",
        "named": "def train():\n    from PKG.native.kernels import add\n    return add(1)",
        "another": "def train():\n    from PKG.native.kernels import multiply\n    return multiply(1)",
    }
    train = toys.function(files)
    package = train.__module__.partition(".")[0]
    named, another = (import_module(f"{package}.{name}").train for name in ("named", "another"))
    assert code_digest.digest(named) == code_digest.digest(train) != code_digest.digest(another)


def test_the_contract_is_known_by_name_and_not_followed(toys):  # noqa: F811
    contract = "__contract__ = ''\ndef Items(x): return {}\n"
    stages = "from PKG.rules import Items\ndef train(): return Items(1)"
    found = {
        code_digest.digest(toys.function({"stages": text, module: contract.format(n)}))
        for text, module, n in (
            (stages, "rules", 1),
            (stages, "rules", 2),
            (stages.replace("rules", "moved"), "moved", 1),
            ("from PKG import rules\ndef train(): return rules.Items(1)", "rules", 1),
        )
    }
    assert len(found) == 1
    assert (
        code_digest.digest(
            toys.function(
                {"stages": stages.replace("Items", "Rows"), "rules": contract.replace("Items", "Rows")}
            )
        )
        not in found
    )


def test_alike_code_that_calls_itself_differs_by_what_else_it_reaches(toys):  # noqa: F811
    text = """
        def even(n): return n == 0 or odd(n - 1)
        def odd(n): return n != 0 and even(n - 1)
        def train(n): return even(n)
    """
    digest = code_digest.digest(toys.function({"stages": text}))
    turned = text.replace("return even(n)", "return odd(n)")
    split = {
        "stages": "from PKG.e import even\ndef train(n): return even(n)",
        "e": "def even(n):\n    from PKG.o import odd\n    return n == 0 or odd(n - 1)",
        "o": "def odd(n):\n    from PKG.e import even\n    return n != 0 and even(n - 1)",
    }
    assert code_digest.digest(toys.function(split)) == digest
    assert code_digest.digest(toys.function({"stages": turned})) != digest
    assert code_digest.digest(toys.function({"stages": text}, "stages.even")) != code_digest.digest(
        toys.function({"stages": text}, "stages.odd")
    )


@pytest.mark.parametrize("words", ["ClassVar[int]", "InitVar[int]", "KW_ONLY"])
def test_what_decides_how_a_dataclass_is_made_counts(toys, words):  # noqa: F811
    text = """
        from dataclasses import dataclass, InitVar, KW_ONLY
        from typing import ClassVar
        @dataclass
        class C:
            x: {}
        def train(): return C
    """
    digests = [code_digest.digest(toys.function({"stages": text.format(t)})) for t in ("int", "float", words)]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("made", ["namedtuple('Row', '{}')", "type('Row', (), dict({}=1))"])
def test_a_type_that_a_call_makes_counts_as_it_is_written(toys, made):  # noqa: F811
    text = "from collections import namedtuple\nRow = " + made + "\ndef train(x: Row): return x"
    digests = {
        code_digest.digest(toys.function({"stages": text.format(field)})) for field in ("area", "size")
    }
    assert len(digests) == 2


def test_an_annotation_that_python_never_evaluates_may_be_anything(toys):  # noqa: F811
    text = "from __future__ import annotations\nfrom typing import Annotated\ndef train(x: {}): return x"
    digests = {code_digest.digest(toys.function({"stages": text.format(t)})) for t in ("Annotated[int]", "0")}
    assert len(digests) == 1


@pytest.mark.parametrize(
    "body",
    [
        'importlib.import_module("PKG.deep.inner").helper(1)',
        'load("PKG.deep.inner").helper(1)',
        'load(".deep.inner", __package__).helper(1)',
        '__import__("PKG.deep.inner").deep.inner.helper(1)',
        'sys.modules["PKG.deep.inner"].helper(1)',
        'getattr(deep, "inner").helper(1)',
        "[getattr(m, 'inner') for m in (deep,)]",
        'importlib.import_module(name="PKG.deep.inner").helper(1)',
        'importlib.import_module(".inner", "PKG.deep").helper(1)',
        "globals()['de' + 'ep']",
        "sys.modules[__name__].deep",
        "getattr(sys.modules[__name__], 'deep')",
    ],
)
def test_a_module_of_the_package_counts_whatever_way_it_is_named(toys, body):  # noqa: F811
    stages = (
        "import importlib, sys\nfrom importlib import import_module as load\nimport PKG.deep.inner\n"
        f"from PKG import deep\ndef train(): return {body}"
    )
    one, two = (
        code_digest.digest(toys.function({"stages": stages, "deep/inner": f"def helper(x): return x + {n}"}))
        for n in (1, 2)
    )
    assert one != two


@pytest.mark.parametrize("name", ["json", "....nowhere", "nowhere.at.all"])
def test_a_module_of_others_is_its_name(toys, name):  # noqa: F811
    stages = f'import importlib\ndef train(): return importlib.import_module("{name}", __package__)'
    assert code_digest.digest(toys.function({"stages": stages}))


@pytest.mark.parametrize(
    ("stages", "last"),
    [
        ("from PKG.one import *\nfrom PKG.two import *", "two"),
        ("from PKG.two import *\nfrom PKG.one import *", "one"),
        ("def helper(x): return x\nfrom PKG.two import *", "two"),
        ("from PKG.two import *\ndef helper(x): return x", ""),
        ("from PKG.one import *\nif str: from PKG.two import helper", "two"),
        ("from PKG.one import *\nfrom PKG.two import *\nfrom PKG.one import *", "one"),
        ("import PKG.bare.two\nhelper = PKG.bare.two.helper", "bare/two"),
    ],
)
def test_of_several_modules_that_bring_in_a_name_the_last_one_counts(toys, stages, last):  # noqa: F811
    def digest(changed: str) -> str:
        files = {n: f"def helper(x): return x + {1 + (n == changed)}" for n in ("one", "two", "bare/two")}
        made = toys.function({"stages": f"{stages}\ndef train(): return helper(1)", **files})
        return code_digest.digest(made)

    changes = {name for name in ("one", "two", "bare/two") if digest(name) != digest("")}
    assert changes == ({last} if last else set())


@pytest.mark.parametrize(
    "way",
    [
        "import PKG.bare.one\ndef train(): return PKG.bare.one.helper(1)",
        "import PKG.bare.deep.one\ndef train(): return PKG.bare.deep.one.helper(1)",
        "from PKG.bare import one\ndef train(): return one.helper(1)",
        "from PKG.bare.deep import one\ndef train(): return one.helper(1)",
        "from PKG.bare.deep.one import helper\ndef train(): return helper(1)",
        "from PKG.bare import deep\nimport PKG.bare.deep.one\ndef train(): return deep.one.helper(1)",
        "def train():\n    import PKG.bare.deep.one as one\n    return one.helper(1)",
    ],
)
def test_a_module_of_a_package_without_init_is_reached(toys, way):  # noqa: F811
    def digest(n: int) -> str:
        files = {"stages": way, "bare/one": HELPER.format(n), "bare/deep/one": HELPER.format(n)}
        return code_digest.digest(toys.function(files, bare=("bare", "bare/deep")))

    assert digest(1) != digest(2)
    assert digest(1) == digest(1)


def test_a_star_import_does_not_bring_in_a_private_name(toys):  # noqa: F811
    def digest(n: int) -> str:
        stages = "def _f(): return 1\nfrom PKG.one import *\ndef train(): return _f()"
        return code_digest.digest(toys.function({"stages": stages, "one": f"def _f(): return {n}"}))

    assert digest(1) == digest(2)
