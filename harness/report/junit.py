"""The comparison as JUnit XML: each gated finding is a test case, in the form that CI servers read.

Regressed is a failure and a failed task is an error; incomparable, inconclusive and missing are skipped, with the
reason. Without a baseline, one skipped case explains how to accept one. Ungated findings are not test cases.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

from harness.compare.comparison import Comparison, Finding, Verdict
from harness.compare.wording import clean, label, outcome, place, point, worst_first
from harness.report.finding_text import finding_lines, look
from harness.store.record import TaskInfo

ELEMENTS = {
    Verdict.REGRESSED: "failure",
    Verdict.INCOMPARABLE: "skipped",
    Verdict.INCONCLUSIVE: "skipped",
}


def render(comparison: Comparison) -> str:
    """Render an XML document with one test suite, worst first."""
    cases = [_failed(task, comparison.suite) for task in comparison.failures]
    cases += [_judged(f, comparison.suite) for f in worst_first(comparison.findings) if f.gated]
    for score in comparison.missing:
        case = _case(comparison.suite, score.metric, point(score.point) or score.metric)
        _outcome(case, "skipped", "missing", "only in the baseline: this run has no such score")
        cases.append(case)
    if comparison.baseline is None:
        case = _case(comparison.suite, "baseline", "baseline")
        _outcome(case, "skipped", "no baseline", comparison.note or "there is no baseline")
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


def _judged(finding: Finding, suite: str) -> ET.Element:
    where = place(finding)
    if finding.against is not None:
        where = f"{where} against {point(finding.against)}".strip()
    case = _case(suite, finding.metric, f"{finding.field} ({where})" if where else finding.field)
    element = ELEMENTS.get(finding.verdict) if finding.verdict else None
    text = "\n".join(finding_lines(finding))
    if element:
        _outcome(case, element, str(finding.verdict), text)
    else:
        ET.SubElement(case, "system-out").text = clean(text, lines=True, most=20_000)
    return case


def _failed(task: TaskInfo, suite: str) -> ET.Element:
    case = _case(suite, task.node, label(task))
    _outcome(case, "error", "failed task", task.error or "no message")
    return case
