"""What a module does to a name after binding it counts for the name, in whatever kind of statement it is done."""

from __future__ import annotations

import pytest
from source_files import Toys, toys  # noqa: F401

from harness.engine import code_digest


def reaches(toys: Toys, statements: str) -> bool:  # noqa: F811
    """Whether the digest of a function depends on ``helper`` of another module."""
    stages = f"from PKG.other import helper\n{statements}"
    one, two = (
        code_digest.digest(toys.function({"stages": stages, "other": f"def helper(x): return x + {n}"}))
        for n in (1, 2)
    )
    return one != two


RETURNS_T = "\ndef train(): return T"


@pytest.mark.parametrize(
    "statements",
    [
        "T = []\n_ = T.append(helper)",
        "T = {}\n_: object = T.setdefault('a', []).append(helper)",
        "T = {'a': []}\n_ = T['a'].append(helper)",
        "T = []\n_ = (T or None if T else T).append(helper)",
        "T = []\n_ = [T.append(f) for f in (helper,)]",
        "T = []\nassert not T.append(helper)",
        "class T: ...\nT.made = []\n_ = T.made.append(helper)",
        "T = {}\nif T.update(a=helper): pass",
        "T = {}\nif not T: pass\nelif T.update(a=helper): pass",
        "T = {}\nif T:\n    if T.update(a=helper): pass",
        "T = []\nwhile T.append(helper): pass",
        "T = []\nfor _ in T.append(helper) or (): pass",
        "from contextlib import nullcontext\nT = []\nwith nullcontext(T.append(helper)): pass",
        "from contextlib import nullcontext\nwith nullcontext(helper) as T: pass",
        "from contextlib import nullcontext\nT = []\nwith nullcontext(T) as u: pass\nu.append(helper)",
        "from functools import singledispatch\nT = singledispatch(print)\ndef fill(): T.register(int, helper)\nfill()",
        "from heapq import heappush\nT = []\ndef fill(): heappush(T, helper)\nfill()",
        "Base = object\nclass T(Base): made = helper",
        "if T := helper: pass",
        "T = []\nif helper(1):\n    if T.append(1): pass",
        "from contextlib import nullcontext\nT = []\nif helper(1):\n    with nullcontext(T.append(1)): pass",
        "T = [[0]]\nT[0][0] = helper",
        "class T:\n    class U: ...\nT.U.made = helper",
        "T = [0]\nif helper(1): del T[0]",
        "class T: made = 1\nif helper(1): del T.made",
    ],
)
def test_a_change_inside_another_statement_counts(toys, statements):  # noqa: F811
    assert reaches(toys, statements + RETURNS_T)


@pytest.mark.parametrize(
    "statements",
    [
        "T = []\n@T.append\ndef f(): return helper(1)",
        "T = []\n@T.append\nasync def f(): return helper(1)",
        "T = []\n@T.append\nclass C: made = helper(1)",
        "T = {}\n@T.setdefault('a', lambda f: f)\ndef f(): return helper(1)",
        "T = []\nclass C:\n    @T.append\n    def f(self): return helper(1)",
        "T = []\nclass C:\n    T.append(helper)",
        "T = [0]\nclass C:\n    T[0] = helper",
        "T = []\nclass C:\n    class D:\n        T.append(helper)",
        "T = []\nclass C(T.append(helper) or object): ...",
        "T = []\nclass C(metaclass=T.append(helper) or type): ...",
        "T = []\ndef f(x, y=T.append(helper)): ...",
        "T = []\ndef f(x=1, *, y, z=T.append(helper)): ...",
        "T = []\nasync def f(x=T.append(helper)): ...",
    ],
)
def test_a_change_where_a_function_or_class_is_defined_counts(toys, statements):  # noqa: F811
    assert reaches(toys, statements + RETURNS_T)


@pytest.mark.parametrize(
    "statements",
    [
        "T = []\ndef fill(): T.append(helper)\nfill()",
        "T = []\ndef fill(x):\n    global T\n    T = helper\nprint(fill(1))",
        "T = []\ndef fill(): T.append(helper)\ndef both(): fill()\ndef call(): both()\ncall()",
        "T = []\ndef a(n): n and b(n - 1)\ndef b(n):\n    T.append(helper)\n    a(n)\na(1)",
        "T = []\ndef a(): T.append(helper)\ndef b(): ...\ndef call(): return a(), b()\ncall()",
        "T = []\ndef a(): ...\ndef b(): T.append(helper)\ndef call(): return a(), b()\ncall()",
        "T = []\nif T:\n    def fill(): ...\nelse:\n    def fill(): T.append(helper)\nfill()",
        "T = []\nif not T:\n    def fill(): T.append(helper)\nelse:\n    def fill(): ...\nfill()",
        "T = []\nclass Fill:\n    def __init__(self): T.append(helper)\nFill()",
        "T = []\nclass Fill:\n    @staticmethod\n    def all(): T.append(helper)\nFill.all()",
        "T = []\ndef fill(): T.append(helper)\nfor _ in 'ab': fill()",
        "T = []\nclass C:\n    def fill(to): to.append(helper)\n    fill(T)",
    ],
)
def test_a_change_by_a_function_that_the_module_calls_counts(toys, statements):  # noqa: F811
    assert reaches(toys, statements + RETURNS_T)


@pytest.mark.parametrize(
    "statements",
    [
        "X = {}\nT = X\nT['a'] = helper",
        "X = {}\nY = X\nY['a'] = helper\nT = X",
        "T = []\nfor q in [T]: q.append(helper)",
        "T = []\nfor q in (T,):\n    q.append(helper)",
        "try: raise ValueError(helper)\nexcept ValueError as e: T = e.args",
        "try: raise ValueError(helper)\nexcept ValueError as T: X = T",
        "X = []\nY = X\nY.append(helper)\nT = X",
        "(X := []).append(helper)\nT = X",
        "T = []\nmatch T:\n    case x: x.append(helper)",
        "match helper:\n    case T: pass",
        "X = Y = []\nY.append(helper)\nT = X",
    ],
)
def test_a_change_by_another_name_counts(toys, statements):  # noqa: F811
    assert reaches(toys, statements + RETURNS_T)


@pytest.mark.parametrize(
    "statements",
    [
        "def fill():\n    global T\n    T = helper\nfill()",
        "def fill():\n    global T\n    T = helper\n_ = fill()",
        "X = []\ndef fill(): X.append(helper)\nfill()\nT = X[0]",
        "from functools import singledispatch\n"
        "@singledispatch\n"
        "def T(x): return x\n"
        "@T.register\n"
        "def _(x: int): return helper(x)",
        "from functools import singledispatch\n"
        "@singledispatch\n"
        "def T(x): return x\n"
        "@T.register(int)\n"
        "def _(x): return helper(x)",
        "from functools import singledispatch\n@singledispatch\ndef T(x): return x\nT.register(int, helper)",
        "class B: ...\nclass C(B):\n    def go(self): return helper(1)\ndef T(): return B.__subclasses__()",
        "TABLE = {}\n"
        "def reg(name):\n"
        "    def inner(f):\n"
        "        TABLE[name] = f\n"
        "        return f\n"
        "    return inner\n"
        "@reg('a')\n"
        "def g(): return helper(1)\n"
        "T = TABLE",
        "class T:\n"
        "    @classmethod\n"
        "    def __init_subclass__(cls): T.kinds = [cls]\n"
        "class C(T):\n"
        "    x = helper",
        "def f():\n    def g():\n        global T\n        T = helper\n    g()\nf()",
        "class M:\n"
        "    def __enter__(self): T.append(helper)\n"
        "    def __exit__(self, *a): ...\n"
        "T = []\n"
        "with M(): pass",
        "class K:\n    def fill(self): T.append(helper)\nT = []\nK().fill()",
        "T = []\nfill = lambda: T.append(helper)\nfill()",
        "T = []\nn = (lambda: T.append(helper))()",
        "T = []\nn = sorted([1], key=lambda x: T.append(helper) or 1)",
        "T = []\nlist(map(T.append, [helper]))",
        "T = []\nn = list(map(T.append, [helper]))",
        "T = []\ndef fill(x): x.append(helper)\nn = fill(T)",
        "T = []\ndef fill(): T.append(helper)\nn = fill()",
        "def reg(f):\n"
        "    TABLE[f.__name__] = f\n"
        "    return f\n"
        "TABLE = {}\n"
        "@reg\n"
        "def g(): return helper(1)\n"
        "T = TABLE",
    ],
)
def test_a_change_by_what_a_statement_calls_passes_on_or_derives_from_counts(toys, statements):  # noqa: F811
    assert reaches(toys, statements + RETURNS_T)


@pytest.mark.parametrize(
    "statements",
    [
        "from contextlib import nullcontext\nwith nullcontext(helper) as T: pass",
        "X = [helper]\nT = X.pop(0)",
        "X = [helper, 1]\nT = X.pop(0)",
        "globals()['T'] = helper",
        "T: list = []\nT.extend(x for x in [helper])",
        "import functools\nT = functools.partial(helper, 1)",
        "import operator\nX = {}\noperator.setitem(X, 'a', helper)\nT = X",
        "import sys\nsys.modules[__name__].T = helper",
        "T = [0]\nT[0], X = helper, 1",
        "T = [0]\nfor T[0] in [helper]: pass",
    ],
)
def test_a_change_in_any_other_way_counts(toys, statements):  # noqa: F811
    assert reaches(toys, statements + RETURNS_T)


@pytest.mark.parametrize(
    "statements",
    [
        "T = [0]\nU = T if T else None\nU.append(helper)",
        "T = []\nALL = {'t': T}\nALL['t'].append(helper)",
        "T = []\nclass K: made = T\nx: list = K.made\nx.append(helper)",
        "T = []\nx, y = T, 1\nx.append(helper)",
        "from functools import partial\nT = []\ndef put(x): x.append(helper)\nq = partial(put, T)\nq()",
        "T = {}\nclass Registry:\n    def add(self, x): T['x'] = x\nregistry = Registry()\nregistry.add(helper)",
        "T = {}\nclass Registry:\n    def add(self, x): T['x'] = x\nr = Registry()\nn = r.add(helper)",
    ],
)
def test_a_change_through_what_was_made_of_a_name_counts(toys, statements):  # noqa: F811
    assert reaches(toys, statements + RETURNS_T)


@pytest.mark.parametrize(
    "statements",
    [
        "class Reg(dict):\n    def __call__(self, f): self['f'] = f\nT = Reg()\n@T\ndef g(): return helper(1)",
        "class Reg(dict):\n    def __call__(self, n): return lambda f: self.update(f=f)\nT = Reg()\n@T('a')\n"
        "def g(): return helper(1)",
        "T = []\nclass B:\n    def __init_subclass__(cls): T.append(cls)\nclass M(B): ...\nclass A(M): x = helper",
        "T = []\nclass M(type):\n    def __init__(cls, *a): T.append(cls)\nclass B(metaclass=M): ...\n"
        "class A(B): x = helper",
        "class T: ...\nclass M(T): ...\nclass A(M): x = helper\ndef of(): return T.__subclasses__()",
        "T = []\nY = T\nY += [helper]",
        "T = []\nfor g in (T, []): g += [helper]",
        "if __name__ != '__main__': T = helper",
        "if __name__ == '__main__': T = 1\nelse: T = helper",
    ],
)
def test_a_change_by_an_instance_a_metaclass_or_an_operator_counts(toys, statements):  # noqa: F811
    assert reaches(toys, statements + RETURNS_T)


@pytest.mark.parametrize(
    "statements",
    [
        "T = []\ndef fill(): T.append(helper)" + RETURNS_T,
        "T = []\nclass C:\n    def fill(self): T.append(helper)" + RETURNS_T,
        "T = []\ndef fill(): T.append(helper)\nprint(fill)" + RETURNS_T,
        "T = []\nU = [helper]\nV = []\nV.append(1)\nT.append(V)" + RETURNS_T,
        "T = []\ndef f(): return helper(1)\nf()" + RETURNS_T,
        "T = [1]\ndef read(): return T[0], len(T)\nX = read(), helper" + RETURNS_T,
        "T = [1]\ndef read(x): return [n for n in x]\nX = read(T), helper" + RETURNS_T,
        "T = [1]\ndef read():\n    print(1)\n    return T\nX = read(), helper" + RETURNS_T,
        "T = [1]\nfor x in T:\n    y = x, helper" + RETURNS_T,
        "class T: ...\nclass C(T):\n    x = helper" + RETURNS_T,
        "T = 1\nif __name__ == '__main__': T = helper" + RETURNS_T,
        "T = [1]\ndef deco(x): return lambda f: f\n@deco(T)\ndef f(): return helper(1)" + RETURNS_T,
        "import re\nX = re.escape(str(helper))\ndef train(): return re",
        "import functools\n@functools.cache\ndef f(): return helper(1)\ndef train(): return functools",
        "def own(f): return f\n@own\ndef f(): return helper(1)\ndef train(): return own",
        "def own(): return lambda f: f\n@own()\ndef f(): return helper(1)\ndef train(): return own",
        "class C:\n    print(helper)\ndef train(): return print",
        "class C:\n    len = []\n    len.append(helper)\ndef train(): return len",
        "def f():\n    len('')\n    helper(1)\nf()\ndef train(): return len",
    ],
)
def test_what_cannot_change_a_name_does_not_count(toys, statements):  # noqa: F811
    assert not reaches(toys, statements)
