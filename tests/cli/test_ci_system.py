"""What GitHub and GitLab say about a change: its base, and whether it may write the shared store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.cli.ci_system import Change, change, set_outputs
from harness.errors import UsageError

REPOSITORY = {"repository": {"default_branch": "main"}}
MAIN = "refs/heads/main"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever system runs the tests."""
    github = ("ACTIONS", "EVENT_PATH", "EVENT_NAME", "BASE_REF", "REF", "OUTPUT")
    gitlab = ("GITLAB_CI", "CI_MERGE_REQUEST_DIFF_BASE_SHA", "CI_COMMIT_BRANCH", "CI_DEFAULT_BRANCH")
    for name in (*(f"GITHUB_{n}" for n in github), *gitlab):
        monkeypatch.delenv(name, raising=False)


def on_github(
    monkeypatch: pytest.MonkeyPatch, folder: Path, event: str, payload: Any, **variables: str
) -> None:
    (folder / "event.json").write_text(json.dumps(payload))
    told = {"ACTIONS": "true", "EVENT_NAME": event, "EVENT_PATH": str(folder / "event.json"), **variables}
    for name, value in told.items():
        monkeypatch.setenv(f"GITHUB_{name}", value)


@pytest.mark.parametrize(
    ("event", "payload", "variables", "expected"),
    [
        ("pull_request", REPOSITORY, {"BASE_REF": "main"}, Change("refs/remotes/origin/main")),
        ("pull_request", REPOSITORY, {"BASE_REF": "main", "REF": MAIN}, Change("refs/remotes/origin/main")),
        ("merge_group", {"merge_group": {"base_sha": "abc"}}, {}, Change("abc")),
        ("push", REPOSITORY, {"REF": MAIN}, Change(None, may_write=True)),
        ("schedule", REPOSITORY, {"REF": MAIN}, Change(None, may_write=True)),
        ("push", REPOSITORY, {"REF": "refs/heads/other"}, Change()),
        ("push", REPOSITORY, {"REF": "refs/tags/main"}, Change()),
        ("push", {}, {"REF": "refs/heads/None"}, Change()),
        ("issue_comment", REPOSITORY, {"REF": MAIN}, Change()),
        ("workflow_run", REPOSITORY, {"REF": MAIN}, Change()),
    ],
)
def test_on_github(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    event: str,
    payload: Any,
    variables: dict[str, str],
    expected: Change,
) -> None:
    on_github(monkeypatch, tmp_path, event, payload, **variables)
    assert change() == expected


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"CI_MERGE_REQUEST_DIFF_BASE_SHA": "abc"}, Change("abc")),
        ({"CI_COMMIT_BRANCH": "main", "CI_DEFAULT_BRANCH": "main"}, Change(None, may_write=True)),
        ({"CI_COMMIT_BRANCH": "other", "CI_DEFAULT_BRANCH": "main"}, Change()),
        ({}, Change()),
    ],
)
def test_on_gitlab(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: Change) -> None:
    for name, value in {"GITLAB_CI": "true", **variables}.items():
        monkeypatch.setenv(name, value)
    assert change() == expected


def test_elsewhere_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_BASE_REF", "main")
    assert change() == Change()


@pytest.mark.parametrize("content", ["[]", "{", ""])
def test_a_damaged_payload_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str) -> None:
    on_github(monkeypatch, tmp_path, "push", {})
    (tmp_path / "event.json").write_text(content)
    with pytest.raises(UsageError, match=r"event\.json"):
        change()


def test_an_output_cannot_set_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "output"
    file.write_text("before=1\n")
    monkeypatch.setenv("GITHUB_OUTPUT", str(file))
    set_outputs({"verdict": "unchanged\nverdict=improved", "run": ""})
    before, first, *lines = file.read_text().split("\n")
    name, _, end = first.partition("<<")
    assert (before, name, lines[:3]) == ("before=1", "verdict", ["unchanged", "verdict=improved", end])
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path))
    with pytest.raises(UsageError, match="outputs of the step"):
        set_outputs({"a": "b"})
