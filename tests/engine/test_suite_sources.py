"""What a task reads is what its key was made of, whatever happens to the files while a run goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from toy_suites import write_suite

from harness import suite
from harness.engine import suite_sources
from harness.engine.attempt import Outcome
from harness.engine.executors.inline import InlineExecutor
from harness.engine.plan import Plan, make
from harness.engine.runner import Event, Runner
from harness.sources.hub import Source
from harness.store.artifacts import Store

SUITE = """\
suite: toy/files
about: Numbers of one's own, read after others were drawn.
subject: [model]
stages:
  drawn: {use: toy.draw, count: 40, mean: 2.5}
  own:   {use: toy.gather, source: "path:../data"}
  model: {use: toy.train, data: drawn, epochs: 2}
metrics:
  fit: {use: toy.measure, model: model, data: own}
gate: {fit: 0.1}
"""


@dataclass
class Project:
    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def plan(self) -> Plan:
        loaded = suite.load(write_suite(self.folder, SUITE))
        resolved, _ = suite_sources.resolve(loaded, mirror=None, store=self.store, download=False)
        return make(resolved)

    @property
    def store(self) -> Store:
        return Store(self.folder / "store")

    def run(self, plan: Plan, tell: Callable[[Event], None] = lambda event: None) -> dict[str, Outcome]:
        outcomes = Runner(self.store, InlineExecutor(), tell=tell).run(plan)
        return {node: outcome for (node, _), outcome in outcomes.items()}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "data").mkdir()
    for name in ("a", "b"):
        (tmp_path / "data" / f"{name}.json").write_text(json.dumps([2.0, 3.0]))
    return Project(tmp_path)


def added(data: Path) -> None:
    (data / "c.json").write_text("[9.0]")


def edited(data: Path) -> None:
    (data / "a.json").write_text("[9.0, 9.0]")


def removed(data: Path) -> None:
    (data / "b.json").unlink()


def renamed(data: Path) -> None:
    (data / "b.json").rename(data / "z.json")


CHANGES = [added, edited, removed, renamed]


@pytest.mark.parametrize("change", CHANGES)
def test_files_that_change_while_an_earlier_stage_runs_fail_the_task(
    project: Project, change: Callable[[Path], None]
) -> None:
    plan = project.plan()

    def tell(event: Event) -> None:
        if event.kind == "executed" and event.task.node == "drawn":
            change(project.data)

    outcomes = _with_drawn_first(project, plan, tell)
    assert outcomes["own"].error == "path:../data changed since the run was planned; run again"
    assert outcomes["fit"].state == "skipped"
    _nothing_is_stored_and_another_run_reads_anew(project, plan)


@pytest.mark.parametrize("change", [added, edited, renamed])
def test_files_that_change_while_they_are_read_fail_the_task(
    project: Project, change: Callable[[Path], None]
) -> None:
    plan = project.plan()

    def tell(event: Event) -> None:
        if event.kind == "progress" and event.task.node == "own" and event.done == 2:
            change(project.data)
            (project.data / "b.json").write_text("[2.0, 3.0]")  # the file that is opened next

    outcomes = project.run(plan, tell)
    assert outcomes["own"].error == "path:../data changed while it was read; run again"
    assert outcomes["fit"].state == "skipped"
    _nothing_is_stored_and_another_run_reads_anew(project, plan)


def test_what_a_link_leads_to_is_content_too(project: Project) -> None:
    outside = project.folder / "outside.json"
    outside.write_text("[1.0]")
    (project.data / "c.json").symlink_to(outside)
    plan = project.plan()
    outside.write_text("[2.0]")
    assert project.run(plan)["own"].state == "failed"
    assert project.run(project.plan())["own"].state == "executed"


def test_a_folder_that_went_away_is_one_line(project: Project) -> None:
    plan = project.plan()
    project.data.rename(project.folder / "elsewhere")
    error = project.run(plan)["own"].error
    assert error is not None
    assert error.startswith("path:../data changed since the run was planned (")
    assert "\n" not in error


def test_files_of_another_packages_own_kind_are_looked_at_too(project: Project) -> None:
    """A type with ``to_key()`` says itself what its content is."""
    text = SUITE.replace('toy.gather, source: "path:../data"', 'toy.read, source: "path:../data/a.json"')
    plan = make(suite.load(write_suite(project.folder, text)))
    edited(project.data)
    assert project.run(plan)["own"].error == "source changed since the run was planned; run again"


def test_sources_are_found_wherever_a_parameter_holds_them(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Holder:
        inner: tuple[Source, ...]
        name: str = "n"

    source = Source.from_text("path:a")
    seen: list[Source] = []

    def note(found: Source) -> Source:
        seen.append(found)
        return found.relative_to(tmp_path)

    value = {"x": (Holder((source,)), 1), "y": None}
    changed = suite_sources._value(value, note)
    assert seen == [source]
    assert changed["x"][0].inner[0].place == tmp_path / "a"
    assert suite_sources._value(value, lambda s: s) is value


def _with_drawn_first(project: Project, plan: Plan, tell: Callable[[Event], None]) -> dict[str, Outcome]:
    order = [task.node for task in plan.tasks.values()]
    assert order.index("drawn") < order.index("own")
    return project.run(plan, tell)


def _nothing_is_stored_and_another_run_reads_anew(project: Project, plan: Plan) -> None:
    (key,) = (task.key for task in plan.tasks.values() if task.node == "own")
    assert project.store.get(key) is None
    again = project.plan()
    assert key not in again.keys
    assert project.run(again)["fit"].state == "executed"
