from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from toy_suites import TOY, changed, write_suite

from harness import suite as suites
from harness.artifact import Json
from harness.engine import from_record
from harness.engine.plan import Plan, make
from harness.engine.recording import declaration
from harness.engine.suite_sources import resolve
from harness.errors import UsageError
from harness.store.artifacts import Store
from harness.store.record import Repeat, Run, Score

REPOSITORY = Path(__file__).parents[2]
SMOKE = sorted((REPOSITORY / "suites" / "smoke").glob("*.yaml"))
EXCLUDING = changed(
    ("reference:", "exclude:\n  - {model.loss: absolute, model.rate: 0.2}\nreference:"),
    (
        "epochs: 5",
        "epochs: 5, weights: {negative: 1e-6}, window: [2, 0.5], shuffle: false",
    ),
    ("count: 40", "count: 40, label: 'null', shape: uniform"),
)
WIRED = changed(
    ("  model.rate: [0.1, 0.2]", "  model.data: [parts.train, all]"),
    ("  parts: ", "  all: {use: toy.pool, parts: [numbers, parts.test]}\n  parts: "),
    ("reference: {model.loss: square, model.rate: 0.1}", "reference: {model.loss: square}"),
)


def record(plan: Plan, sources: list[dict[str, Json]]) -> Run:
    """What a record says of a plan, had it run."""
    scores = tuple(
        Score(
            s.metric,
            s.point,
            s.settings,
            s.protocol,
            tuple(Repeat(r.seeds, r.task[1], {}) for r in s.repeats),
        )
        for s in plan.scores
    )
    here: dict[str, dict[str, Json]] = {"here": {}}
    return Run(
        "id", plan.suite.name, plan.suite.about, "", 0.0, declaration(plan.suite), plan.metrics, (), {}, {},
        scores, (), here, "here", sources=tuple(sources), code=plan.code,
    )  # fmt: skip


def planned(file: Path, store: Store) -> tuple[Plan, Run]:
    suite, sources = resolve(suites.load(file), mirror=None, store=store, download=False)
    plan = make(suite)
    return plan, record(plan, sources)


def again(run: Run, project: Path, store: Store) -> Plan:
    suite, _ = from_record.suite_of(run, project, "suite/cpu", mirror=None, store=store, download=False)
    return make(suite)


@pytest.mark.parametrize("file", SMOKE, ids=lambda f: f.stem)
def test_what_a_suite_declares_is_that_suite_again(file: Path, tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.check_writable()
    plan, run = planned(file, store)
    found = again(run, REPOSITORY, store)
    assert [(s.metric, s.point, s.repeats) for s in found.scores] == [
        (s.metric, s.point, s.repeats)
        for s in sorted(plan.scores, key=lambda s: list(found.metrics).index(s.metric))
    ]
    assert from_record.changes(run, found) == {}
    assert from_record.keys_then(run, found, "suite/cpu") == {t.id: t.key for t in found.tasks.values()}


@pytest.mark.parametrize("text", [TOY, EXCLUDING, WIRED], ids=["plain", "exclude", "wired"])
def test_so_is_every_kind_of_value_and_axis(text: str, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.check_writable()
    plan, run = planned(write_suite(tmp_path, text), store)
    found = again(run, tmp_path, store)
    assert {(s.metric, str(s.point), str(s.repeats)) for s in found.scores} == {
        (s.metric, str(s.point), str(s.repeats)) for s in plan.scores
    }
    assert all(r.task and r.task.key == r.key for r in from_record.recorded(run, found))


def test_keys_as_they_were_follow_from_the_noted_code_whatever_it_is_today(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.check_writable()
    plan, run = planned(write_suite(tmp_path), store)
    old: dict[str, Json] = {**run.code["model"], "source": "another", "software": {"numpy": "1.0"}}  # type: ignore[dict-item]
    then = replace(run, code={**run.code, "model": old})
    with pytest.raises(UsageError, match="does not lead to its scores"):
        from_record.keys_then(then, plan, "toy/centre/cpu")
    assert from_record.changes(then, plan) == {
        "model": ["the code of toy.train", "numpy 1.0 → not declared"],
    }


def test_a_record_that_notes_no_code_says_so(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.check_writable()
    plan, run = planned(write_suite(tmp_path), store)
    older = replace(run, code={})
    assert not from_record.notes_code(older)
    assert from_record.changes(older, plan) == {}
    with pytest.raises(UsageError, match="did not note the code of its stages"):
        from_record.keys_then(older, plan, "toy/centre/cpu")


@pytest.mark.parametrize(
    "broken", [{}, {"stages": {"model": 3}}, {"stages": {"model": {"use": "toy.train"}}}]
)
def test_a_damaged_declaration_is_one_line(broken: dict[str, Json], tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.check_writable()
    _, run = planned(write_suite(tmp_path), store)
    with pytest.raises(UsageError, match=r"^suite/cpu: its declaration does not say what was run$"):
        again(replace(run, declaration=broken), tmp_path, store)


def test_a_changed_entry_is_named_where_it_was_chosen(tmp_path: Path) -> None:
    """Another entry of the table, changed or new or gone, is no change."""
    store = Store(tmp_path / "store")
    store.check_writable()
    file = write_suite(tmp_path)
    plan, run = planned(file, store)
    then = {**run.code["model"], "choices": {"loss": {"square": "1", "absolute": "2", "huber": "3"}}}
    now = {**then, "choices": {"loss": {"square": "1", "absolute": "2"}}}
    values = {"loss": ["square", "absolute"]}
    assert list(from_record._choice_changes(then, now, values)) == []
    assert list(from_record._choice_changes(now, then, values)) == []
    now = {**then, "choices": {"loss": {"square": "1", "absolute": "9", "huber": "3"}}}
    assert list(from_record._choice_changes(then, now, values)) == ["the code of loss absolute"]
    assert list(from_record._choice_changes(then, now, {"loss": ["square"]})) == []
    assert list(from_record._choice_changes(then, {**then, "choices": {}}, {"loss": ["square"]})) == [
        "the code of loss square"
    ]
    assert from_record._values(run, "model")["loss"] == ["square", "absolute"]
    assert from_record._values(run, "model")["epochs"] == [5]
    assert from_record.changes(run, plan) == {}
