"""Annotations are commands that GitHub takes apart again, at the right places, and no more than it shows."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

import pytest
from cli.test_main import WITH_OTHERS, WORSE
from command_line import Project, Said
from hypothesis import given
from hypothesis import strategies as st
from report.test_golden import COMPARISON, EMPTY, EXAMPLES, FINDINGS, HOSTILE, NO_BASELINE, many
from toy_suites import TOY, changed, write_suite

from harness.compare import Measured, Verdict
from harness.compare.wording import clean, first_line
from harness.report.ci import junit, workflow_commands
from harness.suite import load

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
    root = ET.fromstring(junit(EXAMPLES[example]))
    assert root.tag == "testsuites"
    for element in root.iter():
        attributes, children = SCHEMA[element.tag]
        assert set(element.attrib) <= attributes
        order = [children.index(child.tag) for child in element]
        assert order == sorted(order)


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_counts_are_those_of_the_cases(example: str) -> None:
    suite = ET.fromstring(junit(EXAMPLES[example])).find("testsuite")
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
    (case,) = ET.fromstring(junit(replace(EMPTY, findings=(judged,)))).iter("testcase")
    (child,) = case
    assert child.tag == element
    assert "because of 5 seeds" in (child.text or "")
    if element != "system-out":
        assert child.get("message") == f"{verdict}: because of 5 seeds"


def test_a_failed_task_is_an_error_with_its_log() -> None:
    (error,) = ET.fromstring(junit(COMPARISON)).iter("error")
    assert error.get("message") == "the loss is not a number at step 120"
    assert "log: step 120 loss nan" in (error.text or "")


def test_findings_that_are_not_gated_are_no_tests() -> None:
    ungated = tuple(f for f in FINDINGS if not f.gated)
    assert ungated
    assert list(ET.fromstring(junit(replace(EMPTY, findings=ungated))).iter("testcase")) == []


def test_missing_scores_and_a_missing_baseline_are_skipped_with_the_reason() -> None:
    reasons = {s.get("type"): s.text or "" for s in ET.fromstring(junit(COMPARISON)).iter("skipped")}
    assert reasons["missing"] == "only in the baseline: this run has no such score"
    (skipped,) = ET.fromstring(junit(NO_BASELINE)).iter("skipped")
    assert "harness accept" in (skipped.text or "")


def test_ten_thousand_findings_are_ten_thousand_cases_of_different_names() -> None:
    names = [(c.get("classname"), c.get("name")) for c in ET.fromstring(junit(many(10_000))).iter("testcase")]
    assert len(set(names)) == 10_000


@given(st.text())
def test_any_text_can_be_parsed_again(text: str) -> None:
    failure = replace(HOSTILE.failures[0], node=text, error=text)
    odd = replace(FINDINGS[2], metric=text, reason=text, at={"a.b": text})
    comparison = replace(EMPTY, suite=text, findings=(odd,), failures=(failure,), note=text, baseline=None)
    assert len(list(ET.fromstring(junit(comparison).encode()).iter("testcase"))) == 3


class Shown(NamedTuple):
    """What GitHub makes of a command."""

    level: str
    properties: dict[str, str]
    message: str


def shown(text: str) -> list[Shown]:
    """Taken apart as the runner does: github.com/actions/runner, ``ActionCommand.TryParseV2``."""
    found = []
    for line in text.split("\n")[:-1]:  # the runner knows no other ends of lines, Python some
        matched = re.fullmatch(r"::(\w+) ([^\n]*?)::([^\n]*)", line)
        assert matched, line
        level, properties, message = matched.groups()
        pairs = dict(pair.split("=", 1) for pair in properties.split(","))
        found.append(Shown(level, {k: _unescaped(v) for k, v in pairs.items()}, _unescaped(message)))
    return found


def _unescaped(text: str) -> str:
    for code, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, character)
    return text


@pytest.mark.parametrize(
    ("verdict", "level"),
    [
        (Verdict.REGRESSED, "error"),
        (Verdict.INCOMPARABLE, "warning"),
        (Verdict.INCONCLUSIVE, "warning"),
        (Verdict.IMPROVED, "notice"),
    ],
)
def test_a_verdict_has_its_level(verdict: Verdict, level: str) -> None:
    [found] = shown(workflow_commands(replace(EMPTY, findings=(replace(FINDINGS[2], verdict=verdict),))))
    assert found.level == level
    assert found.properties == {"title": f"{verdict}: scores.overall_accuracy"}
    assert found.message.startswith(f"{verdict}: worse by 0.0310 (90 % interval 0.0120 to 0.0500)")
    assert "environment, a likely cause: torch: 2.14.0 → 2.15.0" in found.message.splitlines()


def test_what_is_unchanged_or_not_gated_says_nothing() -> None:
    silent = tuple(f for f in FINDINGS if not f.gated or f.verdict is Verdict.UNCHANGED)
    assert len(silent) == 3
    assert workflow_commands(replace(EMPTY, findings=silent)) == ""


def test_a_failed_task_comes_first_with_the_first_line_of_its_log() -> None:
    first, *others = shown(workflow_commands(COMPARISON))
    assert first.level == "error"
    assert first.properties["title"] == "failed: images (scheduler=unipc, seed=2)"
    assert first.message == "the loss is not a number at step 120"
    assert [each.level for each in others] == ["error", *["warning"] * 3, "notice"]
    assert {"title": "missing: memorisation"} in [each.properties for each in others]


def test_without_a_baseline_there_is_one_warning_with_the_command_that_makes_one() -> None:
    unjudged = replace(FINDINGS[3], verdict=None, estimate=None, measured=Measured(0.5, 0.1, 5, "seeds"))
    [found] = shown(workflow_commands(replace(NO_BASELINE, findings=(unjudged, unjudged))))
    assert (found.level, found.properties["title"]) == ("warning", "no baseline yet")
    assert "harness accept" in found.message


def test_of_more_than_ten_the_tenth_names_the_others() -> None:
    found = shown(workflow_commands(many(200)))
    assert Counter(each.level for each in found) == {"error": 10}
    assert found[0].properties["title"] == "regressed: kid.distance (steps=190)"  # the worst
    assert found[-1].properties["title"] == "11 more errors: see the report"
    assert found[-1].message.startswith("regressed: kid.distance (steps=100), regressed: ")
    assert len(shown(workflow_commands(many(100)))) == 10
    assert not any("more" in each.properties["title"] for each in shown(workflow_commands(many(100))))


def test_each_stands_at_the_line_of_its_gate_or_stage(tmp_path: Path) -> None:
    gate = "fit: [0.1, {margin: 0.2, at: {model.loss: square, model.rate: 0.1}}]"
    text = changed(("fit: 0.1", f"{gate}\n  # a line"), text=TOY)
    suite = load(write_suite(tmp_path, text))
    lines = {line.strip(): number for number, line in enumerate(text.splitlines(), start=1)}
    worse = replace(FINDINGS[2], metric="fit", field="error")
    other = replace(worse, field="within")
    there = replace(worse, at={"model.loss": "square", "model.rate": 0.1})
    unknown = replace(worse, metric="gone")
    stage = next(number for line, number in lines.items() if line.startswith("model:"))
    task = replace(COMPARISON.failures[0], node="model", point={}, seeds={})
    comparison = replace(EMPTY, findings=(worse, other, there, unknown), failures=(task,))
    places = {
        each.properties["title"]: (each.properties.get("file"), each.properties.get("line"))
        for each in shown(workflow_commands(comparison, suite, tmp_path))
    }
    assert places == {
        "failed: model": ("suites/suite.yaml", str(stage)),
        "regressed: fit.error": ("suites/suite.yaml", str(lines[gate])),
        "regressed: fit.error (loss=square, rate=0.1)": ("suites/suite.yaml", str(lines[gate])),
        "regressed: fit.within": ("suites/suite.yaml", str(lines["fit.within: 5%"])),
        "regressed: gone.error": (None, None),
    }
    elsewhere = shown(workflow_commands(comparison, suite, tmp_path / "another-repository"))
    assert elsewhere
    assert not any("file" in each.properties for each in elsewhere)


@given(st.text())
def test_any_text_comes_back_as_it_was_but_for_what_no_terminal_should_see(text: str) -> None:
    failure = replace(HOSTILE.failures[0], node=f"a{text}", point={}, seeds={}, error=f"b{text}")
    [found] = shown(workflow_commands(replace(EMPTY, failures=(failure,))))
    assert found.properties["title"] == clean(f"failed: a{text}", most=200)
    assert found.message == clean(first_line(f"b{text}"), lines=True, most=4000)


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e != "empty"])
def test_every_line_is_a_command_whatever_names_hold(example: str) -> None:
    assert shown(workflow_commands(EXAMPLES[example]))


def test_a_run_prints_them_on_github_and_nowhere_else(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = write_suite(project.folder, WITH_OTHERS)
    monkeypatch.setenv("GITHUB_WORKSPACE", str(project.folder))
    silent = project.harness("run", suite)
    assert "::" not in silent.out
    project.accept()
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    said = project.harness("run", suite, *WORSE)
    assert said.code == 6
    error = next(each for each in shown(commands(said)) if each.level == "error")
    assert error.properties["file"] == "suites/suite.yaml"
    assert suite.read_text().splitlines()[int(error.properties["line"]) - 1].strip().startswith("fit")
    again = project.harness("compare", "toy/centre")
    assert [each.level for each in shown(commands(again))] == [each.level for each in shown(commands(said))]
    as_json = project.harness("compare", "toy/centre", "--json")
    assert as_json.json["exit"] == 6  # nothing but the document


def commands(said: Said) -> str:
    return "".join(f"{line}\n" for line in said.out.splitlines() if line.startswith("::"))
