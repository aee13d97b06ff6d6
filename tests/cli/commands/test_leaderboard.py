from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import Project
from compare.runs import accepted, stored
from leaderboard.board_runs import at, subject, sweep

from harness.artifact import Json
from harness.store.record import Run
from harness.store.record_file import to_json

NAMES = ["leaderboard.csv", "leaderboard.html", "leaderboard.json", "leaderboard.md"]


def kept(project: Project, made: Run) -> str:
    """The id of a run that lies where runs lie."""
    folder = project.folder / "reports" / made.suite / made.id
    folder.mkdir(parents=True)
    stored(folder, made)
    return made.id


def test_it_writes_the_same_board_four_times(project: Project) -> None:
    said = project.harness("leaderboard", kept(project, sweep()), "--to", "board")
    assert (said.code, said.err) == (0, "")
    assert sorted(p.name for p in Path("board").iterdir()) == NAMES
    assert said.out.split() == [f"board/leaderboard.{e}" for e in ("html", "md", "csv", "json")]
    body = json.loads(Path("board/leaderboard.json").read_text())
    assert body["schema"] == "harness.leaderboard/1"
    assert body["tables"][0]["lines"][0]["name"] == "scheduler=euler"


def test_runs_suites_and_baselines_are_named_as_everywhere(project: Project) -> None:
    accepted(project.folder, subject(0.5, 1))
    latest = kept(project, subject(0.6, 2))
    by_file = stored(project.folder / "third", subject(0.7, 3))
    for names in (["smoke/toy/cpu", "smoke/toy", by_file], ["baselines/smoke/toy/cpu.json", latest, by_file]):
        assert project.harness("leaderboard", *names).code == 0
        board = json.loads(Path("reports/leaderboard/leaderboard.json").read_text())
        assert [line["key"] for line in board["tables"][0]["lines"]] == ["run-3", "run-2", "smoke/toy/cpu"]
        links = [line["origin"]["path"] for line in board["tables"][0]["lines"]]
        assert all((Path("reports/leaderboard") / link).is_file() for link in links)


def test_one_run_twice_is_on_the_board_once_and_said(project: Project) -> None:
    name = kept(project, sweep())
    said = project.harness("leaderboard", name, f"reports/smoke/toy/{name}")
    assert said.code == 0
    assert f"reports/smoke/toy/{name} is the same run as {name}, and is on the board once" in said.out
    with Path("reports/leaderboard/leaderboard.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 3


def test_figures_that_somebody_typed_are_on_the_board_with_a_note(project: Project) -> None:
    name = kept(project, sweep())
    file = project.folder / "reports" / "smoke" / "toy" / name / "run.json"
    body = json.loads(file.read_text())
    values = body["scores"][0]["repeats"][0]["values"]
    values[next(iter(values))] = 0.999
    file.write_text(json.dumps(body))
    said = project.harness("leaderboard", name, "--to", "board")
    note = f"{name} is not as the harness wrote it; somebody edited its figures"
    assert (said.code, note in said.out) == (0, True)
    assert note in Path("board/leaderboard.html").read_text()
    assert note in Path("board/leaderboard.md").read_text()


def run_of_rsicd(project: Project) -> str:
    """A run that has read a data set of the hub."""
    source: dict[str, Json] = {"reference": "arampacha/rsicd@unpinned", "digest": "sha256:0"}
    return str(stored(project.folder / "of-rsicd", replace(sweep(), id="run-9", sources=(source,))))


def test_published_rows_are_the_projects_or_those_that_are_named(project: Project) -> None:
    name = kept(project, sweep())
    read = run_of_rsicd(project)
    text = (
        "{}:\n  source: s\n  data: [arampacha/rsicd]\n  protocol: {{n: 1}}\n  metrics: {{fid: lower}}\n"
        "  rows: {{a: {{fid: 1}}}}\n"
    )
    Path("baselines").mkdir()
    Path("baselines/published.yaml").write_text(text.format("ours"))
    Path("mine.yaml").write_text(text.format("mine"))
    shown = (
        ([read], ["smoke/toy", "ours"]),
        ([name], ["smoke/toy"]),  # of other data
        ([name, "--published", "mine.yaml"], ["smoke/toy", "mine"]),
    )
    for arguments, titles in shown:
        assert project.harness("leaderboard", *arguments, "--to", "a").code == 0
        board = json.loads(Path("a/leaderboard.json").read_text())
        assert [t["title"] for t in board["tables"]] == titles


def test_rows_by_and_paired_reach_the_board(project: Project) -> None:
    from compare.runs import run

    name = kept(project, run(at(0.5, steps=10), at(0.6, steps=20), at(0.1, "other", steps=10)))
    said = project.harness(
        "leaderboard", name, "--rows", "images.steps", "--by", "other", "--paired", "steps=10", "--to", "b"
    )
    assert said.code == 0, said.err
    tables = json.loads(Path("b/leaderboard.json").read_text())["tables"]
    assert tables[0]["columns"][0]["name"] == "other.score"
    assert tables[0]["reference"] == f"{name}: steps=10"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["no-such-run"], "no run 'no-such-run'"),
        (["RUN", "--paired", "scheduler=dim"], "did you mean 'scheduler=ddim'?"),
        (["RUN", "--by", "n"], "no run has such a metric"),
        (["RUN", "--rows", "images.step"], "no run sweeps such an axis"),
        (["RUN", "--published", "none.yaml"], "none.yaml: cannot be read"),
        (["RUN", "--to", "file/below"], "the leaderboard cannot be written"),
        (["newer"], "written by another version (harness.run/9)"),
        (["nan"], "NaN is no number"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_2(
    project: Project, arguments: list[str], problem: str
) -> None:
    name = kept(project, sweep())
    Path("file").write_text("")
    body = to_json(sweep())
    for folder, change in (("newer", {"schema": "harness.run/9"}), ("nan", {})):
        Path(folder).mkdir()
        text = json.dumps(body | change)
        Path(folder, "run.json").write_text(
            text if change else text.replace("0.9,", "NaN,").replace("0.9}", "NaN}")
        )
    said = project.harness("leaderboard", *[name if a == "RUN" else a for a in arguments])
    assert said.code == 2
    assert problem in said.error
    assert not Path("reports/leaderboard").exists()


def test_no_run_at_all_is_a_mistake_of_the_command_line(project: Project) -> None:
    said = project.harness("leaderboard")
    assert said.code == 2
    assert "RUN" in said.err
