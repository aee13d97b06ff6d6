"""Walking a plan: what is executed, in which order, what is reused, and what a stage may return."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from command_line import package
from toy_suites import changed, write_suite

from harness import suite
from harness.engine.attempt import Outcome
from harness.engine.call import Call
from harness.engine.executors import Ended, Message, Post, Slot
from harness.engine.executors.inline import InlineExecutor, InlineSlot
from harness.engine.plan import Plan, make
from harness.engine.runner import Event, Runner
from harness.formats.strict_json import canonical
from harness.store.artifacts import Store
from harness.store.environment import installed_digest, kept_installed

ONE = changed(
    ("  model.rate: [0.1, 0.2]\n", ""), (", model.rate: 0.1}", "}"), ("[square, absolute]", "[square]")
)
"""One point, three seeds: numbers and parts once, model and fit for each seed."""


def planned(folder: Path, text: str = ONE, set_: tuple[str, ...] = ()) -> Plan:
    return make(suite.load(write_suite(folder, text), set_=set_))


def walked(folder: Path, plan: Plan, *fresh: str) -> tuple[list[Event], dict[str, list[Outcome]]]:
    """The events of a run, and the outcomes by node."""
    events: list[Event] = []
    outcomes: dict[str, list[Outcome]] = {}
    runner = Runner(Store(folder / "store"), InlineExecutor(), frozenset(fresh), events.append)
    for (node, _), outcome in runner.run(plan).items():
        outcomes.setdefault(node, []).append(outcome)
    return events, outcomes


def states(outcomes: dict[str, list[Outcome]]) -> dict[str, list[str]]:
    return {node: [o.state for o in found] for node, found in outcomes.items()}


def test_every_task_runs_once_and_after_what_it_takes(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    events, outcomes = walked(tmp_path, plan)
    assert states(outcomes) == {
        "numbers": ["executed"],
        "parts": ["executed"],
        "model": ["executed"] * 3,
        "fit": ["executed"] * 3,
    }
    done: set[str] = set()
    for event in events:
        if event.kind == "started":
            assert {key for _, key in event.task.sources} <= done
        if event.kind == "executed":
            done.add(event.task.key)
    assert len(done) == 8
    assert [e.kind for e in events].count("started") == 8


def test_a_stage_tells_how_far_it_is(tmp_path: Path) -> None:
    events, _ = walked(tmp_path, planned(tmp_path))
    told = [(e.done, e.total, e.what) for e in events if e.kind == "progress"]
    assert told == [(i, 5, "epochs") for i in range(1, 6)] * 3


def test_a_second_walk_executes_nothing(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    _, before = walked(tmp_path, plan)
    events, after = walked(tmp_path, plan)
    assert [e.kind for e in events] == ["cached"] * 8
    assert {n: [o.entry for o in found] for n, found in before.items()} == {
        n: [o.entry for o in found] for n, found in after.items()
    }


def test_only_what_a_missing_score_needs_is_executed(tmp_path: Path) -> None:
    """Scores that are there need no artifacts: those may have been thrown away."""
    plan = planned(tmp_path)
    walked(tmp_path, plan)
    store = Store(tmp_path / "store")
    for task in plan.tasks.values():
        if task.node in ("numbers", "parts", "model"):
            store.discard(task.key)
    events, outcomes = walked(tmp_path, plan)
    assert {e.kind for e in events} == {"cached"}
    assert states(outcomes)["model"] == ["skipped"] * 3
    first = next(t for t in plan.tasks.values() if t.node == "fit")
    store.discard(first.key)
    _, outcomes = walked(tmp_path, plan)
    assert states(outcomes) == {
        "numbers": ["executed"],
        "parts": ["executed"],
        "model": ["executed", "skipped", "skipped"],
        "fit": ["executed", "cached", "cached"],
    }


def test_another_suite_shares_what_is_equal(tmp_path: Path) -> None:
    walked(tmp_path, planned(tmp_path))
    _, outcomes = walked(tmp_path, planned(tmp_path, set_=("fit.power=2",)))
    assert states(outcomes) == {
        "numbers": ["cached"],
        "parts": ["cached"],
        "model": ["cached"] * 3,
        "fit": ["executed"] * 3,
    }


def test_fresh_reaches_everything_downstream_and_nothing_else(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    walked(tmp_path, plan)
    _, outcomes = walked(tmp_path, plan, "parts")
    assert states(outcomes) == {
        "numbers": ["cached"],
        "parts": ["executed"],
        "model": ["executed"] * 3,
        "fit": ["executed"] * 3,
    }


def test_what_needs_a_failed_task_is_skipped_and_says_what_it_needs(tmp_path: Path) -> None:
    text = ONE.replace("\nmetrics:", "  small: {use: toy.limit, numbers: parts.test, at_most: 0}\n\nmetrics:")
    text = text.replace("\nmatrix:", "  size: {use: toy.size, data: small}\n\nmatrix:")
    events, outcomes = walked(tmp_path, planned(tmp_path, text))
    assert states(outcomes)["fit"] == ["executed"] * 3
    [small], [size] = outcomes["small"], outcomes["size"]
    assert (small.state, size.state) == ("failed", "skipped")
    assert small.error is not None
    assert small.error.endswith("is larger than 0")
    assert size.error == "needs small, which failed"
    assert small.log is not None
    assert small.error in small.log.read_text()
    assert [e.what for e in events if e.kind == "failed"] == [small.error]


BAD = {
    "elsewhere": ("return Numbers(Path('.'))", "did not return Numbers in job.folder"),
    "another kind": ("return Model(job.folder())", "did not return Numbers in job.folder"),
    "nothing": ("return None", "did not return Numbers in job.folder"),
    "facts": ("return Numbers(job.folder(), {'a': {1}})", "must be plain JSON"),
    "not a number in facts": ("return Numbers(job.folder(), {'a': float('nan')})", "must be plain JSON"),
    "an exception": ("raise RuntimeError('first line\\nsecond line')", "RuntimeError: first line"),
    "memory": ("raise MemoryError", "out of memory"),
}


BAD_SCORES = {
    "not finite": ("Error(error=float('nan'))", "error is nan, not a finite number"),
    "too large": ("Error(error=-1e301)", "error is -1e+301, too large to be compared with anything"),
    "infinite": ("Error(error=float('inf'))", "error is inf, not a finite number"),
    "items twice": (
        "Error(error=1.0, items=Items(['a', 'a'], {'error': [1, 1]}))",
        "two rows have the same name",
    ),
    "items short": (
        "Error(error=1.0, items=Items(['a', 'b'], {'error': [1]}))",
        "column 'error' does not fit",
    ),
    "items of no field": ("Error(error=1.0, items=Items(['a'], {'x': [1]}))", "column 'x' does not fit"),
    "other mean": (
        "Error(error=2.0, items=Items(['a', 'b'], {'error': [1, 2]}))",
        "has mean 1.5, its field is 2.0",
    ),
    "conditions": ("Error(error=1.0, conditions={'n': {1}})", "must be plain JSON"),
    "step of no field": ("Error(error=1.0, steps={'x': 0.1})", "steps: 'x' is 0.1"),
    "no step": ("Error(error=1.0, steps={'error': 0})", "'error' is 0; a step is a positive number"),
    "text": ("Error(error='one')", "returned what cannot be stored (TypeError: "),
    "nothing": ("Error(error=None)", "returned what cannot be stored (TypeError: "),
    "step in text": (
        "Error(error=1.0, steps={'error': 'one'})",
        "returned what cannot be stored (TypeError: ",
    ),
    "items in text": ("Error(error=1.0, items='one')", "returned what cannot be stored (AttributeError: "),
    "items without rows": (
        "Error(error=1.0, items=Items([], {'error': []}))",
        "returned what cannot be stored (ZeroDivisionError: ",
    ),
    "endless step": ("Error(error=1.0, steps={'error': float('nan')})", "'error' is nan"),
}


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Install a module of stages, and get the word that suites know it by."""

    def installed(code: str) -> str:
        word = f"stages_{sha256(code.encode()).hexdigest()[:12]}"
        package(tmp_path / "site", word, code)
        monkeypatch.syspath_prepend(tmp_path / "site")
        return word

    return installed


@pytest.mark.parametrize("what", BAD)
def test_a_stage_that_does_not_keep_its_word_fails(
    tmp_path: Path, install: Callable[[str], str], what: str
) -> None:
    statement, told = BAD[what]
    word = install(
        "from pathlib import Path\nfrom harness.stage import Job, stage\nfrom toy import Model, Numbers\n"
        f"@stage(version=1)\ndef make(*, job: Job) -> Numbers:\n    {statement}\n"
    )
    plan = planned(
        tmp_path,
        f"suite: x\nstages:\n  bad: {{use: {word}.make}}\nmetrics:\n  n: {{use: toy.size, data: bad}}\n",
    )
    _, outcomes = walked(tmp_path, plan)
    check_failed(tmp_path, plan, outcomes, "bad", told)
    assert states(outcomes)["n"] == ["skipped"]


def test_a_full_machine_loses_no_training_and_names_the_batch_size(
    tmp_path: Path, install: Callable[[str], str]
) -> None:
    for error, kept in (("MemoryError", True), ("ValueError('of the work')", False)):
        word = install(
            "from harness.stage import Count, Job, stage\nfrom toy import Model, Numbers\n@stage(version=1)\n"
            "def make(*, batch_size: Count, job: Job) -> Numbers:\n"
            f"    (job.scratch / 'so-far').touch()\n    raise {error}\n"
        )
        bad = f"  bad: {{use: {word}.make, batch_size: 6}}\n"
        plan = planned(tmp_path, f"suite: x\nstages:\n{bad}metrics:\n  n: {{use: toy.size, data: bad}}\n")
        _, outcomes = walked(tmp_path, plan)
        [outcome] = outcomes["bad"]
        assert outcome.log is not None
        assert (outcome.log.parent / "scratch" / "so-far").exists() == kept
        assert (outcome.error == "out of memory with batch_size: 6; set a smaller one") == kept


@pytest.mark.parametrize("what", BAD_SCORES)
def test_scores_that_are_no_scores_fail(tmp_path: Path, install: Callable[[str], str], what: str) -> None:
    returned, told = BAD_SCORES[what]
    word = install(
        "from dataclasses import dataclass\nfrom harness.stage import Items, Lower, Scores, stage\n"
        "from toy import Numbers\n"
        "@dataclass(frozen=True, kw_only=True)\nclass Error(Scores):\n    error: Lower\n"
        f"@stage(version=1)\ndef score(data: Numbers) -> Error:\n    return {returned}\n"
    )
    text = f"suite: x\nstages:\n  d: {{use: toy.draw, count: 2}}\nmetrics:\n  bad: {{use: {word}.score, data: d}}\n"
    plan = planned(tmp_path, text)
    _, outcomes = walked(tmp_path, plan)
    check_failed(tmp_path, plan, outcomes, "bad", told)
    assert states(outcomes)["d"] == ["executed"]


def check_failed(
    tmp_path: Path, plan: Plan, outcomes: dict[str, list[Outcome]], node: str, told: str
) -> None:
    """It failed in one line, and nothing of it is served later."""
    [outcome] = outcomes[node]
    assert outcome.state == "failed"
    assert outcome.error is not None
    assert told in outcome.error
    assert "\n" not in outcome.error
    [task] = [t for t in plan.tasks.values() if t.node == node]
    assert Store(tmp_path / "store").get(task.key) is None


@pytest.mark.parametrize(
    ("when", "state", "executed"), [("numbers", "failed", 0), ("parts", "failed", 1), ("", "executed", 2)]
)
def test_code_that_is_edited_while_a_run_goes_on_stores_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str, state: str, executed: int
) -> None:
    """The edit comes as soon as a task has started; the code that it edits was imported before."""
    package = tmp_path / "code" / f"edited_while_running_{when or 'never'}.py"
    package.parent.mkdir()
    package.write_text((Path(__file__).parents[1] / "toy_package" / "toy.py").read_text())
    monkeypatch.syspath_prepend(str(package.parent))
    plan = planned(tmp_path)
    toys = importlib.import_module(package.stem)
    nodes = {
        n: getattr(toys, plan.suite.nodes[n].stage.function.__name__).__stage__ for n in plan.suite.nodes
    }
    plan = make(
        replace(plan.suite, nodes={n: replace(node, stage=nodes[n]) for n, node in plan.suite.nodes.items()})
    )

    def edit(event: Event) -> None:
        if event.kind == "started" and event.task.node == when:
            package.write_text(package.read_text().replace("def _write(folder", "def _write(at, /, folder"))

    store = Store(tmp_path / "store")
    outcomes = Runner(store, InlineExecutor(), tell=edit).run(plan)
    found = {node: outcome for (node, _), outcome in outcomes.items()}
    assert found["parts"].state == (state if when != "numbers" else "skipped")
    errors = {o.error for o in outcomes.values() if o.state == "failed"}
    assert errors == (
        {f"{package.name}: edited since the run was planned, so that nothing is stored; run again"}
        if when
        else set()
    )
    stored = [t for t in plan.tasks.values() if t.node in ("numbers", "parts") and store.get(t.key)]
    assert len(stored) == executed


def test_an_entry_has_the_environment_of_who_made_it(tmp_path: Path) -> None:
    """The executor says it, for the process that computes may be another one."""

    class Elsewhere(InlineExecutor):
        def open(self, plan: Plan, store: Store) -> list[Slot]:
            return [ElsewhereSlot(lambda: False)]

    class ElsewhereSlot(InlineSlot):
        def start(self, call: Call, post: Post) -> None:
            def told(message: Message) -> None:
                if isinstance(message, Ended):
                    told_of = {"environment": {"cpu": "far"}, "distributions": {"numpy": "9.9"}}
                    message = Ended(replace(message.outcome, **told_of))
                post(message)

            super().start(call, told)

    plan, store = planned(tmp_path), Store(tmp_path / "store")
    outcomes = Runner(store, Elsewhere()).run(plan)
    entries = [o.entry for o in outcomes.values() if o.entry is not None]
    assert {canonical(e.environment) for e in entries} == {'{"cpu":"far"}'}
    assert len(entries) == 8
    assert kept_installed(store.root, [installed_digest({"numpy": "9.9"})])
