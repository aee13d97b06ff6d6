from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report.test_golden import COMPARISON, EMPTY, EXAMPLES, FINDINGS, HOSTILE, NO_BASELINE, many

from harness.compare.comparison import Verdict
from harness.report.junit import render

# What the JUnit schema of the Jenkins xUnit plug-in allows: element → (attributes, children in this order).
SCHEMA: dict[str, tuple[set[str], list[str]]] = {
    "testsuites": ({"name", "time", "tests", "failures", "disabled", "errors"}, ["testsuite"]),
    "testsuite": (
        {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname", "id", "package"},
        ["properties", "testcase", "system-out", "system-err"],
    ),
    "properties": ({"name", "value"}, ["property"]),
    "property": ({"name", "value"}, []),
    "testcase": (
        {"name", "classname", "time", "assertions", "status"},
        ["skipped", "error", "failure", "system-out", "system-err"],
    ),
    "skipped": ({"type", "message"}, []),
    "error": ({"type", "message"}, []),
    "failure": ({"type", "message"}, []),
    "system-out": (set(), []),
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_document_keeps_to_the_schema(example: str) -> None:
    root = ET.fromstring(render(EXAMPLES[example]))
    assert root.tag == "testsuites"
    for element in root.iter():
        attributes, children = SCHEMA[element.tag]
        assert set(element.attrib) <= attributes
        order = [children.index(child.tag) for child in element]
        assert order == sorted(order)


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_counts_are_those_of_the_cases(example: str) -> None:
    suite = ET.fromstring(render(EXAMPLES[example])).find("testsuite")
    assert suite is not None
    for attribute, path in (
        ("tests", "testcase"),
        ("failures", "testcase/failure"),
        ("errors", "testcase/error"),
        ("skipped", "testcase/skipped"),
    ):
        assert suite.get(attribute) == str(len(suite.findall(path)))


@pytest.mark.parametrize(
    ("verdict", "element"),
    [
        (Verdict.REGRESSED, "failure"),
        (Verdict.INCOMPARABLE, "skipped"),
        (Verdict.INCONCLUSIVE, "skipped"),
        (Verdict.UNCHANGED, "system-out"),
        (Verdict.IMPROVED, "system-out"),
    ],
)
def test_a_verdict_becomes_its_element(verdict: Verdict, element: str) -> None:
    judged = replace(FINDINGS[2], verdict=verdict, reason="because of 5 seeds")
    (case,) = ET.fromstring(render(replace(EMPTY, findings=(judged,)))).iter("testcase")
    (child,) = case
    assert child.tag == element
    assert "because of 5 seeds" in (child.text or "")
    if element != "system-out":
        assert child.get("message") == f"{verdict}: because of 5 seeds"


def test_a_failed_task_is_an_error_with_its_log() -> None:
    (error,) = ET.fromstring(render(COMPARISON)).iter("error")
    assert error.get("message") == "the loss is not a number at step 120"
    assert "log: step 120 loss nan" in (error.text or "")


def test_findings_that_are_not_gated_are_no_tests() -> None:
    ungated = tuple(f for f in FINDINGS if not f.gated)
    assert ungated
    assert list(ET.fromstring(render(replace(EMPTY, findings=ungated))).iter("testcase")) == []


def test_missing_scores_and_a_missing_baseline_are_skipped_with_the_reason() -> None:
    reasons = {s.get("type"): s.text or "" for s in ET.fromstring(render(COMPARISON)).iter("skipped")}
    assert reasons["missing"] == "only in the baseline: this run has no such score"
    (skipped,) = ET.fromstring(render(NO_BASELINE)).iter("skipped")
    assert "harness accept" in (skipped.text or "")


def test_ten_thousand_findings_are_ten_thousand_cases_of_different_names() -> None:
    names = [
        (c.get("classname"), c.get("name")) for c in ET.fromstring(render(many(10_000))).iter("testcase")
    ]
    assert len(set(names)) == 10_000


@given(st.text())
def test_any_text_can_be_parsed_again(text: str) -> None:
    failure = replace(HOSTILE.failures[0], node=text, error=text)
    odd = replace(FINDINGS[2], metric=text, reason=text, at={"a.b": text})
    comparison = replace(EMPTY, suite=text, findings=(odd,), failures=(failure,), note=text, baseline=None)
    assert len(list(ET.fromstring(render(comparison).encode()).iter("testcase"))) == 3
