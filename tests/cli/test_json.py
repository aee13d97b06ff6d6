"""``--json``: one strict document on standard output, nothing else there, with the keys that docs/json.md names."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from command_line import Project, Said
from fake_docker import install
from rated import exported, reviewed
from toy_suites import changed, write_suite

from harness.formats import strict_json

DOCUMENT = (Path(__file__).parents[2] / "docs" / "json.md").read_text(encoding="utf-8")


def documented(command: str) -> set[str]:
    """The keys in the first table below a command's heading."""
    _, _, body = DOCUMENT.partition(f"## `harness {command}`\n")
    table = body.strip().partition("\n\n")[0]
    first = re.findall(r"^\| (`[^|]*) \|", table, flags=re.MULTILINE)
    return set(re.findall(r"`(\w+)`", " ".join(first)))


def strict(said: Said) -> Any:
    """The whole of standard output as one strict document."""
    return strict_json.loads(said.out, "standard output")


@pytest.fixture
def judged(project: Project) -> Project:
    """A project with a baseline and a run that is judged by it."""
    write_suite(project.folder)
    assert project.harness("run", "toy/centre").code == 4
    project.accept()
    return project


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("plan", ("plan", "toy/centre")),
        ("explain", ("explain", "toy/centre", "fit")),
        ("history", ("history", "toy/centre")),
        ("calibrate", ("calibrate", "toy/centre")),
        ("rescore", ("rescore", "toy/centre/cpu")),
        ("stages", ("stages",)),
        ("store gc", ("store", "gc", "--dry-run")),
        ("store verify", ("store", "verify")),
        ("run", ("run", "toy/centre")),
    ],
)
def test_the_document_has_the_documented_keys(
    judged: Project, command: str, arguments: tuple[str, ...]
) -> None:
    plain, said = judged.harness(*arguments), judged.harness(*arguments, "--json")
    assert said.code == plain.code == 0, said.err
    body = strict(said)
    assert documented(command)
    assert set(body) == documented(command)


def test_a_run_tells_what_became_of_every_suite(judged: Project) -> None:
    other = changed(("toy/centre", "toy/other"))
    write_suite(judged.folder, other, "other.yaml")
    said = judged.harness("run", "suites", "--json")
    body = strict(said)
    assert (said.code, body["exit"]) == (4, 4)
    told = {run["suite"]: (run["outcome"], run["exit"]) for run in body["runs"]}
    assert told == {"toy/centre": ("unchanged", 0), "toy/other": ("no baseline yet", 4)}
    for run in body["runs"]:
        assert Path(run["report"]).is_file()
        assert run["comparison"]["suite"] == run["suite"]
        assert set(run) == {
            *("suite", "file", "exit", "outcome", "error", "run", "folder", "report", "comparison")
        }


def test_nothing_for_a_ci_system_is_between(judged: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    said = judged.harness("run", "toy/centre", "--set", "model.epochs=1", "--json")
    assert strict(said)["runs"][0]["outcome"] != "unchanged"
    assert "::" not in said.out.partition("{")[0]


def test_the_plan_names_each_task_and_gate(judged: Project) -> None:
    body = strict(judged.harness("plan", "toy/centre", "--set", "model.epochs=6", "--json"))
    assert len(body["tasks"]) == 26
    assert body["to_run"] == sum(task["to_run"] for task in body["tasks"]) > 0
    assert {task["stage"] for task in body["tasks"]} == {"numbers", "parts", "model", "fit"}
    assert [gate["metric"] for gate in body["gates"]] == ["fit", "fit"]
    assert all(gate["sees"] > 0 for gate in body["gates"])


def test_an_explanation_has_the_parts_of_its_tables(judged: Project) -> None:
    judged.harness("run", "toy/centre", "--set", "model.epochs=1")
    body = strict(judged.harness("explain", "toy/centre", "fit.error", "--most", "3", "--json"))
    (one,) = (e for e in body["explained"] if e["finding"]["against"] is None)
    assert len(one["parts"]["item"]) == 3
    hurt = [part["contribution"] for part in one["parts"]["item"]]
    assert hurt == sorted(hurt, reverse=True)
    assert set(one["parts"]["item"][0]) == {
        *("item", "cluster", "seeds", "point", "before", "after", "contribution", "label")
    }


def test_without_a_baseline_the_explanation_says_why(project: Project) -> None:
    write_suite(project.folder)
    assert project.harness("run", "toy/centre").code == 4
    said = project.harness("explain", "toy/centre", "fit", "--json")
    assert said.code == 4
    assert strict(said)["explained"] == []
    assert "no baseline 'cpu'" in strict(said)["note"]


def test_a_stage_is_described_as_in_the_list(judged: Project) -> None:
    (one,) = strict(judged.harness("stages", "toy.train", "--json"))["stages"]
    assert one in strict(judged.harness("stages", "--json"))["stages"]
    assert one["parameters"]["epochs"] == {
        "type": one["parameters"]["epochs"]["type"],
        "required": False,
        "default": 3,
        "mark": None,
    }
    assert one["inputs"]["start"] == {"kind": "Model", "many": False, "optional": True}
    assert one["scores"] is None


def test_a_damaged_entry_is_named_and_the_exit_code_stays(judged: Project) -> None:
    file = next((judged.folder / ".harness" / "objects").rglob("model.json"))
    file.chmod(0o644)
    file.write_text(file.read_text().replace("{", "[", 1))
    said = judged.harness("store", "verify", "--json")
    assert said.code == 5
    (damaged,) = strict(said)["damaged"]
    assert damaged["use"] == "toy.train"
    assert damaged["removed"] is False


def test_what_would_be_removed_is_listed_with_its_size(judged: Project) -> None:
    judged.harness("run", "toy/centre", "--set", "model.epochs=1")
    for folder in judged.runs[1:]:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    body = strict(judged.harness("store", "gc", "--dry-run", "--age", "0", "--json"))
    assert body["dry_run"] is True
    assert body["gone"]
    assert all(gone["size"] > 0 for gone in body["gone"] if gone["what"] == "entry")


def test_the_size_of_the_store_is_an_array(judged: Project) -> None:
    rows = strict(judged.harness("store", "du", "--json"))
    assert {row["use"] for row in rows} >= {"toy.draw", "toy.train", "toy.measure"}
    assert set(rows[0]) == {"suite", "use", "kind", "entries", "size"}


def test_a_board_is_the_file_that_it_wrote(judged: Project) -> None:
    body = strict(judged.harness("leaderboard", "toy/centre", "--json"))
    file = Path(body.pop("folder")) / "leaderboard.json"
    assert strict_json.read(file) == body


def test_a_review_is_the_file_that_it_wrote(project: Project) -> None:
    review = reviewed(project.folder)
    for rater, answer in (("ada", 3), ("bob", 4)):
        body = exported(review.key, rater, lambda shown, scale, answer=answer: answer)
        (project.folder / f"{rater}.json").write_text(json.dumps(body))
    (project.folder / "other.json").write_text("{}")
    said = project.harness(
        *("review", "collect", review.folder, "ada.json", "bob.json", "other.json"),
        *("--store", review.store.root, "--json"),
    )
    assert said.code == 0, said.err
    body = strict(said)
    assert Path(body.pop("report")).is_file()
    assert [line.partition(":")[0] for line in body.pop("left_out")] == ["other.json"]
    assert body.pop("in_part") == []
    assert strict_json.read(review.folder / "review.json") == body


def test_a_calibration_over_environments_names_the_runs(judged: Project) -> None:
    judged.harness("run", "toy/centre")
    body = strict(judged.harness("calibrate", "toy/centre", "--environments", "reports", "--json"))
    assert set(body) == documented("calibrate")
    assert [Path(run).name for run in body["runs"]] == [folder.name for folder in judged.runs]
    assert all(gate["largest"] >= 0 for gate in body["gates"])


def test_what_images_are_locked(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = f"sha256:{'1' * 64}"
    for name, value in install(project.folder / "docker", {"localhost/toys": [digest]}, {}).items():
        monkeypatch.setenv(name, value)
    said = project.harness("image", "lock", "toys=localhost/toys", "--json")
    assert said.code == 0, said.err
    assert set(strict(said)) == documented("image lock")
    assert strict(said)["images"]["toys"]["runs_as"] == digest


def test_fetching_nothing_is_an_empty_list(judged: Project) -> None:
    said = judged.harness("fetch", "toy/centre", "--to", "mirror", "--pin", "--json")
    assert said.code == 0, said.err
    assert strict(said) == {"schema": "harness.fetch/1", "pinned": [], "fetched": []}
    assert set(strict(said)) == documented("fetch")


def test_every_command_with_json_is_in_the_document() -> None:
    from harness.cli.arguments import parser

    def commands(root: Any, words: str = "") -> dict[str, Any]:
        found: dict[str, Any] = {}
        for action in root._actions:
            for name, inner in (action.choices or {}).items() if hasattr(action, "add_parser") else ():
                below = commands(inner, f"{words}{name} ")
                found |= below or {f"{words}{name}": inner}
        return found

    known = {name for name, inner in commands(parser()).items() if "--json" in inner._option_string_actions}
    table = re.findall(r"^\| `([a-z ]+)` \| ", DOCUMENT.partition("\n## ")[0], flags=re.MULTILINE)
    assert len(known) >= 15
    assert known == set(table)
