from __future__ import annotations

import re
from dataclasses import replace
from io import BytesIO, TextIOWrapper

import pytest
from report.test_golden import COMPARISON, EMPTY, EXAMPLES, FINDINGS, RUN, finding, many, printed
from rich.cells import cell_len
from rich.console import Console

from harness.compare import Point, Verdict
from harness.report.terminal import print_comparison


@pytest.mark.parametrize("width", [80, 100, 120, 200])
@pytest.mark.parametrize("example", EXAMPLES)
def test_no_line_is_wider_than_the_terminal(example: str, width: int) -> None:
    lines = printed(EXAMPLES[example], width).splitlines()
    assert len(lines) > 3
    assert max(map(cell_len, lines)) <= width


def test_every_number_of_a_verdict_is_on_a_wide_terminal_in_one_line() -> None:
    line = next(li for li in printed(COMPARISON, 160).splitlines() if "overall_accuracy" in li)
    shown = ["✗ regressed", "0.812", "0.781", "-0.0310 [-0.0500, -0.0120]", "0.0200", "5 paired seeds"]
    assert [part for part in shown if part not in line] == []


def test_verdicts_are_told_by_word_and_symbol_and_not_by_colour_alone() -> None:
    text = printed(COMPARISON)
    assert "\x1b" not in text
    for told in ("✗ regressed", "≠ incomparable", "? inconclusive", "= unchanged", "✓ improved"):
        assert told in text


def test_colour_is_used_where_the_terminal_has_it() -> None:
    assert "\x1b[1;31m✗ regressed" in printed(COMPARISON, color_system="standard", force_terminal=True)


def test_escape_codes_in_names_never_reach_the_terminal() -> None:
    coloured = printed(EXAMPLES["hostile"], color_system="standard", force_terminal=True)
    plain = printed(EXAMPLES["hostile"])
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain
    assert "\u202e" not in coloured


def test_markup_in_names_is_shown_and_not_obeyed() -> None:
    odd = replace(FINDINGS[2], reason="[bold]worse[/bold] :smile: [/]")
    assert "[bold]worse[/bold] :smile: [/]" in printed(replace(EMPTY, findings=(odd,)), 120)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
def test_a_terminal_that_knows_few_characters_still_gets_the_verdict(encoding: str) -> None:
    raw = BytesIO()
    console = Console(file=TextIOWrapper(raw, encoding=encoding), width=80, color_system=None, _environ={})
    print_comparison(console, RUN, EXAMPLES["hostile"])
    print_comparison(console, RUN, COMPARISON)
    console.file.flush()
    assert b"x regressed" in raw.getvalue()
    assert b"torch: 2.14.0 -> 2.15.0" in raw.getvalue()


def test_of_ten_thousand_findings_the_worst_thirty_are_shown_and_the_rest_counted() -> None:
    lines = printed(many(10_000)).splitlines()
    assert sum(line.startswith("✗ regressed kid.distance  ") for line in lines) == 30
    assert "and 9,970 more: 970 regressed, 9,000 unchanged" in lines


def test_fields_that_nobody_judges_take_few_rows() -> None:
    unjudged = [finding(f"m{i}.score", None) for i in range(12)]
    text = printed(replace(EMPTY, findings=tuple(unjudged)), 120)
    assert text.count("not judged") == 8 + 1
    assert "and 4 more: 4 not judged" in text


def test_what_was_not_re_executed_says_so_beside_its_verdict() -> None:
    cached = tuple(replace(f, executed=False) for f in FINDINGS if f.verdict is Verdict.UNCHANGED)
    assert printed(replace(EMPTY, findings=cached)).count("not re-executed") == len(cached) == 1
    assert "not re-executed" not in printed(EMPTY)


def test_findings_with_one_reason_share_a_line() -> None:
    same = tuple(replace(FINDINGS[3], at={"images.steps": n}) for n in range(5))
    text = printed(replace(EMPTY, findings=same), 200)
    assert "fid.distance (steps=2) and 2 more: the protocols differ" in text
    assert text.count("fid.n_generated: 250 → 500") == 1


def test_comparisons_within_the_run_have_a_table_of_their_own() -> None:
    before, title, after = printed(COMPARISON, 120).partition(
        "within the run, against scheduler=pndm, steps=50"
    )
    assert title
    assert "scheduler=euler, steps=10" in after
    assert "scheduler=euler" not in before


def test_missing_new_and_deselected_scores_are_counted_and_named() -> None:
    points = tuple(Point("fid", {"images.steps": n}) for n in range(7))
    text = printed(replace(EMPTY, missing=points), 120)
    assert "7 missing (only in the baseline): fid (steps=0)" in text
    assert "fid (steps=4) and 2 more" in text


@pytest.mark.parametrize(
    ("example", "last"),
    [
        ("empty", "- not gated: nothing is gated (3 tasks, 1 cached, 71.2 s, exit 0)"),
        ("no-baseline", "» no baseline yet: nothing is gated (3 tasks, 1 cached, 71.2 s, exit 4)"),
    ],
)
def test_the_last_line_is_the_outcome(example: str, last: str) -> None:
    assert printed(EXAMPLES[example], 120).splitlines()[-1] == last


def test_without_a_baseline_the_values_and_the_command_that_accepts_them_are_shown() -> None:
    text = printed(EXAMPLES["no-baseline"])
    assert "0.780, 0.785" in text
    assert "harness accept .harness/runs/20260304-101500-ab12 --label cpu" in text
