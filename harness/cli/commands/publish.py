"""``harness publish``: uploads an artifact of a stage to the model hub. Only on request, never as part of a suite."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.artifact import (
    Classifier,
    DataSet,
    FinetunedPipeline,
    ImageTextModel,
    LanguageModel,
    Pipeline,
    TextEmbedder,
    Tokenizer,
)
from harness.cli.commands.export import found
from harness.errors import Exit, HarnessError, UsageError
from harness.evaluation.artifact_choice import Stored
from harness.report import streams
from harness.store.record import Run

_MODELS = (
    Classifier,
    FinetunedPipeline,
    ImageTextModel,
    LanguageModel,
    Pipeline,
    TextEmbedder,
    Tokenizer,
)
_SHOWN = 20
"""Number of files that are listed one by one."""


def main(o: Namespace) -> Exit:
    """``harness publish``."""
    run, made = found(o)
    upload = Upload.of(made, run, o.to, private=o.private, replace=o.replace)
    for line in upload.described():
        streams.say(line)
    if not o.dry_run:
        streams.say(f"published: {upload.send()}")
    return Exit.OK


class HubError(HarnessError):
    """The hub could not be reached, or a request to it failed."""

    exit = Exit.FAILED


@dataclass(frozen=True)
class Upload:
    """A folder to upload to a repository."""

    folder: Path
    repo: str
    """Name of the repository, ``org/name``."""
    kind: Literal["dataset", "model"]
    private: bool
    replace: bool
    message: str
    """Commit message."""

    @classmethod
    def of(cls, made: Stored, run: Run, repo: str, *, private: bool, replace: bool) -> Upload:
        """Make the upload of an artifact of a run to a repository.

        Raises:
            UsageError: the artifact is neither a data set nor a model, or ``repo`` is not a repository name.
        """
        from huggingface_hub.errors import HFValidationError
        from huggingface_hub.utils import validate_repo_id

        models = {kind.__name__ for kind in _MODELS}
        if made.kind not in {*models, DataSet.__name__}:
            raise UsageError(
                f"{made.name}: {made.kind} is neither a data set nor a model; "
                "synthetic.dataset makes a data set of images"
            )
        try:
            validate_repo_id(repo)
        except HFValidationError as e:
            raise UsageError(f"--to: {e}") from None
        if "/" not in repo:
            raise UsageError(f"--to: expected org/name, not {repo!r}")
        message = f"{made.name} of {run.suite}, run {run.id}"
        return cls(
            made.folder, repo, "model" if made.kind in models else "dataset", private, replace, message
        )

    @property
    def files(self) -> dict[str, int]:
        """Files to upload: relative path → size in bytes."""
        found = (p for p in sorted(self.folder.rglob("*")) if p.is_file())
        return {p.relative_to(self.folder).as_posix(): p.stat().st_size for p in found}

    def described(self) -> Iterator[str]:
        """Describe what would be done, one line at a time."""
        files = self.files
        seen = "private" if self.private else "public"
        what = f"{len(files)} files, {sum(files.values()):,} bytes"
        yield f"{self.kind} {self.repo}, {seen}{', replaced where it exists' if self.replace else ''}: {what}"
        for name, size in list(files.items())[:_SHOWN]:
            yield f"  {name}  {size:,}"
        if len(files) > _SHOWN:
            yield f"  and {len(files) - _SHOWN} more"

    def send(self) -> str:
        """Create the repository and upload; return ``org/name@commit``, as a suite would name it.

        After an interruption, files that are already uploaded are not uploaded again.

        Raises:
            UsageError: there is no token, or it has no write access; the repository already exists, or is public
                although ``private`` was asked for.
            HubError: there is no network, or the hub failed.
        """
        from huggingface_hub import HfApi, get_token
        from huggingface_hub.utils import disable_progress_bars

        token = get_token()
        if not token:
            raise UsageError(
                "publish: the hub wants a token that may write; set HF_TOKEN, or log in ('hf auth login')"
            )
        disable_progress_bars()
        # Read the endpoint here, like the token: the library would read it when it is imported.
        api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=token)
        with self._errors():
            api.create_repo(self.repo, repo_type=self.kind, private=self.private, exist_ok=self.replace)
            if self.private and not api.repo_info(self.repo, repo_type=self.kind).private:
                raise UsageError(
                    f"{self.repo}: is there and public; --private makes no public repository private"
                )
            commit = api.upload_folder(
                repo_id=self.repo,
                repo_type=self.kind,
                folder_path=self.folder,
                commit_message=self.message,
                # A leftover file of an earlier, larger data set would be read as part of this one.
                delete_patterns="*" if self.replace else None,
            )
        return f"{self.repo}@{commit.oid}"

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn each failure of the hub into one line."""
        from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled

        try:
            yield
        except HfHubHTTPError as e:
            status = e.response.status_code
            if status in (401, 403):
                raise UsageError(
                    f"{self.repo}: the hub does not let this token write there ({status})"
                ) from None
            if status == 409 and not self.replace:
                raise UsageError(
                    f"{self.repo}: is there already; --replace puts this in its place (the hub keeps the history)"
                ) from None
            raise HubError(f"{self.repo}: the hub answered {status} ({_first_line(e)})") from None
        except OfflineModeIsEnabled:
            raise HubError(f"{self.repo}: HF_HUB_OFFLINE is set, nothing is uploaded") from None
        except (HTTPError, OSError, ValueError) as e:  # ValueError: the response does not come from the hub
            raise HubError(
                f"{self.repo}: the upload broke off ({_first_line(e)}); the same command with --replace goes on"
            ) from None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
