"""The whole of ``report.html``: what stands in it, in which order, and that it stays small."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from compare.runs import compared, repeats, score, side
from report.html.contexts import context
from report.test_golden import COMPARISON, EXAMPLES, NO_BASELINE, RUN, check_golden, many
from work import counted

from harness.errors import StoreError
from harness.report.files import write_reports
from harness.report.html import made, render
from harness.report.html.context import Context
from harness.report.html.parts import Section
from harness.report.html.sections.verdicts import verdicts
from harness.store.record import MetricInfo


class Skeleton(HTMLParser):
    """The text of the first screen, and the headings and heads of tables below it, a line each."""

    ALWAYS = frozenset({"h1", "h2", "h3", "p", "th", "dt", "dd", "li"})

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.open: list[str] = []
        self.silent = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given: Mapping[str, str | None] = dict(attrs)
        self.silent = tag in ("style", "script", "svg") or self.silent
        if tag in self.ALWAYS or tag in ("td", "figcaption"):
            self.open.append(tag)
            self.lines.append(f"{tag}{' #' + given['id'] if given.get('id') else ''} ")

    def handle_endtag(self, tag: str) -> None:
        self.silent = False if tag in ("style", "script", "svg") else self.silent
        if self.open and tag == self.open[-1]:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and not self.silent:
            self.lines[-1] += " ".join(data.split()) + " "


def skeleton(text: str) -> str:
    parser = Skeleton()
    parser.feed(text)
    return "".join(f"{' '.join(line.split())}\n" for line in parser.lines)


@pytest.mark.parametrize("example", ["full", "no-baseline", "empty"])
def test_the_page_reads_as_it_read(example: str, tmp_path: Path) -> None:
    check_golden(f"{example}.html.txt", skeleton(render(context(tmp_path, EXAMPLES[example])).text))


def test_the_sections_stand_in_the_order_of_their_use(tmp_path: Path) -> None:
    text = render(context(tmp_path)).text
    anchors = re.findall(r'<section id="([a-z-]+)"', text)
    ranked = [
        a for a in ("verdicts", "why", "within", "costs", "failures", "commands", "record") if a in anchors
    ]
    assert len(ranked) == 7
    assert len(set(anchors)) == len(anchors)
    assert [a for a in anchors if a in ranked] == ranked
    assert re.findall(r'<li><a href="#([a-z-]+)"', text) == anchors


LINEAR = 12
"""Ten times as much takes some ten times the work; it would be a hundred if it were done for every pair."""


def test_ten_thousand_findings_make_a_small_page_in_linear_time(tmp_path: Path) -> None:
    render(context(tmp_path))
    smaller, larger = context(tmp_path, many(1_000)), context(tmp_path, many(10_000))
    _, few = counted(lambda: render(smaller))
    made, all_of_them = counted(lambda: render(larger))
    text = made.text
    assert all_of_them < LINEAR * few
    assert len(text.encode()) < 300_000
    assert "10,000 gated: 1,000 regressed, 9,000 unchanged" in text
    assert "left out to keep this page small" in text


def cells(folder: Path, count: int) -> Context:
    scores = [
        score(repeats([0.8, 0.81, 0.79 + i / 1e6]), {"m.a": i % 100, "m.b": i // 100}) for i in range(count)
    ]
    candidate = side(*scores, reference={"m.a": 0, "m.b": 0})
    comparison = compared(candidate, None)
    assert len(comparison.findings) >= count - 1
    return context(folder, comparison, candidate.run, None)


def test_ten_thousand_cells_make_a_small_page_in_linear_time(tmp_path: Path) -> None:
    render(context(tmp_path))
    smaller, larger = cells(tmp_path, 1_000), cells(tmp_path, 10_000)
    _, few = counted(lambda: render(smaller))
    made, all_of_them = counted(lambda: render(larger))
    text = made.text
    assert all_of_them < LINEAR * few
    assert len(text.encode()) < 300_000


def test_a_run_with_nothing_in_it_still_has_a_page(tmp_path: Path) -> None:
    bare = replace(
        RUN, scores=(), tasks=(), gates=(), metrics={"m": MetricInfo("m", {}, ())}, sources=(), provenance={}
    )
    text = render(context(tmp_path, NO_BASELINE, bare, None)).text
    assert "no baseline" in text
    assert 'id="verdicts"' not in text


def test_without_a_baseline_the_first_screen_has_the_values_and_the_command_that_accepts(
    tmp_path: Path,
) -> None:
    text = render(context(tmp_path, EXAMPLES["first"])).text
    top = text[: text.index("<main")]
    assert "harness accept" in top
    figures = "".join(f'<td class="n">{f}</td>' for f in ("0.812", "0.012", "0.020", "0.035"))
    assert figures in top
    assert "euler at 20 steps is as good as pndm at 50 steps in both gated fields" in top


def unreadable(given: Context) -> Section | None:
    raise StoreError(given.folder, "gone")


def test_a_section_whose_artifacts_cannot_be_read_says_so_and_the_others_stand(tmp_path: Path) -> None:
    said, *others = made(context(tmp_path), (unreadable, verdicts))
    assert (said.anchor, said.lead) == ("unreadable", f"Cannot be shown: store {tmp_path}: gone")
    assert [s.anchor for s in others] == ["verdicts"]


def test_the_reports_of_a_folder_replace_each_other(tmp_path: Path) -> None:
    beside = tmp_path / "report-files"
    beside.mkdir()
    (beside / "0123456789abcdef.webp").write_bytes(b"of an earlier report")
    (beside / "mine.txt").write_text("somebody's own")
    write_reports(context(tmp_path))
    assert {f.name for f in tmp_path.iterdir()} == {
        "report.html", "report.md", "junit.xml", "run.json", "report-files",
    }  # fmt: skip
    assert [f.name for f in beside.iterdir()] == ["mine.txt"]
    assert COMPARISON.run in (tmp_path / "report.html").read_text(encoding="utf-8")
