"""What the CI system says about the change under test: its base, and whether it may write a shared store.

Read from what GitHub and GitLab themselves set, never from a file of the change. Elsewhere nothing is known.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.formats import strict_json


@dataclass(frozen=True)
class Change:
    """What is being tested."""

    base: str | None = None
    """Git reference whose merge base with ``HEAD`` has the baselines that count; None for a push."""
    may_write: bool = False
    """Whether it is on the default branch, so that others may take its results."""


def event() -> dict[str, Any]:
    """The payload of GitHub's event; empty elsewhere.

    Raises:
        UsageError: it cannot be read, or is no object.
    """
    named = os.environ.get("GITHUB_EVENT_PATH")
    if not named:
        return {}
    body = strict_json.read(Path(named))
    if not isinstance(body, dict):
        raise UsageError(f"{named}: not the payload of an event")
    return body


def change() -> Change:
    """The change under test.

    Raises:
        UsageError: the event's payload cannot be read.
    """
    if os.environ.get("GITHUB_ACTIONS") == "true":
        return _on_github(event(), os.environ)
    if os.environ.get("GITLAB_CI") == "true":
        return _on_gitlab(os.environ)
    return Change()


def _on_github(payload: Mapping[str, Any], variables: Mapping[str, str]) -> Change:
    name = variables.get("GITHUB_EVENT_NAME", "")
    if branch := variables.get("GITHUB_BASE_REF"):  # of pull requests alone
        return Change(f"refs/remotes/origin/{branch}")
    if name == "merge_group":
        return Change(text(payload, "merge_group", "base_sha"))
    default = text(payload, "repository", "default_branch")
    on_default = default is not None and variables.get("GITHUB_REF") == f"refs/heads/{default}"
    return Change(None, may_write=on_default and name in ("push", "schedule", "workflow_dispatch"))


def _on_gitlab(variables: Mapping[str, str]) -> Change:
    if base := variables.get("CI_MERGE_REQUEST_DIFF_BASE_SHA"):
        return Change(base)
    branch, default = variables.get("CI_COMMIT_BRANCH"), variables.get("CI_DEFAULT_BRANCH")
    return Change(None, may_write=branch is not None and branch == default)


def text(payload: Mapping[str, Any], *names: str) -> str | None:
    """A text deep in a payload; None if there is none."""
    value: Any = payload
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) and value else None


def set_outputs(outputs: Mapping[str, str]) -> None:
    """Append outputs of a step to the file that ``GITHUB_OUTPUT`` names; nothing elsewhere.

    Raises:
        UsageError: the file cannot be written.
    """
    named = os.environ.get("GITHUB_OUTPUT")
    if not named:
        return
    end = secrets.token_hex(16)  # no value can end its own text
    lines = "".join(f"{name}<<{end}\n{value}\n{end}\n" for name, value in outputs.items())
    try:
        with Path(named).open("a", encoding="utf-8") as file:
            file.write(lines)
    except OSError as e:
        raise UsageError(f"outputs of the step {named}: cannot be written ({e.strerror})") from None
