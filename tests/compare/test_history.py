from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from compare.runs import accepted, itemised, repeats, run, score, stored
from git_repository import git

from harness.artifact import Json
from harness.compare import acceptance, history
from harness.errors import UsageError
from harness.store.record import Run

FILE = Path("baselines/smoke/toy/cpu.json")


def commit(project: Path, message: str) -> None:
    git(project, "add", "-A", "baselines")
    git(project, "commit", "-m", message)


def made(value: float, **settings: Json) -> Run:
    """A run whose subject is ``train``; ``protocol=…`` is a field of its protocol."""
    fields: Mapping[str, Json] = {"m.use": "m@1", "m.n": settings.pop("n", 10)}
    one = score(
        repeats([value, value + 0.01, value - 0.01]),
        settings={**fields, **{f"train.{k}": v for k, v in settings.items()}},
        protocol=fields,
    )
    return run(one, id=f"20260304-101500-{int(value * 100):04}")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Three accepted runs, committed: other epochs, then another N."""
    git(tmp_path, "init")
    for message, one in (
        ("first", made(0.5, epochs=1)),
        ("longer", made(0.7, epochs=2)),
        ("more items", made(0.6, epochs=2, n=20)),
    ):
        accepted(tmp_path, one, reason=message, new_protocol=True)
        commit(tmp_path, f"{message}\n\nIn more words.")
    return tmp_path


def test_every_commit_that_changed_a_baseline_is_a_step_oldest_first(project: Path) -> None:
    steps = history.accepted(project, "smoke/toy", "cpu")
    assert [s.subject for s in steps] == ["first", "longer", "more items"]
    assert [s.run.accepted.reason for s in steps if s.run.accepted] == ["first", "longer", "more items"]
    assert all(len(s.commit) == 40 for s in steps)


def test_a_step_names_what_changed_and_of_which_kind(project: Path) -> None:
    first, longer, items = history.accepted(project, "smoke/toy", "cpu")
    assert (first.protocol, first.settings, first.environment) == ((), (), ())
    assert [*map(str, longer.settings)] == ["train.epochs: 1 → 2"]
    assert longer.protocol == ()
    assert [*map(str, items.protocol)] == ["m.n: 10 → 20"]
    assert items.settings == ()


def test_another_environment_is_named(project: Path) -> None:
    other = run(*made(0.6, epochs=2, n=20).scores, environments={"here": {"torch": "2.16.0"}})
    accepted(project, other)
    step = history.accepted(project, "smoke/toy", "cpu")[-1]
    assert [*map(str, step.environment)] == ["cpu: Example CPU → absent", "torch: 2.15.0 → 2.16.0"]


def test_what_is_not_committed_yet_is_the_last_step(project: Path) -> None:
    accepted(project, made(0.8, epochs=3, n=20))
    last = history.accepted(project, "smoke/toy", "cpu")[-1]
    assert (last.commit, last.subject) == ("", "")
    assert [*map(str, last.settings)] == ["train.epochs: 2 → 3"]


def test_items_come_with_their_version(tmp_path: Path) -> None:
    git(tmp_path, "init")
    for shift in (0.0, 1.0):
        one = itemised(tmp_path / "run", [{f"i{n}": n + shift for n in range(4)}])
        stored(tmp_path / "run", one.run)
        acceptance.accept(one.run, tmp_path / "run", tmp_path, "cpu", f"shift {shift}")
        commit(tmp_path, "accepted")
    columns = [
        s.items and s.items.items("m", {}, {}, "score")
        for s in history.accepted(tmp_path, "smoke/toy", "cpu")
    ]
    assert [c.values for c in columns if c] == [[0.0, 1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0]]


def test_a_project_in_a_folder_with_a_space_below_the_root(tmp_path: Path) -> None:
    git(tmp_path, "init")
    below = tmp_path / "my project"
    below.mkdir()
    accepted(below, made(0.5))
    commit(below, "below")
    assert [s.subject for s in history.accepted(below, "smoke/toy", "cpu")] == ["below"]


def test_versions_that_cannot_be_read_are_left_out_and_named(project: Path) -> None:
    whole = json.loads((project / FILE).read_text())
    for message, text in (
        ("older", json.dumps(whole | {"schema": "harness.run/0"})),
        ("edited", json.dumps(whole | {"about": "By hand."})),
        ("broken", "{"),
    ):
        (project / FILE).write_text(text)
        commit(project, message)
    accepted(project, made(0.9, epochs=4, n=20), new_protocol=True)
    commit(project, "whole again")
    found = history.read(project, "smoke/toy", "cpu")
    assert [s.subject for s in found.steps] == ["first", "longer", "more items", "whole again"]
    assert [*map(str, found.steps[-1].settings)] == ["train.epochs: 2 → 4"]  # against the last readable one
    older, edited, broken = found.notes
    assert "harness.run/0" in older
    assert "changed after it was accepted" in edited
    assert "not JSON" in broken
    assert all(n.startswith("left out: baselines/smoke/toy/cpu.json at ") for n in found.notes)


def test_a_baseline_that_was_removed_and_came_back(project: Path) -> None:
    text = (project / FILE).read_text()
    (project / FILE).unlink()
    commit(project, "no longer")
    (project / FILE).write_text(text)
    commit(project, "again")
    found = history.read(project, "smoke/toy", "cpu")
    assert len(found.steps) == 3  # what came back is what was there
    (note,) = found.notes
    assert note.startswith("baselines/smoke/toy/cpu.json: removed at ")


def test_a_broken_file_in_the_working_tree_keeps_the_history(project: Path) -> None:
    (project / FILE).write_text("{")
    found = history.read(project, "smoke/toy", "cpu")
    assert len(found.steps) == 3
    assert found.notes[0].endswith("(in the working tree)")


def test_without_a_repository_there_is_what_lies_there(tmp_path: Path) -> None:
    accepted(tmp_path, made(0.5))
    found = history.read(tmp_path, "smoke/toy", "cpu")
    assert [s.commit for s in found.steps] == [""]
    assert found.notes[0].startswith("no history: ")
    assert history.accepted(tmp_path, "smoke/toy", "gpu") == []


def test_without_git_there_is_what_lies_there(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    found = history.read(project, "smoke/toy", "cpu")
    assert len(found.steps) == 1
    assert found.notes == ("no history: git is not installed",)


def test_a_shallow_clone_says_that_there_is_more(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    clone = tmp_path_factory.mktemp("clone") / "shallow"
    git(project, "clone", "--depth", "1", project.as_uri(), str(clone))
    found = history.read(clone, "smoke/toy", "cpu")
    assert [s.subject for s in found.steps] == ["more items"]
    assert "shallow" in found.notes[0]


def test_a_name_that_no_baseline_can_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a name"):
        history.read(tmp_path, "../elsewhere", "cpu")
