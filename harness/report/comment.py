"""The comment on a pull request: verdict, gates that did not hold, what each could have seen, how to reproduce it.

All of it is from records, which the code under review may have written. So external text is inert: no markup, no link,
no mention and no reference to another issue. The first line is a marker, by which a later comment replaces this one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.compare import Comparison, Finding, Verdict, wording
from harness.compare.outcome import outcome, proposed
from harness.report.finding_text import confidence, look, more_evidence, reproduces
from harness.report.markdown import MARKS, Section, escape, table_row
from harness.report.strip import forest
from harness.store.record import Run

MOST_BYTES = 60_000
"""GitHub takes comments of 65,536 characters."""
LEAST_BYTES = 8_000
"""Smallest limit."""

WORST_FIRST = (
    "error",
    "failed",
    "regressed",
    "incomparable",
    "missing",
    "no baseline yet",
    "inconclusive",
    "worse",
    "proposed",
    "improved",
    "unchanged",
    "not gated",
)
"""The words of ``outcome``, and ``error`` for a suite that left no verdict."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}")
_DID_NOT_HOLD = (Verdict.REGRESSED, Verdict.INCOMPARABLE, Verdict.INCONCLUSIVE)


@dataclass(frozen=True)
class Judged:
    """A suite that a gate has run."""

    file: str
    """The suite's file, as it was asked for."""
    run: Run | None = None
    comparison: Comparison | None = None
    problem: str = ""
    """Why it has no verdict; empty if it has one."""
    without: str = "error"
    """The outcome of a suite that has no verdict: ``error``, or ``missing`` if the change removes it."""
    picture: str = ""
    """Path of its sheet of pictures, below the folder of the gate and percent-encoded; empty if there is none."""

    @property
    def word(self) -> str:
        return self.without if self.comparison is None else outcome(self.comparison).word


def worst_first(judged: Sequence[Judged]) -> list[Judged]:
    """Sort suites by their outcome; equal ones keep their order."""
    return sorted(judged, key=lambda each: WORST_FIRST.index(each.word))


def marker(name: str) -> str:
    """The first line of a comment. Text of others cannot contain it, since ``<`` is escaped everywhere.

    Raises:
        ValueError: the name has other characters than letters, digits, spaces and ``._-``.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r}: expected letters, digits, spaces, '.', '_' and '-'")
    return f"<!-- harness gate: {name} -->"


def render(
    judged: Sequence[Judged],
    *,
    name: str = "harness",
    notes: Sequence[str] = (),
    link: str = "",
    pictures: str = "",
    limit_bytes: int = MOST_BYTES,
) -> str:
    """Render the comment, at most ``limit_bytes`` long in UTF-8.

    Args:
        judged: the suites; none if the gate left nothing.
        name: distinguishes the comments of several gates.
        notes: sentences below the headline.
        link: where reports and log are; an address that the host itself has told.
        pictures: address under which the host of the comment finds the folder of the gate; empty: it shows no pictures.
        limit_bytes: maximum size, at least ``LEAST_BYTES``.

    Raises:
        ValueError: the limit is below ``LEAST_BYTES``, or a bad name.
    """
    if limit_bytes < LEAST_BYTES:
        raise ValueError(f"limit_bytes: {limit_bytes} is less than {LEAST_BYTES}")
    ordered = worst_first(judged)
    text = f"{marker(name)}\n{_headline(ordered)}"
    text += "".join(f"{inert(note, 400)}\n\n" for note in notes)
    end = f"\n[Reports and log]({link})\n" if link else ""
    room = limit_bytes - len(text.encode()) - len(end.encode()) - 512  # for the last line
    left_out = 0
    for each in ordered:
        for body in _suite(each, room // 2, pictures, alone=len(ordered) == 1):
            size = len(body.encode())
            if size > room:
                left_out += 1
                continue
            text += body
            room -= size
    if left_out:
        text += f"\n_{wording.counted(left_out, 'part')} left out for size; the reports have all._\n"
    return text + end


def inert(text: str, most: int = 300) -> str:
    """Escape external text so that a host makes nothing of it: no heading, link, mention or reference to an issue."""
    text = escape(text, most).lstrip()
    text = re.sub(r"^(?=[#+=-])|^(\d+)(?=[.)](?:\s|$))", r"\1\\", text)  # what begins a heading or a list
    text = re.sub(r"(?<=[#!%])(?=\d)|(?<=gh)(?=-\d)", "<!-- -->", text, flags=re.IGNORECASE)
    return re.sub(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)(?=\w)", "<!-- -->", text, flags=re.IGNORECASE)


def _mark(word: str) -> str:
    return "❌" if word == "error" else MARKS[word]


def _headline(ordered: Sequence[Judged]) -> str:
    if not ordered:
        return "## ❌ error\n\nThe gate left no run; its log says why.\n\n"
    word = ordered[0].word
    if len(ordered) == 1:
        return f"## {_mark(word)} {word}: {inert(_called(ordered[0]), 80)}\n\n"
    text = f"## {_mark(word)} {word}: the worst of {wording.counted(len(ordered), 'suite')}\n\n"
    rows = [table_row((f"{_mark(e.word)} {e.word}", inert(_called(e), 80))) for e in ordered[:20]]
    more = f"\n_{len(ordered) - 20:,} more._\n" if len(ordered) > 20 else ""
    return f"{text}{table_row(('verdict', 'suite'))}{table_row((':--', ':--'))}{''.join(rows)}{more}\n"


def _called(judged: Judged) -> str:
    return judged.file if judged.run is None else judged.run.suite


def _suite(judged: Judged, room: int, pictures: str, *, alone: bool) -> Iterator[str]:
    """Yield the parts about a suite, the most useful first; each fits into ``room``."""
    run, comparison = judged.run, judged.comparison
    head = "" if alone else f"\n### {_mark(judged.word)} {judged.word}: {inert(_called(judged), 80)}\n\n"
    if run is None or comparison is None:
        yield f"{head}{inert(judged.problem, 400)}\n"
        return
    yield f"{head}{inert(outcome(comparison).sentence, 600)}.\n"
    gated = wording.worst_first(f for f in comparison.findings if f.gated)
    broken = [f for f in gated if f.verdict in _DID_NOT_HOLD]
    held = [f for f in gated if f.verdict not in _DID_NOT_HOLD]
    for section in _sections(run, comparison, broken, held):
        if body := section.fit(room):
            yield body
    if drawing := forest((*broken, *held)[:20]):
        yield _block("The gates, worse to the right", "text", drawing)
    if pictures and judged.picture:
        told = "the items that got worse most: the baseline's to the left where they differ"
        yield f"\n![{told}]({pictures.rstrip('/')}/{judged.picture})\n"
    if command := reproduces(run):
        yield _block("To reproduce", "sh", [command])
    yield f"\n{inert(_origin(run, comparison), 400)}\n"


def _sections(
    run: Run, comparison: Comparison, broken: Sequence[Finding], held: Sequence[Finding]
) -> Iterator[Section]:
    failed = [
        f"- {inert(wording.label(t))}: {inert(wording.first_line(t.error))}\n" for t in comparison.failures
    ]
    yield Section(wording.counted(len(failed), "failed task"), failed)
    if comparison.proposal is not None:
        lines = [f"- {inert(line)}\n" for line in proposed(comparison.proposal)]
        yield Section("The change proposes", lines)
    yield _gates("Gates that did not hold", broken)
    yield Section("Why", [f"- {inert(wording.label(f))}: {inert(f.reason)}\n" for f in broken])
    gone = [f"- {inert(wording.label(score))}\n" for score in comparison.missing]
    yield Section("Missing: only in the baseline", gone)
    if comparison.note:
        yield Section("No baseline", [f"{inert(comparison.note, 600)}\n"])
    values = [
        table_row((inert(name), inert(wording.point(at)), inert(", ".join(wording.together(v)))))
        for name, at, v in (wording.uncompared(run, comparison) if comparison.baseline is None else ())
    ]
    yield Section("Values", values, ("metric", "point", "one value per repeat"), folded=True)
    commands = more_evidence(run, comparison)
    if commands:
        yield Section("For more evidence", [_fenced("sh", commands)])
    yield _gates(f"{wording.counted(len(held), 'gate')} held", held, folded=True)


def _gates(title: str, findings: Sequence[Finding], folded: bool = False) -> Section:
    columns = ("gate", "baseline", "candidate", "change", f"{confidence(findings)} interval", "margin")
    rows = []
    for f in findings:
        shown = wording.figures(f)
        seen = shown.sees.removeprefix("sees ") or "—"
        name = f"{MARKS[f.verdict] if f.verdict else ''} {inert(wording.label(f))}".strip()
        if f.against is not None:
            name += f"<br>against {inert(wording.point(f.against))}"
        cells = (shown.baseline, shown.candidate, shown.change, shown.interval, shown.margin, seen)
        rows.append(table_row((name, *(cell or "—" for cell in cells))))
    return Section(title, rows, (*columns, "could have seen"), folded, right=6)


def _origin(run: Run, comparison: Comparison) -> str:
    environment = run.environments.get(run.environment, {})
    parts = [
        f"run {run.id}",
        f"commit {str(run.provenance.get('commit', ''))[:12]}" if run.provenance.get("commit") else "",
        str(environment.get("gpu") or environment.get("cpu") or ""),
        f"baseline {wording.against(run, comparison)}" if comparison.baseline is not None else "",
        look(comparison),
    ]
    return " · ".join(filter(None, parts))


def _block(title: str, language: str, lines: Sequence[str]) -> str:
    return f"\n<details><summary>{title}</summary>\n\n{_fenced(language, lines)}\n</details>\n"


def _fenced(language: str, lines: Sequence[str]) -> str:
    body = "\n".join(wording.clean(line, most=1000).replace("```", "` ` `") for line in lines)
    return f"```{language}\n{body}\n```\n"
