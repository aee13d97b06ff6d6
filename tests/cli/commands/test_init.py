"""``harness init``: a project that runs to its first verdict as it is written, and never over somebody's files."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ci.hosted import ACTION
from command_line import Project
from disks import files_up_to, read_only
from git_repository import git
from jsonschema import Draft202012Validator
from toy_suites import write_suite

from harness.cli.arguments import KINDS
from harness.cli.starting import projects
from harness.engine import extras
from harness.suite import load, registry
from harness.suite.json_schema import json_schema
from harness.suite.registry import UnknownStageError


def has(stage: str) -> bool:
    try:
        registry.find(stage)
    except UnknownStageError:
        return False
    return True


LANDED = has("predictions.read") and has("classification.accuracies")
AWAITED = pytest.mark.skipif(
    not LANDED, reason="the stages predictions.read and classification.accuracies do not exist yet"
)
EACH = [pytest.param(kind, marks=[AWAITED] if kind == "predictions" else []) for kind in KINDS]
RUNS = [
    pytest.param("predictions", marks=AWAITED),
    pytest.param("images"),
    pytest.param("language-model", marks=pytest.mark.slow),
    pytest.param("classifier", marks=pytest.mark.slow),
    pytest.param("schedulers", marks=pytest.mark.slow),
]


def started(project: Project, kind: str) -> Path:
    """A new project of this kind, which is the working folder's only content."""
    (project.folder / "suites").rmdir()
    said = project.harness("init", "--kind", kind)
    assert said.code == 0, said.err
    return project.folder / "suites" / f"{kind}.yaml"


def everything(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("kind", RUNS)
def test_a_project_runs_to_its_first_verdict_and_is_unchanged_after_it_is_accepted(
    project: Project, kind: str
) -> None:
    suite = started(project, kind)
    first = project.harness("run", suite)
    assert first.code == 4, first.err
    assert "no baseline" in first.out
    assert {t["state"] for t in project.latest["tasks"]} == {"executed"}
    project.accept(kind)
    again = project.harness("run", suite)
    assert again.code == 0, again.out
    assert "= unchanged: 1 gated: 1 unchanged" in again.out


@AWAITED
def test_worse_predictions_of_another_model_are_a_regression(project: Project) -> None:
    suite = started(project, "predictions")
    assert project.harness("run", suite).code == 4
    project.accept("predictions")
    file = project.folder / "data" / "predictions.csv"
    head, *rows = file.read_text().splitlines()
    worse = [re.sub(r",\w+$", ",field", row) for row in rows]
    file.write_text("\n".join([head, *worse]) + "\n")
    assert project.harness("run", suite).code == 6


def test_every_kind_of_the_command_line_is_described_with_its_extra() -> None:
    assert list(projects.KINDS) == list(KINDS)
    assert {kind.extra for kind in projects.KINDS.values()} <= extras.extras().keys()


@pytest.mark.parametrize("kind", EACH)
def test_the_extra_has_what_the_stages_of_the_suite_declare(project: Project, kind: str) -> None:
    suite = load(started(project, kind))
    declared = {software for node in suite.nodes.values() for software in node.stage.software}
    brought = extras.extras()
    assert {s.lower() for s in declared} <= brought[projects.KINDS[kind].extra] | brought[""]


@pytest.mark.parametrize("kind", EACH)
def test_editors_find_the_schema_that_the_suite_names_and_nothing_wrong(project: Project, kind: str) -> None:
    suite = started(project, kind)
    first, text = suite.read_text().split("\n", 1)
    named = re.fullmatch(r"# yaml-language-server: \$schema=(.+)", first)
    assert named is not None
    printed = project.harness("schema").json
    schema = (suite.parent / named[1]).read_text()
    assert json.loads(schema) == printed == json_schema()
    body = yaml.safe_load(
        text.replace("1e-3", "0.001").replace("2e-3", "0.002")
    )  # YAML 1.1 takes them for texts
    assert [e.message for e in Draft202012Validator(printed).iter_errors(body)] == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_workflow_is_the_one_of_the_document(kind: str) -> None:
    document = (ACTION / "docs" / "ci.md").read_text("utf-8")
    text = next(
        t for t in re.findall(r"```yaml\n(.*?)```", document, re.DOTALL) if t.startswith("name: gate\n")
    )
    expected: Any = yaml.safe_load(text)
    own: Any = yaml.safe_load(projects.files(kind)[projects.WORKFLOW])
    steps = expected["jobs"]["gate"]["steps"]
    expected["jobs"]["gate"]["steps"] = steps[:2]  # the third one only prints
    steps[1]["with"] |= {"suite": "suites/*.yaml", "extras": projects.KINDS[kind].extra}
    assert own == expected
    for line in re.findall(r"uses: .*", text.partition("OWNER")[0]):
        assert line in projects.files(kind)[projects.WORKFLOW].decode()


def test_actionlint_finds_nothing_in_the_workflow(tmp_path: Path) -> None:
    program = shutil.which("actionlint")
    if program is None:
        pytest.skip("actionlint is not installed")
    file = tmp_path / "gate.yml"
    file.write_bytes(projects.files("classifier")[projects.WORKFLOW])
    ran = subprocess.run([program, file], capture_output=True, text=True, check=False)
    assert ran.stdout.replace("OWNER/harness@COMMIT", "") == ""


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_files_are_written_each_time(kind: str) -> None:
    assert projects.files(kind) == projects.files(kind)


def test_git_is_shown_the_baseline_but_no_runs(project: Project) -> None:
    started(project, "images")
    write_suite(project.folder, name="quick.yaml")
    git(project.folder, "init", "-q", "-b", "main")
    git(project.folder, "add", "-A")
    git(project.folder, "commit", "-qm", "A gate")
    assert project.harness("run", "toy/centre").code == 4
    assert project.runs
    assert git(project.folder, "status", "--porcelain") == ""
    project.accept()
    shown = git(project.folder, "status", "--porcelain", "--untracked-files=all").splitlines()
    assert shown
    assert all(line.startswith("?? baselines/toy/centre/cpu.") for line in shown)


def test_without_a_kind_they_are_listed_and_nothing_is_written(project: Project) -> None:
    said = project.harness("init")
    assert said.code == 0
    assert [line.split()[0] for line in said.out.splitlines()] == list(KINDS)
    said = project.harness("init", "gate")
    assert said.code == 2
    assert said.error == "init: say which with --kind KIND; nothing was written"
    assert [line.split()[0] for line in said.out.splitlines()] == list(KINDS)
    assert not (project.folder / "gate").exists()


def test_a_folder_is_made_and_what_it_says_leads_there(project: Project) -> None:
    said = project.harness("init", "new/my gate", "--kind", "images")
    assert said.code == 0
    assert said.err == ""
    assert "cd 'new/my gate' && harness run suites/images.yaml" in said.out
    assert (project.folder / "new" / "my gate" / "baselines" / "README.md").is_file()
    assert "data: a sample of 49 files" in said.out


def test_files_of_others_are_kept_beside_the_new_ones(project: Project) -> None:
    (project.folder / "src").mkdir()
    (project.folder / "src" / "train.py").write_text("own")
    started(project, "images")
    assert (project.folder / "src" / "train.py").read_text() == "own"


@pytest.mark.parametrize(
    ("taken", "named"),
    [
        (("README.md",), "README.md is"),
        (("suites/images.yaml",), "suites/images.yaml is"),
        (("data/real/field/00.png", ".gitignore"), ".gitignore, data/real/field/00.png are"),
        (("data",), "data/real/field/00.png, data/real/field/01.png, data/real/field/02.png and 46 more are"),
    ],
)
def test_a_file_that_is_there_stays_and_nothing_is_written(
    project: Project, taken: tuple[str, ...], named: str
) -> None:
    folder = project.folder / "gate"
    for name in taken:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("own")
    said = project.harness("init", "gate", "--kind", "images")
    assert said.code == 2
    assert said.error == f"gate: {named} there already; nothing was written, name an empty folder"
    assert said.out == ""
    assert everything(folder) == dict.fromkeys(taken, b"own")


def test_a_link_to_nothing_is_in_the_way_too(project: Project) -> None:
    (project.folder / "README.md").symlink_to("nowhere")
    said = project.harness("init", "--kind", "images")
    assert said.code == 2
    assert "README.md is there already" in said.error
    assert not (project.folder / "nowhere").exists()


def test_where_nothing_can_be_written_nothing_is_left(project: Project) -> None:
    (project.folder / "file").write_text("own")
    said = project.harness("init", "file", "--kind", "images")
    assert said.code == 2
    assert said.error == "file: cannot be written (File exists); nothing was written"
    (project.folder / "held").mkdir()
    with read_only(project.folder / "held"):
        said = project.harness("init", "held/gate", "--kind", "images")
        assert said.code == 2
        assert "cannot be written" in said.error
    before = everything(project.folder)
    with files_up_to(2_500):  # the schema does not fit
        said = project.harness("init", "gate", "--kind", "images")
    assert said.code == 2
    assert said.error == "gate: cannot be written (File too large); nothing was written"
    assert everything(project.folder) == before
    assert not (project.folder / "gate").exists()


def test_inside_a_repository_it_is_said_where_the_workflow_belongs(project: Project) -> None:
    git(project.folder, "init", "-q")
    said = project.harness("init", "gate", "--kind", "images")
    assert said.code == 0
    assert f"gate is inside the repository {project.folder}" in said.err
    assert "move .github/workflows/gate.yml to its root" in said.err
