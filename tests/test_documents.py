"""The code in the documents runs: Python as it stands, and every command is one that exists, with these options."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from command_line import Project, environment, package
from toy_suites import write_suite

from harness import artifact
from harness.cli.arguments import parser
from harness.cli.starting import projects
from harness.stage import REQUIRED
from harness.suite import registry
from harness.suite.registry import UnknownStageError

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
SMALL = """\
suite: smoke/land-cover
about: The suite of that name, with stages that need no torch.
subject: [classifier]
stages:
  seen:        {use: toy_classes.draw, per_class: 8, seed: 1}
  unseen:      {use: toy_classes.draw, per_class: 12, seed: 3}
  classifier:  {use: toy_classes.train, train: seen, epochs: 6}
  predictions: {use: toy_classes.predict, classifier: classifier, images: unseen}
metrics:
  land_cover: {use: toy_classes.score, predictions: predictions}
seeds:
  classifier.seed: [0, 1, 2, 3]
gate:
  land_cover.overall_accuracy: 0.5
  land_cover.loss: 0.5
"""
GUIDE = """\
suite: guide
subject: [soft]
stages:
  seen: {use: toy_images.scenes, per_class: 2, size: 32}
  soft: {use: guide.blur, images: seen, sigma: 2.0}
metrics:
  plain: {use: guide.sharpness, images: seen}
  blurred: {use: guide.sharpness, images: soft}
gate:
  blurred: 0.1
"""
REAL = f"""\
suite: smoke/land-cover
extends: {ROOT / "suites" / "smoke" / "land-cover.yaml"}
about: The suite of that name, for a minute.
stages:
  seen: {{per_class: 4}}
  watched: {{per_class: 2}}
  unseen: {{per_class: 4}}
  classifier: {{epochs: 1}}
seeds:
  classifier.seed: [0, 1, 2]
gate:
  land_cover.overall_accuracy: 0.9
  land_cover.loss: 20.0
"""


class Block(NamedTuple):
    """A fenced or an indented block of code."""

    document: Path
    line: int
    """Where its text begins, from 1."""
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"


def blocks(document: Path) -> Iterator[Block]:
    """The fenced blocks of a document."""
    lines = document.read_text(encoding="utf-8").splitlines()
    begin: tuple[int, str, str] | None = None
    for number, line in enumerate(lines, start=1):
        fence = re.match(r"( *)```(\w*)", line)
        if fence is None:
            continue
        if begin is None:
            begin = (number, fence[1], fence[2])
        else:
            first, indent, language = begin
            inner = [text.removeprefix(indent) for text in lines[first : number - 1]]
            yield Block(document, first + 1, language, "\n".join(inner) + "\n")
            begin = None
    assert begin is None, f"{document}: a block without an end"


ALL = [block for document in DOCUMENTS for block in blocks(document)]


def python_of(name: str) -> list[Block]:
    return [b for b in ALL if b.language == "python" and b.document.name == name]


def execute(block: Block, names: dict[str, Any]) -> None:
    """Run a block as it stands; a traceback shows its place in the document."""
    code = "\n" * (block.line - 1) + block.text
    exec(compile(code, str(block.document), "exec"), names)


def test_there_is_code_in_the_documents_and_every_block_of_python_is_run_here() -> None:
    ran = {
        *("python.md", "run-json.md", "scaling.md", "CONTRIBUTING.md", "keys.md"),
        *("testing.md", "artifacts.md", "bring-your-own.md"),
    }
    assert {b.document.name for b in ALL if b.language == "python"} == ran
    assert len(python_of("python.md")) >= 10


@pytest.mark.parametrize("suite", [SMALL, pytest.param(REAL, marks=pytest.mark.slow)], ids=["small", "real"])
def test_the_examples_of_the_python_interface(
    project: Project, suite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after another, in one interpreter, as they are read; the run is accepted after the first of them."""
    write_suite(project.folder, suite, "smoke/land-cover.yaml")
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])  # for workers: one example has two
    first, *others = python_of("python.md")
    names: dict[str, Any] = {"__name__": "__main__"}
    execute(first, names)
    assert names["run"].outcome == "no baseline yet"
    project.accept("smoke/land-cover")
    for block in others:
        execute(block, names)
    out = project.capsys.readouterr().out
    assert "did you mean 'epochs'?" in out
    assert names["comparison"].findings
    assert len(names["both"]) == len(names["frame"])
    assert names["logits"].shape[0] == len(names["table"])
    assert set(names["unseen"].column_names) >= {"image", "label", "file_name"}


def test_the_example_that_reads_the_rows_of_items(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    write_suite(project.folder, SMALL.replace("land_cover", "scores"), "suite.yaml")
    assert project.harness("run", "suites/suite.yaml").code == 4
    monkeypatch.chdir(project.runs[-1])
    (block,) = python_of("run-json.md")
    names: dict[str, Any] = {}
    execute(block, names)
    assert len(names["worst"]) == 20
    assert names["worst"].is_monotonic_decreasing


def test_the_example_of_a_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.engine.executors import Options
    from harness.engine.executors.workers import WorkerExecutor

    (block,) = python_of("scaling.md")
    names: dict[str, Any] = {}
    execute(block, names)
    monkeypatch.setenv("HARNESS_HOST", "elsewhere")
    made = names["executor"](Options(jobs=3))
    assert isinstance(made, WorkerExecutor)
    made.close()


def test_the_example_of_a_table_of_choices() -> None:
    (block,) = python_of("keys.md")
    names: dict[str, Any] = {"__name__": "kinds"}
    execute(block, names)
    assert names["train"].__stage__.parameters["kind"].default is REQUIRED


def test_the_examples_of_a_stage_and_a_metric(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the module of another package, in a suite."""
    code = "\n\n".join(b.text for b in python_of("CONTRIBUTING.md"))
    site = package(project.folder / "site", "guide", code)
    monkeypatch.syspath_prepend(site)
    write_suite(project.folder, GUIDE)
    assert project.harness("run", "guide").code == 4
    blurred, plain = (
        next(s["repeats"][0]["values"]["sharpness"] for s in project.latest["scores"] if s["metric"] == name)
        for name in ("blurred", "plain")
    )
    assert 0 < blurred < 0.6 * plain


def test_the_examples_of_tests_are_whole_files_that_pass(tmp_path: Path) -> None:
    """Each block is put where the document says, and nothing is added."""
    stages, tests = python_of("testing.md")
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package" / "masks.py").write_text(stages.text)
    (tmp_path / "test_masks.py").write_text(tests.text)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    assert "3 passed" in ran.stdout


def test_the_example_of_a_kind_of_ones_own(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = python_of("artifacts.md")
    monkeypatch.syspath_prepend(package(project.folder / "site", "heights", block.text))
    said = project.harness("stages", "heights.walk")
    assert said.code == 0
    assert "→ Heights" in said.out


def test_examples_of_stages_and_metrics_need_nothing_but_themselves(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole file each: it is imported alone, with the imports that it has."""
    stage, metric = python_of("CONTRIBUTING.md")
    for word, block in (("alone", stage), ("single", metric)):
        monkeypatch.syspath_prepend(package(project.folder / word, word, block.text))
    assert registry.find("alone.blur").outputs
    assert registry.find("single.sharpness").is_metric


CELLS = re.compile(r"^\| (`[A-Z].*?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
TABLE = CELLS.findall((ROOT / "docs" / "artifacts.md").read_text(encoding="utf-8"))
"""Of each line: kinds, writers, readers."""
NAMES = sorted({n for line in TABLE for n in re.findall(r"`((?:\w+\.)+\w+)`", "".join(line[1:]))})


def test_each_kind_of_artifact_has_a_line_with_its_writer_and_its_reader() -> None:
    named = [kind for kinds, _, _ in TABLE for kind in re.findall(r"`(\w+)`", kinds)]
    classes = [value for value in vars(artifact).values() if isinstance(value, type)]
    kinds = [c.__name__ for c in classes if issubclass(c, artifact.Artifact) and c is not artifact.Artifact]
    assert sorted(named) == sorted(kinds)


@pytest.mark.parametrize("name", NAMES)
def test_each_reader_and_writer_is_public_and_there(name: str) -> None:
    if name == "prompt_writer.index":  # a stage
        assert registry.find(name).outputs
        return
    if "formats.predictions." in name and importlib.util.find_spec("harness.formats.predictions") is None:
        pytest.skip(
            "harness.formats.predictions comes with the stage predictions.read, which does not exist yet"
        )
    assert "._" not in name
    parts = name.split(".")
    library = 1 if parts[0] != "harness" else len(parts) - 1
    value: Any = importlib.import_module(".".join(parts[:library]))
    for word in parts[library:]:
        value = getattr(value, word)
    assert callable(value)


README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_readme_begins_with_installing_then_a_gate_then_the_clone_and_the_ideas_come_after() -> None:
    order = ["Install", "Your own classifier in CI", "The clone: two commands", "Five ideas"]
    titles = re.findall(r"^## (.+)$", README, re.MULTILINE)
    assert titles[:3] == order[:3]
    assert titles.index(order[3]) > 3


def gate_in_readme() -> tuple[str, list[str]]:
    """The suite and the commands of "Your own classifier in CI"."""
    section = README.partition("\n## Your own classifier in CI\n")[2].partition("\n## ")[0]
    _, suite, commands = re.findall(r"^```\w*\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    return suite, commands.splitlines()


def test_the_suite_in_readme_is_the_one_that_init_writes() -> None:
    suite, _ = gate_in_readme()
    files = projects.files("predictions")
    assert files["suites/predictions.yaml"].decode().partition("\n")[2] == suite
    sample = files["data/predictions.csv"].decode().splitlines()
    assert "\n".join(["```", *sample[:2], "```"]) in README


def test_the_gate_in_readme_ends_as_it_says(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        registry.find("predictions.read")
    except UnknownStageError:
        pytest.skip("the stage predictions.read does not exist yet")
    codes = []
    for line in gate_in_readme()[1]:
        if line.startswith("cd "):
            monkeypatch.chdir(line[3:])
        elif line.startswith("harness "):
            codes.append(project.harness(*words_of(line)).code)
    assert codes == [0, 4, 0, 0]


def test_the_examples_with_files_of_other_tools(project: Project) -> None:
    """As they are read: what writes files is run, each suite is run and accepted, and its verdict is the one shown."""
    names: dict[str, Any] = {}
    suite, text, compared = "", "", []
    for block in (b for b in ALL if b.document.name == "bring-your-own.md"):
        if block.language == "python":
            execute(block, names)
        elif block.language == "csv":
            assert (project.folder / "out" / "seed-0.csv").read_text().startswith(block.text)
        elif block.language == "yaml" and block.text.startswith("suite: "):
            suite, text = block.text.splitlines()[0].removeprefix("suite: "), block.text
            write_suite(project.folder, text, f"{suite}.yaml")
            assert project.harness("run", suite).code in (0, 4), block.place  # a reference needs no baseline
            project.accept(suite)
        elif block.language == "text":
            said = project.harness("run", suite)
            assert said.code == (6 if "✗" in block.text else 0), (block.place, said.err)
            found = " ".join(said.out.split())
            for line in block.text.splitlines():
                assert " ".join(line.split()) in found, (block.place, said.out)
            compared.append(suite)
    assert compared == [f"own/{n}" for n in (
        "classifier", "probabilities", "tools", "language-model", "features", "images", "prompts"
    )]  # fmt: skip


def commands() -> list[tuple[str, str]]:
    """Every command of a document with its place: in blocks without a language, and indented by four."""
    found = []
    for document in DOCUMENTS:
        for number, line in enumerate(document.read_text(encoding="utf-8").splitlines(), start=1):
            if re.match(r"(    )?harness [a-z]", line) and (line[0] == " " or is_code(document, number)):
                found.append((f"{document.name}:{number}", line.strip()))
    return found


def is_code(document: Path, line: int) -> bool:
    return any(
        b.document == document and b.line <= line < b.line + b.text.count("\n") and b.language in ("", "sh")
        for b in ALL
    )


def words_of(line: str) -> list[str]:
    """The arguments of a command, without the remark after it and without the brackets of what may be left out."""
    command = re.split(r"  +|(?<=\S) #| the same with| \|\| ", line)[0]
    return shlex.split(re.sub(r"[\[\]]|(?<= )…", " ", command))[1:]


@pytest.mark.parametrize(("place", "line"), commands())
def test_every_command_in_the_documents_exists_with_its_options(place: str, line: str) -> None:
    options = parser().parse_args(words_of(line))
    assert options.command.split()[0] == words_of(line)[0], place


def test_the_commands_of_a_day(project: Project) -> None:
    """Those of README's "Day by day", with the toy suite in the place of SUITE."""
    write_suite(project.folder)
    place = {
        "SUITE": "toy/centre",
        "RUN": "toy/centre",
        "METRIC": "fit",
        "STAGE": "numbers",
        "BASELINE": "cpu",
    }
    (day,) = (b for b in ALL if b.document.name == "README.md" and "harness publish RUN STAGE" in b.text)
    lines = [line for line in day.text.splitlines() if line.startswith("harness")]
    assert len(lines) >= 12
    ran = []
    for line in lines:
        words = [place.get(w, w).replace("classifier.epochs", "model.epochs") for w in words_of(line)]
        if words[0] in ("fetch", "publish", "ci"):  # to a hub; a gate runs in processes of its own (tests/ci)
            continue
        words = [w if w != "DIR" else "taken" for w in words]
        said = project.harness(*words)
        assert said.code in (0, 4, 6), (line, said.err)
        assert not said.err.startswith("harness: "), (line, said.err)
        ran.append(words[0])
        if words[0] == "run" and "--set" in words:
            assert project.harness("run", "toy/centre").code == 4  # what is accepted is the suite as it is
    assert ran.count("run") == 2
    assert {"plan", "accept", "compare", "explain", "history", "calibrate", "export", "store"} <= set(ran)
