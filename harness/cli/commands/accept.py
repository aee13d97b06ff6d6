"""``harness accept``: make a run the baseline."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from harness.compare.acceptance import accept, untimed
from harness.errors import Exit, UsageError
from harness.evaluation.baseline_choice import label_of
from harness.evaluation.record_choice import run_folder
from harness.report import streams
from harness.store import project, record_file


def main(o: Namespace) -> Exit:
    """``harness accept``."""
    folder = run_folder(o.run, project.of(Path.cwd()))
    home = project.of_run(folder)
    run = record_file.load(folder)
    words = run.provenance.get("command")
    changed = [w for w in words if str(w).startswith("--set")] if isinstance(words, list | tuple) else []
    if (
        changed
        and o.run != run.id
        and Path(o.run).resolve() not in (folder.resolve(), folder.resolve() / "run.json")
    ):
        raise UsageError(
            f"{o.run}: its latest run, {run.id}, was made with --set; to accept it all the same, name the run"
        )
    if not record_file.is_sealed(folder):
        raise UsageError(f"{folder}: not as the harness wrote it; run the suite again and accept that run")
    path = accept(run, folder, home, o.label or label_of(run), o.reason, o.new_protocol)
    streams.say(f"accepted: {path}")
    if late := untimed(run):
        streams.say(
            f"  no timing: what {', '.join(late)} timed came from the store; to accept times, run it with --fresh STAGE"
        )
    return Exit.OK
