"""Plays GitHub's runner for a composite action: inputs, expressions, environment files, and the steps one by one.

``run`` steps are executed by the shell as GitHub calls it. Of the actions that steps use, up- and download of artifacts
are done with a folder; setting up Python is only noted.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from ci.expressions import evaluated, value
from command_line import environment

ROOT = Path(__file__).parents[2]
FAILS = {"always": True, "success": False, "failure": True, "cancelled": False}
GOES_WELL = {"always": True, "success": True, "failure": False, "cancelled": False}


@dataclass
class Ended:
    """What became of an action."""

    ok: bool = True
    outputs: dict[str, str] = field(default_factory=dict)
    log: str = ""
    summary: str = ""
    used: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Actions that were used, with their inputs."""


class Runner:
    """A runner with a workspace.

    Args:
        place: an empty folder for what the runner keeps.
        workspace: the checkout.
        event: name of the event.
        payload: what it tells.
        variables: more variables, as the runner sets them.
    """

    def __init__(
        self, place: Path, workspace: Path, event: str, payload: Mapping[str, Any], **variables: str
    ) -> None:
        self.place, self.workspace = place, workspace
        self.temp, self.artifacts = place / "temp", place / "artifacts"
        self.temp.mkdir(parents=True, exist_ok=True)
        (place / "event.json").write_text(json.dumps(payload))
        self.github: dict[str, Any] = {
            "event": payload,
            "event_name": event,
            "job": "gate",
            "run_id": "77",
            "token": "t0ken",
        }
        self.variables = {
            **{k: v for k, v in environment().items() if not k.startswith(("GITHUB_", "HARNESS_", "CI_"))},
            "PATH": f"{Path(sys.executable).parent}:{environment()['PATH']}",
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": event,
            "GITHUB_EVENT_PATH": str(place / "event.json"),
            "GITHUB_REPOSITORY": "team/models",
            "GITHUB_WORKSPACE": str(workspace),
            "RUNNER_TEMP": str(self.temp),
            **variables,
        }

    def run(self, action: Path, **inputs: str) -> Ended:
        """Run the action in a folder of the repository; names of inputs have ``_`` for ``-``."""
        body = yaml.safe_load((action / "action.yml").read_text(encoding="utf-8"))
        given = {name.replace("_", "-"): text for name, text in inputs.items()}
        assert given.keys() <= body["inputs"].keys(), "an input that the action has not"
        contexts: dict[str, Any] = {"github": self.github, "runner": {"temp": str(self.temp)}, "steps": {}}
        contexts["inputs"] = {
            name: given.get(name, evaluated(str(about.get("default", "")), contexts, GOES_WELL))
            for name, about in body["inputs"].items()
        }
        assert all(name in given or not about.get("required") for name, about in body["inputs"].items())
        ended = Ended()
        for step in body["runs"]["steps"]:
            status = GOES_WELL if ended.ok else FAILS
            condition = re.sub(r"^\$\{\{|\}\}$", "", step.get("if", "success()").strip())
            asks = re.search(r"\b(always|success|failure|cancelled)\(", condition)
            if not value(condition, contexts, status) or (not asks and not ended.ok):
                continue
            with_ = {k: evaluated(str(v), contexts, status) for k, v in step.get("with", {}).items()}
            env = {k: evaluated(str(v), contexts, status) for k, v in step.get("env", {}).items()}
            assert "run" not in step or "${{" not in step["run"], "an input inside a shell's text"
            ok, outputs = (
                self._shell(step, action, env, ended)
                if "run" in step
                else self._use(step["uses"], with_, ended)
            )
            contexts["steps"][step.get("id", "")] = {"outputs": outputs}
            ended.ok = ended.ok and (ok or step.get("continue-on-error", False))
        ended.outputs = {
            name: evaluated(about["value"], contexts, GOES_WELL)
            for name, about in body.get("outputs", {}).items()
        }
        return ended

    def _shell(
        self, step: dict[str, Any], action: Path, env: dict[str, str], ended: Ended
    ) -> tuple[bool, dict[str, str]]:
        assert step["shell"] == "bash"
        script, output, summary = (self.place / name for name in ("step.sh", "output", "summary.md"))
        script.write_text(step["run"])
        output.write_text("")
        summary.write_text("")
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=self.workspace,
            env={
                **self.variables,
                "GITHUB_ACTION_PATH": str(action),
                "GITHUB_OUTPUT": str(output),
                "GITHUB_STEP_SUMMARY": str(summary),
                **env,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        ended.log += done.stdout
        ended.summary += summary.read_text()
        return done.returncode == 0, dict(outputs_in(output.read_text()))

    def _use(self, name: str, with_: dict[str, str], ended: Ended) -> tuple[bool, dict[str, str]]:
        action = name.partition("@")[0]
        ended.used.append((action, with_))
        kept = self.artifacts / with_.get("name", "")
        if action == "actions/upload-artifact":
            shutil.copytree(with_["path"], kept, dirs_exist_ok=True)
            return True, {"artifact-url": f"https://example.org/artifacts/{with_['name']}"}
        if action == "actions/download-artifact":
            if not kept.is_dir():
                return False, {}
            shutil.copytree(kept, with_["path"])
        return True, {}


def outputs_in(text: str) -> list[tuple[str, str]]:
    """Outputs as a step writes them: ``name=value``, or a name, a delimiter and lines up to it."""
    found, lines = [], iter(text.split("\n")[:-1])
    for line in lines:
        name, mark, end = line.partition("<<")
        if mark and "=" not in name:
            rows = []
            for row in lines:
                if row == end:
                    break
                rows.append(row)
            found.append((name, "\n".join(rows)))
        else:
            name, equals, text = line.partition("=")
            assert equals, line
            found.append((name, text))
    return found
