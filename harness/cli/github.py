"""Posts the comment of a gate on GitHub, by its REST interface: one comment for each gate, which later runs update.

The pull request is the one that the event of the workflow is about. Of ``workflow_run``, which has a token that may
write, the event names the commit that was tested, and GitHub is asked which open pull request has it as its head. What
an artifact says plays no part in that. A pull request that has moved on gets no comment about an older commit.
"""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from harness.cli import ci_system
from harness.cli.ci_system import text
from harness.errors import Exit, HarnessError, UsageError
from harness.formats import strict_json
from harness.report import comment
from harness.report.comment import Judged

TIMEOUT_S = 30
PAGE = 100
"""Comments that are asked for at once; the most that GitHub gives."""
MOST_PAGES = 50

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


class HostError(HarnessError):
    """GitHub could not be reached, or refused a request."""

    exit = Exit.FAILED


@dataclass(frozen=True)
class Comments:
    """The comments of a repository."""

    api: str
    """Address of the interface, without ``/`` at its end."""
    token: str
    repository: str
    """``owner/name``."""
    author: str
    """Login of whom the token belongs to: only comments of this account are updated."""
    event: str
    payload: Mapping[str, Any]

    @classmethod
    def from_environment(cls, author: str) -> Comments:
        """Take token, repository and event from the variables of a step.

        Raises:
            UsageError: one is missing.
        """
        named = {name: os.environ.get(name, "") for name in ("GITHUB_TOKEN", "GITHUB_REPOSITORY")}
        for name, value in named.items():
            if not value:
                raise UsageError(
                    f"ci comment --post: {name} is not set; it is meant for a step of a GitHub workflow"
                )
        if not _REPOSITORY.fullmatch(named["GITHUB_REPOSITORY"]):
            raise UsageError(f"GITHUB_REPOSITORY={named['GITHUB_REPOSITORY']}: expected OWNER/NAME")
        api = os.environ.get("GITHUB_API_URL") or "https://api.github.com"
        event = os.environ.get("GITHUB_EVENT_NAME", "")
        return cls(
            api.rstrip("/"),
            named["GITHUB_TOKEN"],
            named["GITHUB_REPOSITORY"],
            author,
            event,
            ci_system.event(),
        )

    def publish(self, judged: Sequence[Judged], *, name: str, pictures: str = "") -> str:
        """Post or update the comment; return what was done, in one line.

        Raises:
            UsageError: the event is about no pull request.
            HostError: GitHub refuses, or cannot be reached.
        """
        subject = self.payload.get("workflow_run" if self.event == "workflow_run" else "pull_request")
        if not isinstance(subject, Mapping):
            raise UsageError(
                f"ci comment --post: an event {self.event!r} is about no pull request; "
                "use it in a workflow of workflow_run or pull_request"
            )
        if self.event == "workflow_run":
            if subject.get("event") != "pull_request":
                return f"the workflow ran for an event {subject.get('event')!r}: nothing is posted"
            number, link = self._tested(subject), text(subject, "html_url") or ""
            head, source = text(subject, "head_sha"), text(subject, "head_repository", "full_name")
        else:
            number, link = _number(subject), self._own_run()
            head, source = text(subject, "head", "sha"), text(subject, "head", "repo", "full_name")
        if number is None:
            return "no open pull request has the tested commit as its head any more: nothing is posted"
        notes = [f"Commit {(head or '')[:12]}."]
        if source != self.repository:
            notes.append("The figures are those that the code of this pull request, from a fork, reports.")
        body = comment.render(
            judged, name=name, notes=notes, link=link if _is_address(link) else "", pictures=pictures
        )
        return self._put(number, comment.marker(name), body)

    def _tested(self, run: Mapping[str, Any]) -> int | None:
        """The open pull request whose head is the tested commit; None if there is none.

        GitHub's own list in the event is empty for forks.

        Raises:
            HostError: there are several: the gate was of one of them, and nothing says of which.
        """
        owner, branch = text(run, "head_repository", "owner", "login"), text(run, "head_branch")
        head, source = text(run, "head_sha"), text(run, "head_repository", "full_name")
        if not (owner and branch and head and source):
            return None
        query = urlencode({"state": "open", "head": f"{owner}:{branch}", "per_page": PAGE})
        found = {
            number
            for pull in _objects(self._ask("GET", f"/repos/{self.repository}/pulls?{query}"))
            if text(pull, "head", "sha") == head
            and text(pull, "head", "repo", "full_name") == source
            and text(pull, "base", "repo", "full_name") == self.repository
            and (number := _number(pull)) is not None
        }
        named = {_number(pull) for pull in _objects(run.get("pull_requests"))}
        if len(found) > 1 and len(found & named) == 1:
            found &= named
        if len(found) > 1:
            told = ", ".join(f"#{number}" for number in sorted(found))
            raise HostError(f"{head[:12]} is the head of several pull requests ({told}): nothing is posted")
        return found.pop() if found else None

    def _put(self, number: int, marker: str, body: str) -> str:
        ours = self._ours(number, marker)
        if ours is None:
            self._ask("POST", f"/repos/{self.repository}/issues/{number}/comments", {"body": body})
            return f"commented on #{number}"
        self._ask("PATCH", f"/repos/{self.repository}/issues/comments/{ours}", {"body": body})
        return f"updated the comment on #{number}"

    def _ours(self, number: int, marker: str) -> int | None:
        """The id of the comment that begins with the marker and is by the account of the token."""
        for page in range(1, MOST_PAGES + 1):
            query = urlencode({"per_page": PAGE, "page": page})
            found = _objects(self._ask("GET", f"/repos/{self.repository}/issues/{number}/comments?{query}"))
            for each in found:
                mine = text(each, "user", "login") == self.author
                if mine and (text(each, "body") or "").startswith(marker) and isinstance(each.get("id"), int):
                    return int(each["id"])
            if len(found) < PAGE:
                break
        return None

    def _own_run(self) -> str:
        server, run = os.environ.get("GITHUB_SERVER_URL", ""), os.environ.get("GITHUB_RUN_ID", "")
        return f"{server}/{self.repository}/actions/runs/{run}" if server and run else ""

    def _ask(self, method: str, path: str, body: Mapping[str, str] | None = None) -> Any:
        request = urllib.request.Request(
            f"{self.api}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
                "User-Agent": "harness",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
        what = f"{method} {path.partition('?')[0]}"
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                return strict_json.loads(answer.read(), what)
        except urllib.error.HTTPError as e:
            needs = "; the job needs 'permissions: pull-requests: write'" if e.code in (401, 403, 404) else ""
            raise HostError(f"GitHub answered {e.code} to {what}{needs}") from None
        except (OSError, ValueError) as e:
            reason = getattr(e, "reason", None) or e
            raise HostError(f"GitHub cannot be reached for {what} ({reason})") from None
        except UsageError as e:
            raise HostError(f"GitHub's answer cannot be read: {e}") from None


def _objects(body: Any) -> list[Mapping[str, Any]]:
    return [each for each in body if isinstance(each, Mapping)] if isinstance(body, list) else []


def _number(pull: Mapping[str, Any]) -> int | None:
    number = pull.get("number")
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def _is_address(link: str) -> bool:
    return re.fullmatch(r"https?://[^\s()<>\"'`\\]+", link) is not None
