from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report.test_golden import COMPARISON, EMPTY, EXAMPLES, FINDINGS, HOSTILE, NASTY, RUN, many

from harness.artifact import Json
from harness.compare import Difference
from harness.errors import UsageError
from harness.report.markdown import (
    LEAST_BYTES,
    STEP_SUMMARY_BYTES,
    append_step_summary,
    detail_table,
    escape,
    render,
)


class Tags(HTMLParser):
    """Which HTML elements a browser would find, and that each is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.feed(re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not attrs
        self.seen.add(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_only_html_is_our_own_and_all_of_it_is_closed(example: str) -> None:
    tags = Tags(render(RUN, EXAMPLES[example]))
    assert "details" in tags.seen
    assert tags.seen <= {"details", "summary", "br", "span"}
    assert tags.open == []


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_row_of_a_table_has_as_many_cells_as_its_head(example: str) -> None:
    cells = 0
    for line in render(RUN, EXAMPLES[example]).splitlines():
        if not line.startswith("| "):
            cells = 0
            continue
        found = len(re.findall(r"(?<!\\)\|", line)) - 1
        cells = cells or found
        assert found == cells


def test_the_banner_and_the_provenance_come_first() -> None:
    lines = [line for line in render(RUN, COMPARISON).splitlines() if line]
    assert lines[0] == "## ❌ failed: smoke/land-cover"
    assert lines[2].startswith("- euler at 10 steps regressed in fid.distance against pndm at 50 steps")
    assert lines[3].startswith("commit 4f0c2d9e8b7a · tree with uncommitted changes · device Example CPU")
    assert lines[3].endswith("baseline cpu, accepted 2 days before this run (first baseline on two cores)")


@pytest.mark.parametrize("limit", [LEAST_BYTES, 50_000, 300_000, STEP_SUMMARY_BYTES])
@pytest.mark.parametrize("comparison", [many(10_000), COMPARISON, HOSTILE, EMPTY])
def test_the_report_fits_its_limit(comparison: object, limit: int) -> None:
    text = render(RUN, comparison, limit)  # type: ignore[arg-type]
    assert len(text.encode()) <= limit
    assert Tags(text).open == []


@given(st.text(max_size=400), st.sampled_from("$&<|صx🛰"))
def test_the_least_limit_holds_whatever_the_names_are(text: str, filler: str) -> None:
    name = text + filler * 2000
    provenance: dict[str, Json] = {"commit": name, "dirty": True}
    environment: dict[str, Json] = {"gpu": name, "driver": name, "image": name}
    run = replace(RUN, id=name, suite=name, provenance=provenance, environments={"e1": environment})
    comparison = replace(
        HOSTILE, baseline=name, note=name, findings=(replace(FINDINGS[2], reason=name),) * 40
    )
    assert len(render(run, comparison, LEAST_BYTES).encode()) <= LEAST_BYTES


def test_what_is_cut_is_said_and_the_worst_is_kept() -> None:
    text = render(RUN, many(10_000), LEAST_BYTES)
    kept = re.findall(r"^\| 🔴 regressed \| kid\.distance<br>steps=(\d+)", text, re.MULTILINE)
    assert kept[0] == "9990"
    rest = re.search(r"_([\d,]+) rows more, cut for size; worst first", text)
    assert rest is not None
    assert int(rest[1].replace(",", "")) == 10_000 - len(kept)


def test_sections_that_do_not_fit_are_named() -> None:
    wide = replace(RUN, scores=tuple(replace(RUN.scores[0], point={"scenes.size": n}) for n in range(300)))
    assert re.search(
        r"_[\d,]+ sections left out to stay within 16,384 bytes", render(wide, many(500), LEAST_BYTES)
    )


def test_a_limit_that_cannot_be_kept_is_refused() -> None:
    with pytest.raises(ValueError, match="limit_bytes"):
        render(RUN, EMPTY, LEAST_BYTES - 1)


def test_counts_of_unmapped_classes_and_the_confusion_matrix_are_there() -> None:
    text = render(RUN, COMPARISON)
    assert '| scenes | unmapped | {"Airport":12,"Bridge":3} |' in text
    assert "| Bare Land | 39 | 13 |" in text
    assert "| Snow \\| Ice | 1 | 0.966 | 58 |" in text


def test_a_step_summary_is_appended_to(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    append_step_summary(summary, "## one")
    append_step_summary(summary, "## two")
    assert summary.read_text() == "## one\n## two\n"


def test_a_full_step_summary_still_gets_the_banner_and_stays_within_the_limit(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("x" * (STEP_SUMMARY_BYTES - 200))
    append_step_summary(summary, render(RUN, COMPARISON))
    assert "## ❌ failed: smoke/land-cover\n\n_The rest is in `report.md`" in summary.read_text()
    for _ in range(5):
        append_step_summary(summary, render(RUN, COMPARISON))
    assert summary.stat().st_size <= STEP_SUMMARY_BYTES


def test_a_step_summary_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^step summary .*: cannot be written \(Is a directory\)$"):
        append_step_summary(tmp_path, "text")


def test_what_somebody_changed_in_the_suite_stands_in_why() -> None:
    text = render(RUN, COMPARISON, changes=(Difference("tuned.epochs", 2, 1), Difference(NASTY, None, NASTY)))
    assert "### The suite differs, what somebody changed\n\n- tuned.epochs: 2 → 1\n" in text
    assert text.index("### Why") < text.index("tuned.epochs") < text.index("The environment differs")
    assert "<script>" not in text
    assert "The suite differs" not in render(RUN, COMPARISON)


@given(st.text())
def test_escaped_text_stays_one_line_in_one_cell_without_markup(text: str) -> None:
    escaped = escape(text)
    bare = escaped.replace("<span>$</span>", "").replace("@<!-- -->", "")
    assert "\n" not in escaped
    assert not re.search(r"[<>]", bare)
    assert not re.search(r"(?<!\\)(?:\\\\)*(?<!\\)[|`*]", bare)


def test_ordinary_names_are_left_as_they_are() -> None:
    assert escape("scores.overall_accuracy: 0.5 (5 seeds), org/name@abc") == (
        "scores.overall_accuracy: 0.5 (5 seeds), org/name@abc"
    )


def test_mentions_notify_nobody_and_right_to_left_text_is_isolated() -> None:
    assert "@<!-- -->team" in escape(NASTY)
    assert escape(NASTY).startswith("\u2068")
    assert escape(NASTY).endswith("\u2069")


@pytest.mark.parametrize(
    ("detail", "columns", "rows"),
    [
        ({"a": 1, "b": "x"}, ["", "value"], [["a", 1], ["b", "x"]]),
        ({"a": {"n": 1}, "b": {"m": 2}}, ["", "n", "m"], [["a", 1, ""], ["b", "", 2]]),
        ([{"n": 1}, {"n": 2}], ["n"], [[1], [2]]),
        ([[1, 2], [3, 4]], ["", ""], [[1, 2], [3, 4]]),
        ({"classes": ["x"], "matrix": [[7]]}, ["label \\ prediction", "x"], [["x", 7]]),
        (
            {"classes": ["x"], "matrix": [[7], [8]]},
            ["", "value"],
            [["classes", ["x"]], ["matrix", [[7], [8]]]],
        ),
        ([1, 2], ["value"], [[1], [2]]),
        ("text", ["value"], [["text"]]),
        (None, ["value"], [[None]]),
        ({}, ["", "value"], []),
    ],
)
def test_a_detail_becomes_a_table(detail: Json, columns: list[str], rows: list[list[Json]]) -> None:
    assert detail_table(detail) == (columns, rows)
