"""The page in a real browser: it sorts, it fits a telephone, it loads nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from browsing import patient
from leaderboard.board_runs import HOSTILE, entries, subject, sweep

from harness.leaderboard import Board
from harness.leaderboard.making import tables
from harness.report.html import leaderboard as page
from harness.report.leaderboard import Places


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tables(entries(sweep((0.5, 0.9, 0.6)), subject(0.7, HOSTILE, n=20)), paired="scheduler=pndm")
    place = tmp_path / "leaderboard.html"
    place.write_text(page.render(Board(tuple(made)), Places(tmp_path)))
    return place


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_it_opens_without_complaint_loads_nothing_and_fits(
    browser: Any, file: Path, width: int, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    shown, complaints, asked = patient(context.new_page()), [], []
    shown.on("console", lambda m: complaints.append(m.text))
    shown.on("pageerror", lambda e: complaints.append(str(e)))
    shown.on("request", lambda r: asked.append(r.url))
    shown.goto(file.as_uri())
    assert (complaints, asked) == ([], [file.as_uri()])
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    assert shown.locator("svg[role=img]").count() == 1
    assert shown.locator("a", has_text="scheduler=ddim").get_attribute("href")
    context.close()


def test_a_table_sorts_by_the_rank_and_by_the_row(browser: Any, file: Path) -> None:
    shown = patient(browser.new_page())
    shown.goto(file.as_uri())
    table = shown.locator("#table-1 table").filter(has=shown.locator("th", has_text="rank")).last
    names = table.locator("tbody th")
    assert names.first.inner_text().startswith("scheduler=ddim")
    table.locator("thead button", has_text="row").click()
    sorted_ = [n.split("2026")[0].strip() for n in names.all_inner_texts()]
    assert sorted_ == sorted(sorted_)
    assert len(sorted_) == 3
    shown.close()
