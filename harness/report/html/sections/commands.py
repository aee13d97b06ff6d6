"""The next commands: reproduce the run, accept it, or look closer."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from harness.compare.comparison import Verdict
from harness.compare.wording import worst_first
from harness.report.finding_text import more_evidence
from harness.report.html.context import Context
from harness.report.html.parts import Listing, Section
from harness.store.environment import device_class


def commands(context: Context) -> Section:
    """Show the commands that fit this run's verdict."""
    blocks = [Listing(title, lines, preformatted=True) for title, lines in _asked(context)]
    return Section("commands", "Commands", tuple(blocks))


def _asked(context: Context) -> Iterator[tuple[str, tuple[str, ...]]]:
    run, comparison = context.run, context.comparison
    yield "Reproduce this run", tuple(_reproduce(context))
    named = named_run(context)
    if run.is_complete:
        yield "Accept it as the baseline", (f"harness accept {named}{_label(context)} --reason '…'",)
    gated = [f for f in worst_first(comparison.findings) if f.gated]
    judged = list(dict.fromkeys(f.name for f in gated if f.estimate and f.verdict is not Verdict.UNCHANGED))
    if judged and comparison.baseline is not None:
        yield (
            "See the items that moved a metric most",
            tuple(f"harness explain {named} {shlex.quote(name)}" for name in judged[:3]),
        )
    if changes := _commits(context):
        yield "See what was committed since the baseline", (changes,)
    if more := more_evidence(run, comparison):
        yield "Decide what is inconclusive", more
    if comparison.accepted is not None:
        yield (
            "See what was accepted before",
            (f"harness history {shlex.quote(run.suite)} --label {shlex.quote(comparison.accepted.label)}",),
        )


def named_run(context: Context) -> str:
    """Return the name of the run for commands: its id if it is in the project's reports, else its folder."""
    run = context.run
    place = ("reports", *run.suite.split("/"), run.id)
    is_found_by_id = context.folder.absolute().parts[-len(place) :] == place
    return run.id if is_found_by_id else shlex.quote(str(context.folder))


def _commits(context: Context) -> str:
    """Return the command that lists the commits between the two sides; empty if there are none."""
    if context.baseline is None:
        return ""
    theirs, ours = (r.provenance.get("commit") for r in (context.baseline.run, context.run))
    return f"git log --oneline {theirs}..{ours}" if theirs and ours and theirs != ours else ""


def _label(context: Context) -> str:
    """Return the option to accept under the label it was compared with; empty if that is the default."""
    accepted, run = context.comparison.accepted, context.run
    usual = device_class(run.environments[run.environment])
    return "" if accepted is None or accepted.label == usual else f" --label {shlex.quote(accepted.label)}"


def _reproduce(context: Context) -> Iterator[str]:
    provenance, environment = context.run.provenance, context.run.environments[context.run.environment]
    if commit := provenance.get("commit"):
        yield f"git checkout {commit}" + (
            "   # and the changes that were not committed" if provenance.get("dirty") else ""
        )
    if image := environment.get("image") or environment.get("image_config"):
        yield f"# in the image {image}"
    command = provenance.get("command")
    words = [str(word) for word in command] if isinstance(command, list | tuple) else []
    yield shlex.join(words) if words else "# the record does not say how it was started"
