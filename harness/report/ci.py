"""The comparison for CI systems: JUnit XML, which CI servers read, and annotations of a pull request on GitHub.

In JUnit XML each gated finding is a test case. Regressed is a failure and a failed task is an error; incomparable,
inconclusive and missing are skipped, with the reason. Without a baseline, one skipped case explains how to accept one.
Ungated findings are not test cases.

A baseline that the change proposes is a test case of its own. If it counts, the findings are no failures.

Annotations are workflow commands, which GitHub reads from a step's output. Regressed and failed are errors;
incomparable, inconclusive, missing and no baseline are warnings; improved is a notice; unchanged has no annotation.
Each annotation is at the line of its gate, or of its stage, in the suite's file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from xml.etree import ElementTree as ET

from harness.compare import Comparison, Finding, Proposal, Verdict
from harness.compare.outcome import outcome, proposed
from harness.compare.wording import clean, counted, first_line, label, listed, place, point, worst_first
from harness.errors import Where
from harness.formats.escapes import without_commands
from harness.report import streams
from harness.report.finding_text import finding_lines, look
from harness.store.record import TaskInfo

if TYPE_CHECKING:
    from harness.suite.model import Suite

ELEMENTS = {
    Verdict.REGRESSED: "failure",
    Verdict.INCOMPARABLE: "skipped",
    Verdict.INCONCLUSIVE: "skipped",
}


def junit(comparison: Comparison) -> str:
    """Render an XML document with one test suite, worst first."""
    excused = is_proposed(comparison)
    cases = [_failed_case(task, comparison.suite) for task in comparison.failures]
    if comparison.proposal is not None:
        cases.append(_proposal_case(comparison.proposal, comparison.suite))
    cases += [_judged_case(f, comparison.suite, excused) for f in worst_first(comparison.findings) if f.gated]
    for score in comparison.missing:
        case = _case(comparison.suite, score.metric, point(score.point) or score.metric)
        _outcome(case, "skipped", "missing", "only in the baseline: this run has no such score")
        cases.append(case)
    if comparison.lacks_baseline and not excused:
        case = _case(comparison.suite, "baseline", "baseline")
        _outcome(case, "skipped", "no baseline yet", comparison.note or "there is no baseline")
        cases.append(case)
    kinds = [child.tag for case in cases for child in case]
    counts = {
        "tests": str(len(cases)),
        "failures": str(kinds.count("failure")),
        "errors": str(kinds.count("error")),
        "skipped": str(kinds.count("skipped")),
        "time": "0",
    }
    totals = {k: v for k, v in counts.items() if k != "skipped"}
    root = ET.Element("testsuites", {"name": clean(comparison.suite), **totals})
    suite = ET.SubElement(root, "testsuite", {"name": clean(comparison.suite), **counts})
    properties = ET.SubElement(suite, "properties")
    for name, value in (
        ("run", comparison.run),
        ("baseline", comparison.baseline or "none"),
        ("outcome", outcome(comparison).word),
        *([("look", look(comparison))] if look(comparison) else []),
    ):
        ET.SubElement(properties, "property", {"name": name, "value": clean(value)})
    suite.extend(cases)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=False).join(
        ('<?xml version="1.0" encoding="UTF-8"?>\n', "\n")
    )


def _case(suite: str, group: str, name: str) -> ET.Element:
    names = {"classname": clean(f"{suite}.{group}"), "name": clean(name)}
    return ET.Element("testcase", {**names, "time": "0"})


def _outcome(case: ET.Element, element: str, kind: str, text: str) -> None:
    first, *rest = clean(text, lines=True, most=20_000).strip().split("\n")
    child = ET.SubElement(case, element, {"type": kind, "message": first})
    child.text = "\n".join((first, *rest))


def is_proposed(comparison: Comparison) -> bool:
    """Whether the change brings a baseline that counts."""
    return comparison.proposal is not None and comparison.proposal.counts


def _proposal_case(proposal: Proposal, suite: str) -> ET.Element:
    case = _case(suite, "baseline", "proposed baseline")
    text = "\n".join(proposed(proposal))
    if proposal.withheld:
        _outcome(case, "skipped", "proposal withheld", text)
    else:
        ET.SubElement(case, "system-out").text = clean(text, lines=True, most=20_000)
    return case


def _judged_case(finding: Finding, suite: str, excused: bool = False) -> ET.Element:
    where = place(finding)
    if finding.against is not None:
        where = f"{where} against {point(finding.against)}".strip()
    case = _case(suite, finding.metric, f"{finding.field} ({where})" if where else finding.field)
    element = ELEMENTS.get(finding.verdict) if finding.verdict and not excused else None
    if finding.measured is not None:
        element = "skipped"
    text = "\n".join(finding_lines(finding))
    if element:
        _outcome(case, element, str(finding.verdict or "no baseline yet"), text)
    else:
        ET.SubElement(case, "system-out").text = clean(text, lines=True, most=20_000)
    return case


def _failed_case(task: TaskInfo, suite: str) -> ET.Element:
    case = _case(suite, task.node, label(task))
    _outcome(case, "error", "failed task", task.error or "no message")
    return case


Level = Literal["error", "warning", "notice"]

LEVELS: tuple[Level, ...] = ("error", "warning", "notice")
VERDICTS: dict[Verdict, Level] = {
    Verdict.REGRESSED: "error",
    Verdict.INCOMPARABLE: "warning",
    Verdict.INCONCLUSIVE: "warning",
    Verdict.IMPROVED: "notice",
}

MOST = 10
"""Maximum annotations of each level: GitHub shows no more per step, without saying that there were more."""
TITLE, MESSAGE = 200, 4000
"""Maximum number of characters; the report has the full text."""


@dataclass(frozen=True)
class Annotation:
    level: Level
    title: str
    lines: Sequence[str]
    where: Where | None = None


def annotate(comparison: Comparison, suite: Suite | None = None) -> None:
    """Print the annotations if this is a GitHub step; otherwise nothing."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        text = workflow_commands(comparison, suite, Path(os.environ.get("GITHUB_WORKSPACE") or "."))
        streams.workflow(text)


def workflow_commands(comparison: Comparison, suite: Suite | None = None, root: Path = Path()) -> str:
    """Render a workflow command per line, errors first, and the worst first within a level.

    If a level has more than ten, the tenth summarises the others.

    Args:
        comparison: comparison whose gated findings, failures and missing scores are shown.
        suite: suite with the lines of its gates and stages; None: annotations without a line.
        root: root of the repository, which file paths are relative to.
    """
    found = [
        *_failed(comparison, suite),
        *_judged(comparison, suite),
        *_absent(comparison),
        *_proposed(comparison),
    ]
    lines = []
    for level in LEVELS:
        of_level = [each for each in found if each.level == level]
        if len(of_level) > MOST:
            of_level = [*of_level[: MOST - 1], _rest(level, of_level[MOST - 1 :])]
        lines += [_command(each, root) for each in of_level]
    return "".join(f"{line}\n" for line in lines)


def _failed(comparison: Comparison, suite: Suite | None) -> Iterator[Annotation]:
    for task in comparison.failures:
        where = suite.nodes[task.node].where if suite and task.node in suite.nodes else None
        yield Annotation("error", f"failed: {label(task)}", [first_line(task.error)], where)


def _judged(comparison: Comparison, suite: Suite | None) -> Iterator[Annotation]:
    for finding in worst_first(comparison.findings):
        if not finding.gated or finding.verdict not in VERDICTS:
            continue
        if comparison.baseline is None and finding.against is None:
            continue  # a single annotation reports the missing baseline
        title = f"{finding.verdict}: {label(finding)}"
        level = VERDICTS[finding.verdict]
        if level == "error" and is_proposed(comparison):
            level = "warning"
        yield Annotation(level, title, finding_lines(finding), _gate(finding, suite))


def _absent(comparison: Comparison) -> Iterator[Annotation]:
    for score in comparison.missing:
        yield Annotation(
            "warning", f"missing: {label(score)}", ["only in the baseline: this run has no such score"]
        )
    if comparison.lacks_baseline and not is_proposed(comparison):
        yield Annotation(
            "warning", "no baseline yet", (comparison.note or "there is no baseline").split("\n")
        )


def _proposed(comparison: Comparison) -> Iterator[Annotation]:
    if (proposal := comparison.proposal) is None:
        return
    word = "worse: " if proposal.worse and proposal.counts else ""
    title = f"{word}proposed baseline{'' if proposal.counts else ', which does not count'}"
    yield Annotation(
        "warning" if proposal.worse or proposal.withheld else "notice", title, proposed(proposal)
    )


def _rest(level: Level, left_out: Sequence[Annotation]) -> Annotation:
    names = listed([each.title for each in left_out], 50)
    return Annotation(level, f"{counted(len(left_out), f'more {level}')}: see the report", [names])


def _gate(finding: Finding, suite: Suite | None) -> Where | None:
    """Return the place of the finding's gate; of several gates of the field, the one at the finding's point."""
    if suite is None:
        return None
    from harness.engine.recording import gate_infos

    fitting = [
        (len(info.at), gate.where)
        for gate, info in zip(suite.gates, gate_infos(suite), strict=True)
        if (info.metric, info.field) == (finding.metric, finding.field)
        and info.against_reference == (finding.against is not None)
        and info.at.items() <= finding.at.items()
    ]
    return max(fitting, default=(0, None), key=lambda found: found[0])[1]


def _command(annotation: Annotation, root: Path) -> str:
    properties = {"title": clean(annotation.title, most=TITLE)}
    where = annotation.where
    if where is not None and (file := _from(root, where.file)):
        properties = {"file": file, "line": str(where.line), **properties}
    told = ",".join(f"{name}={_escaped(value, ':,')}" for name, value in properties.items())
    message = clean("\n".join(annotation.lines), lines=True, most=MESSAGE)
    command = f"::{annotation.level} {told}::{_escaped(message)}"
    return without_commands(command, begins_line=False)  # the older syntax is recognised inside a line, too


def _from(root: Path, file: str) -> str | None:
    """Return a file's path in the repository, as GitHub knows it; None for anything else (``--set``)."""
    path = Path(file).resolve()
    if not path.is_file() or not path.is_relative_to(root.resolve()):
        return None
    return path.relative_to(root.resolve()).as_posix()


def _escaped(text: str, more: str = "") -> str:
    """Escape text for the runner: ``%`` and line ends everywhere; in properties, colons and commas too."""
    return "".join(f"%{ord(c):02X}" if c in f"%\r\n{more}" else c for c in text)
