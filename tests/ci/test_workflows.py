"""Actions, workflows, and the files that ``docs/ci.md`` has to copy: pinned, without text of others in a shell, and of
inputs that there are. Where actionlint is installed, it finds nothing.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ci.hosted import ACTION, COMMENT

from harness.cli.arguments import parser
from harness.compare import blocking

ROOT = ACTION
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
DOCUMENT = ROOT / "docs" / "ci.md"
SCRIPTS = sorted((ROOT / "scripts" / "ci").glob("*.sh"))
ACTIONS = [ACTION / "action.yml", COMMENT / "action.yml"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT.read_text("utf-8"), re.MULTILINE | re.DOTALL)


GITHUB = [text for text in blocks("yaml") if "\njobs:" in text]
[GITLAB] = [text for text in blocks("yaml") if "\njobs:" not in text]
TEXTS = [*(file.read_text("utf-8") for file in (*WORKFLOWS, *ACTIONS)), *GITHUB]


def mappings(body: Any) -> Iterator[Mapping[str, Any]]:
    """Every mapping in a document."""
    if isinstance(body, Mapping):
        yield body
    for each in body.values() if isinstance(body, Mapping) else body if isinstance(body, list) else ():
        yield from mappings(each)


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_used_is_pinned_by_a_commit_with_its_version(text: str) -> None:
    for line in re.findall(r"uses: (.*)", text):
        if line.startswith("./"):
            continue
        if line.startswith("OWNER/harness"):
            assert line.endswith("@COMMIT")
            continue
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


@pytest.mark.parametrize("text", TEXTS)
def test_no_expression_gets_into_a_shell(text: str) -> None:
    for each in mappings(yaml.safe_load(text)):
        if isinstance(each.get("run"), str):
            assert "${{" not in each["run"]


@pytest.mark.parametrize("text", [*(f.read_text("utf-8") for f in WORKFLOWS), *GITHUB])
def test_jobs_have_a_limit_of_time_and_no_more_rights_than_they_need(text: str) -> None:
    body = yaml.safe_load(text)
    for job in body["jobs"].values():
        assert "permissions" in body or "permissions" in job
        if "uses" not in job:
            assert "timeout-minutes" in job
    checkouts = [m for m in mappings(body) if str(m.get("uses", "")).startswith("actions/checkout@")]
    pushes = "propose_lock.sh" in text
    assert pushes or all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_steps_give_the_action_inputs_that_it_has() -> None:
    inputs = {a.parent: yaml.safe_load(a.read_text("utf-8"))["inputs"] for a in ACTIONS}
    reusable = yaml.safe_load((ROOT / ".github/workflows/gate.yml").read_text("utf-8"))[True]["workflow_call"]
    seen = set()
    for text in TEXTS:
        for each in mappings(yaml.safe_load(text)):
            used = str(each.get("uses", "")).partition("@")[0]
            known = {
                "./.harness-action": inputs[ACTION],
                "OWNER/harness": inputs[ACTION],
                "OWNER/harness/comment": inputs[COMMENT],
                "OWNER/harness/.github/workflows/gate.yml": reusable["inputs"],
            }.get(used)
            if known is not None:
                seen.add(used)
                assert each["with"].keys() <= known.keys(), used
    assert len(seen) == 4


def test_the_reusable_gate_passes_every_input_of_the_action_on() -> None:
    body = yaml.safe_load((ROOT / ".github/workflows/gate.yml").read_text("utf-8"))
    [step] = [s for s in body["jobs"]["gate"]["steps"] if s.get("uses") == "./.harness-action"]
    own = yaml.safe_load((ACTION / "action.yml").read_text("utf-8"))["inputs"].keys()
    assert step["with"].keys() | {"python", "retention-days"} == own
    offered = body[True]["workflow_call"]["inputs"]
    assert {name: f"${{{{ inputs.{name} }}}}" for name in step["with"]} == step["with"]
    assert step["with"].keys() <= offered.keys()


def test_the_words_are_the_same_in_the_action_the_command_and_the_document() -> None:
    action = yaml.safe_load((ACTION / "action.yml").read_text("utf-8"))["inputs"]["fail-on"]
    assert blocking.parse(action["default"]) == blocking.USUAL
    assert blocking.parse(parser().parse_args(["ci", "gate", "x"]).fail_on) == blocking.USUAL
    document = DOCUMENT.read_text("utf-8")
    for word, code in blocking.CODES.items():
        default = "yes" if word in blocking.USUAL else "no"
        assert word in action["description"]
        assert re.search(rf"^\| [^|]+ \| `{word}` \| {default} \| {code:d} \|$", document, re.MULTILINE), word


def test_the_document_names_every_input_and_output() -> None:
    body = yaml.safe_load((ACTION / "action.yml").read_text("utf-8"))
    for name in (*body["inputs"], *body["outputs"]):
        assert f"`{name}`" in DOCUMENT.read_text("utf-8"), name


def commands(text: str) -> Iterator[list[str]]:
    """The calls of the harness in a script, as far as a shell would split them."""
    for line in re.findall(r"harness (ci .*)", text):
        yield line.partition(" ||")[0].replace("'", "").replace('"', "").split()


def test_commands_of_the_document_are_commands_of_the_harness() -> None:
    found = [c for text in (GITLAB, *blocks("sh")) for c in commands(text)]
    assert len(found) == 4
    for words in found:
        assert parser().parse_args(words).command == " ".join(words[:2])


@pytest.mark.parametrize("text", blocks("sh"))
def test_scripts_of_the_document_are_scripts(text: str) -> None:
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.name)
def test_scripts_can_be_run(script: Path) -> None:
    assert script.stat().st_mode & 0o111
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0


def test_actionlint_finds_nothing(tmp_path: Path) -> None:
    program = shutil.which("actionlint")
    if program is None:
        pytest.skip("actionlint is not installed")
    files = list(WORKFLOWS)
    for number, text in enumerate(GITHUB):
        files.append(tmp_path / f"{number}.yml")
        files[-1].write_text(text.replace("COMMIT", "0" * 40))
    done = subprocess.run([program, *map(str, files)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
