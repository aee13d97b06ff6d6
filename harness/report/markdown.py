"""The comparison as Markdown: ``report.md`` and the GitHub step summary; and the Markdown that other reports share.

All external text (names, reasons, details, facts) is escaped. The most useful sections come first. If the size limit is
reached, rows are left out from the end, and a line says how many.
"""

from __future__ import annotations

import html
import os
import re
import shlex
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.artifact import Json
from harness.compare import Comparison, Difference, Finding, Verdict, wording
from harness.compare.answers import answered, answers
from harness.compare.differences import merged
from harness.compare.outcome import outcome, proposed
from harness.errors import UsageError
from harness.formats.strict_json import canonical
from harness.report import finding_text
from harness.report.facts import HISTORY, summary, warned
from harness.store.record import Run, Score

CELL = 300
"""Maximum number of characters of a value; ``run.json`` has the full value."""


def escape(text: str, most: int = CELL) -> str:
    """Escape external text for inline Markdown, so that it is no markup, HTML, mention or new cell."""
    text = wording.clean(text, most=most)
    isolate = any(unicodedata.bidirectional(c) in ("R", "AL") for c in text)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*\[\]|~])", r"\\\1", text)
    text = re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", text)
    text = text.replace("$", "<span>$</span>")
    text = re.sub(r"(?<![\w/])@(?=\w)", "@<!-- -->", text)
    # An isolate keeps right-to-left text from reordering the numbers next to it.
    return f"\u2068{text}\u2069" if isolate else text


@dataclass(frozen=True)
class Section:
    """Rows between a head and a tail. If it is too long, rows are dropped from its end."""

    title: str
    rows: Sequence[str]
    columns: Sequence[str] = ()
    """Columns of the table; without any, the section is a list."""
    folded: bool = False
    right: int = 0
    """Number of columns, counted from the last, that hold numbers and are right-aligned."""

    def fit(self, room: int) -> str:
        """Return the section in at most ``room`` bytes; empty if not even one row fits."""
        head = f"\n<details><summary>{self.title}</summary>\n\n" if self.folded else f"\n### {self.title}\n\n"
        if self.columns:
            left = len(self.columns) - self.right
            head += table_row(self.columns) + table_row([":--"] * left + ["--:"] * self.right)
        tail = "\n</details>\n" if self.folded else ""
        room -= len((head + tail).encode()) + 128  # for the line that counts what was cut
        kept: list[str] = []
        for row in self.rows:
            room -= len(row.encode())
            if room < 0:
                break
            kept.append(row)
        if not kept:
            return ""
        cut = len(self.rows) - len(kept)
        what = f"{wording.counted(cut, 'row')} more, cut for size; worst first"
        note = f"\n_{what}. `run.json` has all._\n" if cut else ""
        return head + "".join(kept) + note + tail


def table_row(cells: Iterable[str]) -> str:
    """Make a line of a table from escaped cells."""
    return f"| {' | '.join(cells)} |\n"


def detail_table(value: Json) -> tuple[list[str], list[list[Json]]]:
    """Turn a detail into columns and rows.

    A mapping or list of mappings becomes a table; ``{"classes": [C names], "matrix": C × C}`` becomes a matrix with
    names; anything else has one row per entry.
    """
    if isinstance(value, Mapping):
        matrix, classes = _members(value.get("matrix"), _LISTS), _members(value.get("classes"), str)
        if matrix and len(matrix) == len(classes):
            return ["label \\ prediction", *classes], [[c, *r] for c, r in zip(classes, matrix, strict=True)]
        if rows := _members(list(value.values()), Mapping):
            columns, cells = detail_table(rows)
            return ["", *columns], [[k, *row] for k, row in zip(value, cells, strict=True)]
        return ["", "value"], [[k, v] for k, v in value.items()]
    if rows := _members(value, Mapping):
        columns = list(dict.fromkeys(k for row in rows for k in row))
        return columns, [[row.get(c, "") for c in columns] for row in rows]
    if lists := _members(value, _LISTS):
        return [""] * max(map(len, lists)), [list(row) for row in lists]
    return ["value"], [[v] for v in _members(value, object) or [value]]


_LISTS = (list, tuple)


def _members(value: Json, kind: type | tuple[type, ...]) -> list[Any]:
    """Return the members of a list if all are of one type; else an empty list."""
    members = list(value) if isinstance(value, _LISTS) else []
    return members if all(isinstance(m, kind) for m in members) else []


def cell_text(value: Json) -> str:
    """Return the text of a table's cell, not yet escaped: names and values, never JSON."""
    if isinstance(value, float):
        return wording.number(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {cell_text(inner)}" for name, inner in value.items())
    if isinstance(value, _LISTS):
        return ", ".join(map(cell_text, value))
    return value if isinstance(value, str) else "none" if value is None else canonical(value)


ANSWERS = 12
"""Maximum number of points of a sweep that get a sentence."""

STEP_SUMMARY_BYTES = 1024 * 1024
"""GitHub drops a step summary that is larger than this completely."""

LEAST_BYTES = 16 * 1024
"""Smallest limit; banner and provenance always fit into it."""

MARKS = {
    Verdict.REGRESSED: "🔴",
    Verdict.INCOMPARABLE: "🟠",
    Verdict.INCONCLUSIVE: "🟡",
    Verdict.UNCHANGED: "⚪",
    Verdict.IMPROVED: "🟢",
    "proposed": "🔵",
    "worse": "🟠",
    "failed": "❌",
    "missing": "🟠",
    "no baseline yet": "🔵",
    "not gated": "⚪",
}


def render(
    run: Run,
    comparison: Comparison,
    limit_bytes: int = STEP_SUMMARY_BYTES,
    changes: Sequence[Difference] = (),
) -> str:
    """Render the report, at most ``limit_bytes`` long in UTF-8.

    Args:
        run: the candidate.
        comparison: comparison of the run.
        limit_bytes: maximum size, at least ``LEAST_BYTES``.
        changes: changes to the suite since the baseline.

    Raises:
        ValueError: the limit is below ``LEAST_BYTES``.
    """
    if limit_bytes < LEAST_BYTES:
        raise ValueError(f"limit_bytes: {limit_bytes} is less than {LEAST_BYTES}")
    text = _top(run, comparison)
    room = limit_bytes - len(text.encode(errors="backslashreplace")) - 512  # for the last line
    left_out: list[str] = []
    for section in _sections(run, comparison, changes):
        body = section.fit(room // 2)  # no section takes all the space of those that follow
        if body:
            text += body
            room -= len(body.encode(errors="backslashreplace"))
        elif section.rows:
            left_out.append(section.title)
    if left_out:
        # Titles with external names are only counted: they are long, and escaped for another context.
        named = wording.listed([t for t in left_out if re.fullmatch(r"[A-Za-z ]{1,40}", t)], 8)
        lead = f"{wording.counted(len(left_out), 'section')} left out to stay within {limit_bytes:,} bytes"
        text += f"\n_{lead}{f' ({named})' if named else ''}. `run.json` has all._\n"
    return text


def append_step_summary(path: Path, text: str) -> None:
    """Append to the file that ``$GITHUB_STEP_SUMMARY`` names.

    Output of earlier commands of the step counts towards GitHub's limit. A text that no longer fits is replaced by one
    line, since a summary over the limit is dropped completely.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        used = path.stat().st_size if path.exists() else 0
        if used + len(text.encode(errors="backslashreplace")) + 1 > STEP_SUMMARY_BYTES:
            banner = text.partition("\n")[0][:CELL]
            text = f"{banner}\n\n_The rest is in `report.md`: this summary is full._\n"
        if used + len(text.encode(errors="backslashreplace")) + 1 <= STEP_SUMMARY_BYTES:
            with path.open("a", encoding="utf-8") as file:
                try:
                    file.write(text + "\n")
                    file.flush()
                except OSError:  # the disk is full: remove the partial output
                    os.ftruncate(file.fileno(), used)
                    raise
    except OSError as e:
        raise UsageError(f"step summary {path}: cannot be written ({e.strerror})") from None


def _top(run: Run, comparison: Comparison) -> str:
    result = outcome(comparison)
    claims = wording.claims(comparison.findings)
    about = f" Verdicts are {escape(claims)}." if claims else ""
    parts = [
        f"## {MARKS[result.word]} {result.word}: {escape(run.suite, 80)}\n",
        f"{result.sentence}.{about}\n",
    ]
    if lines := answered(answers(comparison.findings, run)):
        rest = [f"and {len(lines) - ANSWERS:,} more points"] if len(lines) > ANSWERS else []
        parts.append("".join(f"- {escape(line, 300)}\n" for line in [*lines[:ANSWERS], *rest]))
    if which := finding_text.look(comparison):
        parts.append(f"{escape(which, 400)}.\n")
    if comparison.note:
        note = wording.clean(comparison.note, lines=True, most=1000)
        parts.append(f"```text\n{note.replace('```', '` ` `')}\n```\n")
    environment = run.environments.get(run.environment, {})
    strip = {
        "commit": str(run.provenance.get("commit", ""))[:12],
        "tree": "with uncommitted changes" if run.provenance.get("dirty") else "",
        "device": str(environment.get("gpu") or environment.get("cpu") or ""),
        "driver": str(environment.get("driver") or ""),
        "image": str(environment.get("image") or environment.get("image_config") or ""),
        "run": run.id,
    }
    told = [f"{k} {escape(v, 80)}" for k, v in strip.items() if v]
    if comparison.baseline is not None:
        told.append(f"baseline {escape(wording.against(run, comparison), 200)}")
    parts.append(" · ".join(told) + "\n")
    return "\n".join(parts)


def _sections(run: Run, comparison: Comparison, changes: Sequence[Difference]) -> Iterator[Section]:
    findings = wording.worst_first(comparison.findings)
    failed = comparison.failures
    errors = [f"- **{escape(wording.label(t))}**: {escape(wording.first_line(t.error))}\n" for t in failed]
    yield Section(wording.counted(len(failed), "failed task"), errors)
    told = [f"- **{escape(w.who)}**: {escape(w.sentence)}\n" for w in warned(run)]
    yield Section(wording.counted(len(told), "warning"), told)
    if comparison.proposal is not None:
        lines = [f"- {escape(line)}\n" for line in proposed(comparison.proposal)]
        yield Section("The change proposes", lines)
    stored = [f for f in findings if f.against is None]
    if late := wording.cached(f for f in findings if f.gated):
        yield Section("Cached", [f"- {escape(late)}\n"])
    if comparison.baseline is None:
        yield _measured([f for f in stored if f.gated])
    else:
        yield _verdicts("Verdicts", [f for f in stored if f.gated], "baseline")
    yield Section("Why", _reasons(findings))
    beside = [f"- {escape(names)}: {escape(text)}\n" for names, text in wording.beside(findings)]
    yield Section("Beside the verdicts", beside)
    yield Section("The suite differs, what somebody changed", [f"- {escape(str(d))}\n" for d in changes])
    commands = [wording.clean(c).replace("```", "` ` `") for c in finding_text.more_evidence(run, comparison)]
    first = "the first one unless the baseline has as many seeds:\n\n" if len(commands) > 1 else ""
    block = "\n".join(["```sh", *commands, "```\n"])
    yield Section("For more evidence", [f"{first}{block}"] if commands else [])
    causes = dict.fromkeys(str(c) for f in findings for c in f.causes)
    yield Section("The environment differs, a likely cause of change", [f"- {escape(c)}\n" for c in causes])
    within = [f for f in findings if f.against is not None]
    for reference in {canonical(f.against): f.against for f in within if f.against is not None}.values():
        title = f"Within the run, against {escape(wording.point(reference))}"
        yield _verdicts(title, [f for f in within if f.against == reference], "reference")
    for title, points in (
        ("missing: only in the baseline", comparison.missing),
        ("new: not in the baseline", comparison.new),
        ("not run: deselected", comparison.not_run),
    ):
        names = [f"- {escape(wording.label(p))}\n" for p in points]
        yield Section(f"{len(names):,} {title}", names, folded=True)
    yield _verdicts("Not gated", [f for f in stored if not f.gated], "baseline", folded=True)
    values = [
        table_row((escape(name), escape(wording.point(at)), escape(", ".join(wording.together(v)))))
        for name, at, v in wording.uncompared(run, comparison)
    ]
    columns = ("metric", "point", "one value per repeat")
    folded = comparison.baseline is not None
    yield Section("Values without a baseline", values, columns, folded)
    yield from _record(run)
    yield from _details(run.scores, findings)


def _verdicts(title: str, findings: Sequence[Finding], other: str, folded: bool = False) -> Section:
    interval = f"{finding_text.confidence(findings)} interval"
    columns = ("verdict", "metric", "repeats", other, "candidate", "change", interval, "margin")
    rows = []
    for f in findings:
        shown = wording.figures(f)
        verdict = f"{MARKS[f.verdict]} {f.verdict}" if f.verdict else "not judged"
        verdict += " (gated)" if f.gated and f.against is not None else ""
        name = escape(f.name) + (f"<br>{escape(wording.place(f))}" if wording.place(f) else "")
        change = (shown.change, shown.interval, wording.margin(shown))
        rows.append(table_row((verdict, name, shown.repeats, shown.baseline, shown.candidate, *change)))
    return Section(title, rows, columns, folded, right=5)


def _measured(findings: Sequence[Finding]) -> Section:
    """What the gates measured that have no baseline yet, and what their margins could see."""
    columns = ("gated metric", "repeats", "mean", "deviation of one repeat", "margin", "could see")
    rows = []
    for f in findings:
        *figures, repeats = wording.measured(f)
        name = escape(f.name) + (f"<br>{escape(wording.place(f))}" if wording.place(f) else "")
        rows.append(table_row((name, escape(repeats), *figures)))
    return Section("Measured, with no baseline yet", rows, columns, right=4)


def _reasons(findings: Sequence[Finding]) -> list[str]:
    """Return a line per verdict that is not *unchanged*, followed by its differing protocol fields."""
    rows = []
    for f in findings:
        if f.verdict is None or f.verdict is Verdict.UNCHANGED:
            continue
        lines = [f"- {MARKS[f.verdict]} {f.verdict}, **{escape(wording.label(f))}**: {escape(f.reason)}"]
        lines += [f"  - {escape(str(d))}" for d in f.differences]
        lines += [f"  - {wording.evidence(f)}"] if wording.evidence(f) else []
        rows.append("\n".join(lines) + "\n")
    return rows


def _details(scores: Sequence[Score], findings: Sequence[Finding]) -> Iterator[Section]:
    """Yield the details of metrics, from the first repeat of each score; the worst metric comes first."""
    rank = {f.metric: i for i, f in reversed(list(enumerate(findings)))}
    for score in sorted(scores, key=lambda s: rank.get(s.metric, len(rank))):
        repeat = next((r for r in score.repeats if r.details), None)
        if repeat is None:
            continue
        where = ", ".join(filter(None, (wording.point(score.point), wording.point(repeat.seeds))))
        for name, value in repeat.details.items():
            columns, rows = detail_table(value)
            # GitHub reads no Markdown inside <summary>: only HTML has to be escaped there.
            title = html.escape(
                wording.clean(f"{score.metric}: {name.replace('_', ' ')} ({where or 'whole'})")
            )
            cells = [table_row(escape(cell_text(c)) for c in row) for row in rows]
            yield Section(title, cells, [escape(c) for c in columns], folded=True)


def _record(run: Run) -> Iterator[Section]:
    facts = [
        (t.node, name, summary(value) if name.rpartition(".")[2] == HISTORY else cell_text(value))
        for t in run.tasks
        for name, value in t.facts.items()
    ]
    facts_rows = list(dict.fromkeys(table_row(map(escape, fact)) for fact in facts))
    yield Section("Facts", facts_rows, ("stage", "fact", "value"), folded=True)
    sources = [f"- {escape(cell_text(s))}\n" for s in run.sources]
    yield Section("Sources", sources, folded=True)
    order = ("failed", "skipped", "executed", "cached")
    tasks = [
        table_row((t.state, escape(wording.label(t)), f"{t.wall_s:.1f}"))
        for t in sorted(run.tasks, key=lambda t: (order.index(t.state), -t.wall_s))
    ]
    title = f"{wording.counted(len(tasks), 'task')}, {run.wall_s:.1f} s"
    yield Section(title, tasks, ("state", "task", "s"), folded=True, right=1)
    environment = {**merged(run.environments.values()), **run.provenance}
    command = environment.get("command")
    if isinstance(command, _LISTS):
        environment["command"] = shlex.join(map(str, command))
    rows = [table_row((escape(k), escape(cell_text(v)))) for k, v in environment.items()]
    yield Section("Environment", rows, ("field", "value"), folded=True)
