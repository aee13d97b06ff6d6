"""Of a table from which a parameter chooses, the chosen entry counts and no other."""

from __future__ import annotations

import pytest
from source_files import Files, Toys, toys  # noqa: F401

from harness.engine import code_digest, keys
from harness.engine.keys import identity, task_key
from harness.errors import UsageError
from harness.stage import Choices, Stage
from harness.store.record import chosen

STAGES = """
    from typing import Annotated
    from PKG.tables import KINDS, Kind, use
    from harness.artifact import Images
    from harness.stage import Job, stage

    @stage(version=1)
    def train(data: Images, *, kind: Kind, job: Job) -> Images:
        return use(kind)

    @stage(version=1)
    def whole(data: Images, *, kind: str, job: Job) -> Images:
        return use(kind)

    @stage(version=1)
    def fixed(data: Images, *, job: Job) -> Images:
        return KINDS["one"]()

    @stage(version=1)
    def taken(data: Annotated[Images, KINDS], *, job: Job) -> Images:
        return use(data)
"""
TABLES = """
    from typing import Annotated, Literal
    from harness.stage import Choices

    def use(kind: "Kind"):
        if kind not in KINDS:
            raise ValueError(KINDS.names)
        return KINDS[kind]()

    def one(): return helper(1)
    def two(): return 2
    def helper(x): return x

    KINDS = Choices({"one": one, "two": two})
    Kind = Annotated[Literal["one", "two"], KINDS]
"""
FILES = {"stages": STAGES, "tables": TABLES}
ADDED = ('"two": two', '"two": two, "three": lambda: 3')


def changed(old: str, new: str) -> Files:
    assert old in TABLES
    return {**FILES, "tables": TABLES.replace(old, new)}


def key(toys: Toys, files: Files, function: str, kind: str = "one") -> str:  # noqa: F811
    declared = toys.function(files, f"stages.{function}").__stage__  # type: ignore[attr-defined]
    assert isinstance(declared, Stage)
    return task_key(identity(declared), {"kind": kind} if "kind" in declared.parameters else {}, {})


@pytest.mark.parametrize(
    ("old", "new", "one", "two", "whole", "fixed", "taken"),
    [
        (*ADDED, True, True, False, True, True),
        ('"one": one, "two": two', '"two": two, "one": one', True, True, False, True, True),
        ('"two": two', '"two": one', True, False, False, True, True),
        ("return 2", "return 3", True, False, False, True, True),
        ("return helper(1)", "return helper(2)", False, True, False, False, True),
        ("def helper(x): return x", "def helper(x): return -x", False, True, False, False, True),
        ("return KINDS[kind]()", "return KINDS[kind]", False, False, False, True, False),
        ("return KINDS[kind]()", "return KINDS[kind + '']()", False, False, False, True, False),
        ("kind not in KINDS", "kind in KINDS", False, False, False, True, False),
        ("raise ValueError(KINDS.names)", "raise ValueError(KINDS)", False, False, False, True, False),
    ],
    ids=[
        "added",
        "order",
        "other entry",
        "its code",
        "this entry",
        "its helper",
        "use",
        "index",
        "in",
        "names",
    ],
)
def test_which_keys_stay(toys, old, new, one, two, whole, fixed, taken):  # noqa: F811
    now = changed(old, new)
    asked = [("train", "one"), ("train", "two"), ("whole", "one"), ("fixed", ""), ("taken", "")]
    same = [key(toys, FILES, f, k) == key(toys, now, f, k) for f, k in asked]
    assert same == [one, two, whole, fixed, taken]


def test_another_choice_is_another_key(toys):  # noqa: F811
    assert key(toys, FILES, "train", "one") != key(toys, FILES, "train", "two")


@pytest.mark.parametrize(
    "use", ["list(KINDS.items())", "[k for k in KINDS]", "len(KINDS)", "KINDS == 1", "(KINDS, 1)"]
)
def test_whoever_goes_through_a_table_depends_on_all_of_it(toys, use):  # noqa: F811
    through = {**FILES, "tables": TABLES.replace("return KINDS[kind]()", f"return {use}")}
    more = {**through, "tables": through["tables"].replace(*ADDED)}
    assert key(toys, through, "train") != key(toys, more, "train")


def test_the_entries_are_named_with_their_digests(toys):  # noqa: F811
    train, whole = toys.function(FILES), toys.function(FILES, "stages.whole")
    entries = code_digest.choices(train)["kind"]
    assert list(code_digest.choices(train)) == ["kind"]
    assert sorted(entries) == ["one", "two"]
    assert len({*entries.values()}) == 2
    assert code_digest.choices(whole) == {}
    assert "choices" not in identity(whole.__stage__)  # type: ignore[attr-defined]
    assert code_digest.choices(toys.function(FILES, "stages.taken")) == {}


def test_a_stage_chooses_although_its_name_was_bound_to_something_else_before(toys):  # noqa: F811
    text = STAGES.replace(
        "    @stage(version=1)\n    def train", "    train = None\n\n    @stage(version=1)\n    def train"
    )
    assert list(code_digest.choices(toys.function({**FILES, "stages": text}))) == ["kind"]


def test_two_tables_of_one_parameter_are_both_chosen_from(toys):  # noqa: F811
    files = {
        "stages": STAGES,
        "tables": TABLES.replace("return KINDS[kind]()", "return KINDS[kind](), SIZES[kind]")
        .replace('"two"], KINDS]', '"two"], KINDS, SIZES]')
        .replace("    Kind =", '    SIZES = Choices({"one": 1, "two": 2})\n    Kind ='),
    }
    before = {k: key(toys, files, "train", k) for k in ("one", "two")}
    after = {**files, "tables": files["tables"].replace('"two": 2', '"two": 3')}
    assert key(toys, after, "train", "one") == before["one"]
    assert key(toys, after, "train", "two") != before["two"]


def test_which_parameters_choose_is_in_the_digest(toys):  # noqa: F811
    def digest(kind: str, other: str) -> str:
        signature = f"def train(data: Images, *, kind: {kind}, other: {other}, job: Job)"
        text = STAGES.replace("def train(data: Images, *, kind: Kind, job: Job)", signature).replace(
            "return use(kind)", "name: Kind = kind + other; return use(name)", 1
        )
        return code_digest.digest(toys.function({**FILES, "stages": text}))

    assert len({digest("Kind", "str"), digest("str", "Kind"), digest("Kind", "Kind")}) == 3
    assert digest("Kind", "str") == digest("Kind", "str")


@pytest.mark.parametrize(
    "written", ["dict(one=one)", "{**{}}", "{1: one}", "{n: one for n in 'ab'}", "{'a': 1, 'a': 2}"]
)
def test_a_table_is_written_as_one_dictionary(toys, written):  # noqa: F811
    files = changed('{"one": one, "two": two}', written)
    with pytest.raises(TypeError, match=r"tables\.KINDS: Choices\(\{…\}\) takes one dictionary"):
        code_digest.digest(toys.function(files))


def test_a_table_that_is_not_is_told_as_its_author_s_mistake(toys):  # noqa: F811
    train = toys.function(changed('{"one": one, "two": two}', "dict(one=one)"))
    with pytest.raises(UsageError, match=r"stages\.train: .*takes one dictionary"):
        keys.remember(train.__stage__)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "table",
    ["[Choices({'a': 1})][0]", "{'one': one}", "dict({'one': one})", "Choices({'a': 1}); KINDS.more = 1"],
)
def test_anything_else_is_no_table_and_counts_whole(toys, table):  # noqa: F811
    files = changed('Choices({"one": one, "two": two})', table)
    assert code_digest.choices(toys.function(files)) == {}


def test_a_table_that_is_made_under_a_condition_is_none_and_counts_whole(toys):  # noqa: F811
    assert code_digest.choices(toys.function(changed("KINDS = Choices(", "if one: KINDS = Choices("))) == {}


def test_a_table_knows_its_names_and_cannot_be_gone_through():
    table = Choices({"a": 1, "b": 2})
    assert table["a"] == 1
    assert "b" in table
    assert "c" not in table
    assert table.names == ("a", "b")
    with pytest.raises(KeyError):
        table["c"]
    with pytest.raises(TypeError):
        list(table)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", 1),
        ("b", 2),
        ("a:x", 1),
        ("a:x:y", 1),
        ("b:c", 3),
        ("own", None),
        (None, None),
        (3, None),
        ("", None),
    ],
)
def test_a_value_chooses_by_its_name_or_by_the_word_before_the_colon(value, expected):
    assert chosen({"a": 1, "b": 2, "b:c": 3}, value) == expected
