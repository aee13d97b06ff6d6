"""One board in four forms: they say the same, and hold what names and figures can do to them."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from compare.runs import repeats, run, score
from leaderboard.board_runs import HOSTILE, at, entries, subject, sweep
from work import counted

from harness.leaderboard import Board
from harness.leaderboard.making import tables
from harness.leaderboard.published import published
from harness.report.html import leaderboard as page
from harness.report.leaderboard import Places, to_csv, to_json, to_markdown
from harness.store.record import Run

LITERATURE = """\
mine:
  source: a paper
  definition: unverified
  protocol: {n: 250}
  metrics: {fid: lower}
  rows: {theirs: {fid: 245.3629}}
"""


def board(*runs: Run, paired: str | None = None) -> Board:
    return Board(tuple(tables(entries(*runs), paired=paired)))


def places(folder: Path = Path()) -> Places:
    return Places(folder)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


class Text(HTMLParser):
    """The visible text of a page, and the tags that are in it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self._hidden = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self._hidden = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = self._hidden and tag not in ("script", "style")

    def handle_data(self, data: str) -> None:
        self.text += "" if self._hidden else data


def test_all_four_give_the_same_ranks_and_figures() -> None:
    made = board(sweep((0.5, 0.6, 0.9)))
    line = made.tables[0].lines[0]
    assert (line.name, line.ranks) == ("scheduler=euler", (1, 1))
    first = rows(to_csv(made))[0]
    assert (first["row"], first["rank_best"], first["rank_worst"]) == ("scheduler=euler", "1", "1")
    assert float(first["value"]) == pytest.approx(0.9)
    written = json.loads(to_json(made, places()))["tables"][0]
    assert written["lines"][0]["ranks"] == {"best": 1, "worst": 1}
    assert written["columns"][0]["name"] == "m.score"
    assert "| scheduler=euler | 1 | 0.900 \\[0.883, 0.917\\] |" in to_markdown(made, places())
    text = Text(page.render(made, places())).text
    assert "scheduler=euler" in text
    assert "[0.883, 0.917]" in text


def test_ranks_that_are_not_sure_are_a_range() -> None:
    scores = [at(0.5, spread=0.1, scheduler="pndm"), at(0.51, spread=0.2, scheduler="ddim")]
    made = board(run(*scores, reference={"images.scheduler": "pndm"}))
    assert "| scheduler=ddim | 1–2 |" in to_markdown(made, places())
    assert "1–2" in Text(page.render(made, places())).text


def test_tables_are_kept_apart_and_say_why() -> None:
    made = board(subject(0.5, 1), subject(0.6, 2, n=20))
    for text in (to_markdown(made, places()), Text(page.render(made, places())).text):
        assert "1. smoke/toy" in text
        assert "Not comparable with table 2: m.n: 10 → 20." in text
    assert [r["table"] for r in rows(to_csv(made))] == ["1", "2"]


def test_what_was_published_is_marked_and_keeps_its_digits(tmp_path: Path) -> None:
    file = tmp_path / "published.yaml"
    file.write_text(LITERATURE)
    made = Board((*tables(entries(sweep())), *published(file)))
    for text in (to_markdown(made, places()), Text(page.render(made, places())).text):
        theirs = text[text.rindex("Published by others") :]
        assert "245.3629" in theirs
        for said in ("Source: a paper.", "Protocol: n: 250.", "Unverified: what was computed is not known"):
            assert said in theirs
    last = rows(to_csv(made))[-1]
    assert (last["kind"], last["value"], last["rank_best"]) == ("published", "245.3629", "")


def test_paired_changes_stand_in_a_table_of_their_own() -> None:
    made = board(sweep((0.5, 0.6, 0.4)), paired="scheduler=pndm")
    text = to_markdown(made, places())
    assert "### Change from 20260304-101500-ab12: scheduler=pndm" in text
    assert r"| scheduler=euler | -0.100 \[-0.103, -0.097\] regressed |" in text
    worst = next(r for r in rows(to_csv(made)) if r["row"] == "scheduler=euler")
    assert (worst["verdict"], float(worst["change"])) == ("regressed", pytest.approx(-0.1))
    assert "regressed" in Text(page.render(made, places())).text


def test_names_from_outside_are_text_everywhere() -> None:
    made = board(
        subject(0.5, HOSTILE, suite=HOSTILE, id="a"),
        subject(0.6, "=HYPERLINK(1)", id="b"),
        subject(0.7, "-1+1", id="c"),
    )
    html = page.render(made, places())
    assert Text(html).tags.count("script") == 1  # the page's own
    assert "<script>alert" not in html
    assert "שלום" in Text(html).text
    text = to_markdown(made, places())
    assert "<script>" not in text
    assert all(line.count(" | ") == 4 for line in text.splitlines() if line.startswith("| lr"))
    table = rows(to_csv(made))
    assert len(table) == 3
    assert {r["row"] for r in table} == {line.name for line in made.tables[0].lines}
    assert json.loads(to_json(made, places()))["tables"][0]["title"].startswith("שלום")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r\n+"])
def test_a_spreadsheet_takes_no_name_for_a_formula(start: str) -> None:
    made = board(subject(0.5, 1, suite=f"{start}cmd|' /C calc'!A0"), subject(-0.5, 2, suite="plain"))
    table = rows(to_csv(made))
    assert table[0]["suite"].startswith("'")
    assert table[0]["suite"].endswith(f"{start[-1]}cmd|' /C calc'!A0")
    assert table[1]["value"].startswith("-0.5")  # a number is one


def test_every_line_leads_to_its_report(tmp_path: Path) -> None:
    made = board(subject(0.5, 1, id="a b"), subject(0.6, 2))
    folder = tmp_path / "board"
    html = page.render(made, places(folder))
    for line in made.tables[0].lines:
        assert line.origin.path
        link = places(folder).link(line.origin)
        assert f'href="{link}"' in html
        assert f"]({link})" in to_markdown(made, places(folder))
    assert places(folder).link(made.tables[0].lines[1].origin).endswith("runs/a%20b")


def test_a_failed_row_says_so_and_has_no_number() -> None:
    broken = at(0.6, scheduler="ddim")
    broken = score(
        repeats([None, None, None], "images.seed"),
        broken.point,
        settings=broken.settings,
        protocol=broken.protocol,
    )
    made = board(run(at(0.5, scheduler="pndm"), broken, reference={"images.scheduler": "pndm"}))
    failed = rows(to_csv(made))[1]
    assert (failed["value"], failed["rank_best"], failed["note"]) == ("", "", "failed: m")
    assert "| scheduler=ddim (failed: m) |" in to_markdown(made, places())
    assert "failed: m" in Text(page.render(made, places())).text


def written(count: int) -> tuple[tuple[str, str, str], int]:
    """A board of so many rows as HTML, Markdown and CSV, and the work that it took."""
    made = run(*[at(k / 1e4, k=k) for k in range(count)], reference={"images.k": 0})

    def write() -> tuple[str, str, str]:
        found = board(made)
        return page.render(found, places()), to_markdown(found, places()), to_csv(found)

    return counted(write)


def test_ten_thousand_rows_stay_small_to_read_and_whole_for_programs_in_linear_time() -> None:
    _, few = written(1_000)
    (html, text, file), work = written(10_000)
    table = rows(file)
    assert (
        work < 13 * few
    )  # ten times as much, and a logarithm for what is sorted; 100 if it were done for every pair
    assert len(table) == 10_000
    assert len(html) < 300_000
    assert len(text) < 100_000
    assert "9,500 more rows left out" in html
    assert "9,900 rows more in `leaderboard.csv`" in text


def test_a_thousand_tables_are_counted_not_shown() -> None:
    made = board(run(*[at(k / 1e3, k=k) for k in range(1000)]))
    assert len(made.tables) == 1000
    html = page.render(made, places())
    assert len(html) < 300_000
    assert "976 tables more are in leaderboard.json" in Text(html).text
    assert "960 tables more" in to_markdown(made, places())
