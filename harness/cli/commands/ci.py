"""``harness ci gate`` and ``harness ci comment``: what a CI job does with suites, and tells about them.

``gate`` runs each suite by a process of its own, so that one that aborts leaves the others. ``comment`` renders what a
gate left, and posts it on the pull request that GitHub's event names.
"""

from __future__ import annotations

import glob
import os
import re
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.cli import ci_system, gate_file
from harness.cli.gate_file import Entry
from harness.cli.removed_suites import removed
from harness.compare import blocking
from harness.compare.outcome import outcome
from harness.compare.wording import clean, counted
from harness.errors import Exit, HarnessError, UsageError
from harness.formats import files
from harness.report import comment, streams
from harness.report.comment import Judged
from harness.store import project as places
from harness.store.remote import READ_ONLY
from harness.store.tiers import open_store

VERDICTS = (Exit.OK, Exit.INCONCLUSIVE, Exit.INCOMPARABLE, Exit.REGRESSED, Exit.FAILED)
"""Exit codes of a run that left a verdict."""
ORDER = (
    Exit.INTERNAL,
    Exit.USAGE,
    Exit.FAILED,
    Exit.REGRESSED,
    Exit.INCOMPARABLE,
    Exit.INCONCLUSIVE,
    Exit.OK,
)


def main(o: Namespace) -> Exit:
    """``harness ci gate`` and ``harness ci comment``."""
    return gate(o) if o.command == "ci gate" else write_comment(o)


@dataclass(frozen=True)
class Done:
    """A suite that was run."""

    entry: Entry
    judged: Judged
    exit: Exit
    """Whether it blocks."""


def gate(o: Namespace) -> Exit:
    """Run every suite and say which outcomes block."""
    words = blocking.parse(o.fail_on)
    change = ci_system.change()
    ref = o.baseline_ref or change.base
    suites, gone = _suites(o.suites, ref)
    out = _out(o.out)
    project = places.of(Path(suites[0] if suites else gone[0]).parent)
    os.environ.update(_store(o.shared_store, project, may_write=change.may_write))
    options = [
        *(["--baseline-ref", ref] if ref else []),
        *(["--baseline", o.label] if o.label else []),
        *(["--executor", o.executor] if o.executor else []),
        *(["--jobs", str(o.jobs)] if o.jobs else []),
        *(["--address", o.address] if o.address else []),
        *(["--inside", o.inside] if o.inside else []),
        *(["--mirror", str(o.mirror)] if o.mirror else []),
    ]
    done = [_gone(suite, words) for suite in gone]
    gate_file.write(out, [each.entry for each in done])
    for number, suite in enumerate(suites, start=1):
        streams.say(f"suite {number} of {len(suites)}: {suite}")
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", suite.removesuffix(Path(suite).suffix)).strip("-.")
        folder = f"{number:02}-{name[-80:].strip('-.')}".rstrip("-")
        code = _harness(["pull", suite]) if o.pull else 0
        code = code or _harness(["run", suite, *options, "--out", str(out / folder)])
        done.append(_done(suite, out, folder, code, words))
        gate_file.write(out, [each.entry for each in done])  # each: a job that is stopped has what it did
    return _concluded(done, out, words)


def _suites(patterns: Sequence[str], ref: str | None) -> tuple[list[str], list[str]]:
    """The suites that patterns name, and those that the change has removed.

    Raises:
        UsageError: a pattern matches no file, here or at the merge base.
    """
    try:
        suites = list(found(patterns))
    except UsageError:
        gone = list(removed(patterns, [], places.of(Path.cwd()), ref)) if ref else []
        if not gone:
            raise
        return [], gone
    return suites, list(removed(patterns, suites, places.of(Path(suites[0]).parent), ref)) if ref else []


def found(patterns: Sequence[str]) -> Iterator[str]:
    """Yield the files that patterns name, each once, in order; a pattern may stand for several lines of them.

    Raises:
        UsageError: a pattern that matches no file.
    """
    seen: set[str] = set()
    for pattern in (line.strip() for text in patterns for line in text.splitlines()):
        if not pattern:
            continue
        literal = [pattern] if Path(pattern).is_file() else []
        names = literal or sorted(n for n in glob.glob(pattern, recursive=True) if Path(n).is_file())
        if not names:
            raise UsageError(f"{pattern}: no such suite file")
        for name in (f"./{n}" if n.startswith("-") else n for n in names):  # a name is no option
            if name not in seen:
                seen.add(name)
                yield name


def _out(given: Path | None) -> Path:
    """The folder of the gate, which is made; by default a new one in the project."""
    moment = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}"
    out = given or places.reports(places.of(Path.cwd())) / "gates" / moment
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()):
            raise UsageError(f"--out {out}: holds files already; name a folder that is empty or not there")
    except OSError as e:
        raise UsageError(f"--out {out}: no place for runs ({e.strerror})") from None
    return out.absolute()


def _store(shared: str | None, project: Path, *, may_write: bool) -> dict[str, str]:
    """The variable of the store: a folder of this machine, and the shared place, which only some may write.

    Raises:
        UsageError: the environment names another second tier, or the place is no path or URL.
    """
    if shared is None:
        return {}
    named, comma, _ = os.environ.get("HARNESS_STORE", "").partition(",")
    if comma:
        raise UsageError("--shared-store: HARNESS_STORE names a second tier already")
    place = shared.removeprefix(READ_ONLY)
    url = place if "://" in place else f"file://{files.expanded(Path(place)).absolute()}"
    folder = named or str(project / ".harness")
    if "," in folder:
        raise UsageError(f"--shared-store: the folder of the store has a comma in its name ({folder})")
    only_reads = not may_write or place != shared
    streams.say(f"store: {url}{', which this run only reads' if only_reads else ''}")
    return {"HARNESS_STORE": f"{folder},{READ_ONLY if only_reads else ''}{url}"}


def _harness(arguments: Sequence[str]) -> int:
    """Run a command by a process of its own; its output is ours. A signal to this process ends it as well."""
    streams.flush()
    process = subprocess.Popen([sys.executable, "-m", "harness", *arguments])
    try:
        return process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise


def _gone(suite: str, words: Sequence[str]) -> Done:
    blocks = Exit.INCOMPARABLE if "missing" in words else Exit.OK
    told = Judged(suite, problem=gate_file.REMOVED, without="missing")
    return Done(Entry(suite, "", "missing", int(Exit.INCOMPARABLE)), told, blocks)


def _done(suite: str, out: Path, folder: str, code: int, words: Sequence[str]) -> Done:
    if code in tuple(map(int, VERDICTS)):
        try:
            found = gate_file.judged(suite, out / folder)
            assert found.comparison is not None
            blocks = blocking.exit_code(found.comparison, words)
            _picture(suite, out / folder)
            return Done(Entry(suite, folder, found.word, code), found, blocks)
        except UsageError as e:
            problem = f"no verdict: {e}" if code in (Exit.OK, Exit.REGRESSED) else "no verdict"
            return Done(Entry(suite, folder, "error", code), Judged(suite, problem=problem), Exit.FAILED)
    blocks = Exit.USAGE if code == Exit.USAGE else Exit.INTERNAL
    problem = f"no verdict: exit code {code}"
    return Done(Entry(suite, folder, "error", code), Judged(suite, problem=problem), blocks)


def _picture(suite: str, folder: Path) -> None:
    """Leave a sheet of the pictures that the verdict rests on, for comments; the verdict holds without it."""
    from harness.evaluation.reporting import picture
    from harness.report.html.sheet import FILE

    project = places.of(Path(suite).parent)
    try:
        content = picture(folder, project, open_store(None, project))
        if content is not None:
            files.write(folder / FILE, content)
    except (HarnessError, OSError) as e:
        streams.warn(f"no sheet of pictures of {suite}: {clean(str(e))}")


def _concluded(done: Sequence[Done], out: Path, words: Sequence[str]) -> Exit:
    for each in done:
        told = each.judged.problem
        if each.judged.comparison is not None:
            told = outcome(each.judged.comparison).sentence
        streams.say(
            f"{'blocks' if each.exit else 'passes'}: {each.entry.suite}: {each.entry.word}: {clean(told)}"
        )
    worst = min(done, key=lambda d: comment.WORST_FIRST.index(d.entry.word))
    code = min((each.exit for each in done), key=ORDER.index)
    run = out / worst.entry.folder
    ci_system.set_outputs(
        {
            "verdict": worst.entry.word,
            "report": str(run / "report.html") if worst.judged.run is not None else "",
            "run": str(run) if worst.judged.run is not None else "",
            "runs": str(out),
        }
    )
    blocking_ = sum(each.exit != Exit.OK for each in done)
    failing = f"--fail-on {','.join(words) or 'none'}"
    streams.say(
        f"gate: {worst.entry.word}; {blocking_} of {counted(len(done), 'suite')} blocking ({failing}, exit {code:d})"
    )
    return code


def write_comment(o: Namespace) -> Exit:
    """Render what a gate left; print it, write it into a file, or post it on the pull request."""
    try:
        comment.marker(o.name)
    except ValueError as e:
        raise UsageError(f"--name: {e}") from None
    for option, given in (("--link", o.link), ("--pictures", o.pictures)):
        if given and not re.fullmatch(r"https?://[^\s()<>\"'`\\]+", given):
            raise UsageError(f"{option}: expected an address (https://…), not {clean(given, most=80)!r}")
    try:
        judged = gate_file.read(o.folder)
    except UsageError as e:
        judged = [Judged(o.folder.name, problem=str(e))]
    if o.post:
        from harness.cli.github import Comments

        streams.say(Comments.from_environment(o.author).publish(judged, name=o.name, pictures=o.pictures))
        return Exit.OK
    text = comment.render(judged, name=o.name, link=o.link, pictures=o.pictures)
    if o.to is None:
        streams.out().write(text)
        return Exit.OK
    try:
        files.write(o.to, text)
    except OSError as e:
        raise UsageError(f"--to {o.to}: cannot be written ({e.strerror})") from None
    return Exit.OK
