"""Failed tasks with their logs, and the warnings of stages."""

from __future__ import annotations

from pathlib import Path

from harness.compare.wording import counted, first_line, label
from harness.formats.files import opened
from harness.report.facts import warned
from harness.report.html.context import Context
from harness.report.html.parts import Block, Cell, Listing, Section, Table
from harness.store.record import TaskInfo

TAIL_BYTES = 8_000
"""Bytes shown from the end of a log, where the error is."""

LOGS = 8
"""Maximum number of logs on the page; a run's folder has all of them."""

ROWS = 100


def failures(context: Context) -> Section | None:
    """Show every failed task with its message, the first few with the end of their log; None if none failed."""
    failed = context.comparison.failures
    if not failed:
        return None
    skipped = sum(t.state == "skipped" for t in context.run.tasks)
    rows = tuple((Cell(label(t), tone="regressed"), Cell(first_line(t.error))) for t in failed[:ROWS])
    blocks: list[Block] = [
        Table("Failed tasks", ("task", "what it said"), rows, left_out=max(len(failed) - ROWS, 0))
    ]
    blocks += [_log(task, context.folder) for task in failed[:LOGS]]
    was = "was" if skipped == 1 else "were"
    lead = f"{counted(skipped, 'task')} {was} skipped for want of {'it' if len(failed) == 1 else 'them'}."
    return Section("failures", counted(len(failed), "failed task"), tuple(blocks), lead if skipped else "")


def warnings(context: Context) -> Section | None:
    """Show the warnings of stages; None if there are none."""
    found = warned(context.run)
    if not found:
        return None
    rows = tuple((Cell(w.who), Cell(w.sentence)) for w in found[:ROWS])
    table = Table("What the stages warn of", ("task", "warning"), rows, left_out=max(len(found) - ROWS, 0))
    return Section("warnings", counted(len(found), "warning"), (table,))


def _log(task: TaskInfo, folder: Path) -> Listing:
    """Return the end of a task's log, or the part of it that the record has kept."""
    file = folder / "logs" / f"{task.node}-{task.key[:8]}.txt"
    text = _tail(file) or (task.error or "no message").strip()
    return Listing(f"Log of {label(task)}", tuple(text.split("\n")), preformatted=True)


def _tail(file: Path) -> str:
    """Return the last whole lines of a file; empty if it does not exist."""
    try:
        with opened(file) as log:
            size = log.seek(0, 2)
            log.seek(max(size - TAIL_BYTES, 0))
            text = log.read().decode(errors="replace")
    except OSError:
        return ""
    if size > TAIL_BYTES:
        text = f"… {size - TAIL_BYTES:,} bytes before this\n{text.partition(chr(10))[2]}"
    return text.strip("\n")
