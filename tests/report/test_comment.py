"""The comment on a pull request: what it says, in which order, within which size, and that text of others is inert."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report.test_golden import COMPARISON, EMPTY, EXAMPLES, FINDINGS, HOSTILE, RUN, check_golden, many
from report.test_markdown import Tags

from harness.compare import Verdict
from harness.report.comment import LEAST_BYTES, Judged, inert, marker, render
from harness.report.strip import HALF, forest

ALL = [Judged(f"suites/{name}.yaml", RUN, comparison) for name, comparison in EXAMPLES.items()]


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e != "many"])
def test_it_reads_as_it_read(example: str) -> None:
    run = replace(RUN, provenance={**RUN.provenance, "command": ["harness", "run", "suites/a.yaml"]})
    text = render(
        [Judged("suites/a.yaml", run, EXAMPLES[example])], link="https://ci.example/1", notes=["Note."]
    )
    check_golden(f"{example}.comment.md", text)


def test_of_several_suites_the_worst_comes_first() -> None:
    text = render([*ALL, Judged("suites/broken.yaml", problem="exit code 2")])
    heads = [line.split()[2].rstrip(":") for line in text.split("\n") if re.match("### [^A-Za-z0-9]+ ", line)]
    assert heads[:3] == ["error", "failed", "failed"]
    assert text.split("\n")[1] == f"## ❌ error: the worst of {len(ALL) + 1} suites"


@pytest.mark.parametrize("limit", [LEAST_BYTES, 20_000, 60_000])
def test_it_fits_its_limit_and_says_what_it_leaves_out(limit: int) -> None:
    text = render([*ALL, Judged("a", RUN, many(10_000))], limit_bytes=limit, link="https://ci.example/1")
    assert len(text.encode()) <= limit
    assert "left out for size; the reports have all" in text or "more, cut for size" in text
    assert text.endswith("[Reports and log](https://ci.example/1)\n")
    Tags(text.partition("\n")[2])


def test_a_smaller_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="less than"):
        render(ALL, limit_bytes=LEAST_BYTES - 1)


def test_the_gates_that_did_not_hold_have_interval_margin_and_what_they_could_have_seen() -> None:
    text = render([Judged("a", RUN, COMPARISON)])
    lines = text.split("\n")
    broken = lines.index("### Gates that did not hold")
    assert broken < lines.index("<details><summary>2 gates held</summary>")
    row = next(line for line in lines if line.startswith("| 🔴 scores.overall_accuracy"))
    assert row.endswith("| 0.812 | 0.781 | -0.0310 | [-0.0500, -0.0120] | 0.0200 | 0.0345 |")


@pytest.mark.parametrize("command", [None, [], "harness run", ["rm", "-rf", "/"], ["harness", "store", "gc"]])
def test_only_a_run_of_the_harness_is_shown_as_a_command(command: object) -> None:
    run = replace(RUN, provenance={"command": command})  # type: ignore[dict-item]
    assert "To reproduce" not in render([Judged("a", run, EMPTY)])


def test_words_of_a_command_are_quoted() -> None:
    run = replace(RUN, provenance={"command": ["harness", "run", "a;b", "```\n$(id)"]})
    block = render([Judged("a", run, EMPTY)]).partition("```sh\n")[2].partition("\n```")[0]
    assert block == "harness run 'a;b' '` ` ` $(id)'"


@given(st.text(alphabet="#!%@:/wgh-.3a ~[]()<>&*_|`\n$1", max_size=60))
def test_no_text_of_others_is_a_link_a_mention_or_a_reference(text: str) -> None:
    safe = inert(text)
    assert not re.search(r"[#!%]\d|gh-\d|://|www\.|@\w", safe, re.IGNORECASE)
    assert not re.match(r"\s|[#+=-]|\d+[.)](\s|$)|>", safe)
    assert "<" not in re.sub(r"<!-- -->|</?span>", "", safe)


def test_a_hostile_record_cannot_write_the_marker_or_html() -> None:
    run = replace(RUN, suite=f"{marker('harness')}<img src=x>")
    text = render([Judged("a", run, HOSTILE)])
    assert text.count(marker("harness")) == 1
    assert Tags(text.partition("\n")[2]).seen <= {"details", "summary", "br", "span"}


@pytest.mark.parametrize("name", ["", "-->", "a\nb", "x" * 65])
def test_a_name_that_could_end_the_marker_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="expected letters"):
        marker(name)


def drawn(change: float, low: float, high: float, better: str = "higher") -> str:
    estimate = replace(FINDINGS[2].estimate, change=change, low=low, high=high)  # type: ignore[type-var]
    return forest([replace(FINDINGS[2], better=better, estimate=estimate, margin=1.0)])[1].split()[-1]  # type: ignore[arg-type]


def test_the_plot_has_worse_to_the_right_in_units_of_the_margin() -> None:
    head, line = forest([FINDINGS[2]])
    offset = line.index("scores.overall_accuracy") + len("scores.overall_accuracy  ")
    cells = line[offset:]
    assert len(cells) == 2 * HALF + 1
    assert [cells.index("│"), cells.index("┼")] == [HALF // 2, HALF]
    assert (head[offset + HALF], head[offset + HALF // 2]) == ("0", "1")
    assert head[offset + 3 * HALF // 2] == "1"
    assert cells.index("●") > HALF, "a fall of an accuracy is worse"
    assert drawn(-1.0, -1.5, -0.5).index("●") == 3 * HALF // 2
    assert drawn(-1.0, -1.5, -0.5, "lower").index("●") == HALF // 2
    assert drawn(0.0, 0.0, 0.0).count("━") == 0


def test_what_lies_beyond_the_plot_ends_in_an_arrow() -> None:
    assert drawn(-9.0, -10.0, -8.0).endswith("▶")
    assert drawn(9.0, 8.0, 10.0).startswith("◀")
    assert drawn(0.0, -3.0, 3.0)[0] + drawn(0.0, -3.0, 3.0)[-1] == "◀▶"


def test_a_gate_without_interval_or_margin_is_not_drawn() -> None:
    assert forest([replace(FINDINGS[2], estimate=None), replace(FINDINGS[2], margin=None)]) == []
    assert forest([f for f in FINDINGS if f.verdict is Verdict.INCOMPARABLE]) == []
