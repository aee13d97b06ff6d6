"""A report as people meet it: opened from disk in a real browser."""

from __future__ import annotations

import base64
import itertools
from pathlib import Path
from typing import Any

import pytest
from browsing import patient
from markupsafe import Markup
from playwright.sync_api import Browser, Page
from report.html.contexts import context
from report.test_golden import HOSTILE, NASTY

from harness.report.html import render
from harness.report.html.frame import page as framed
from harness.report.html.parts import Cell, Chart, Section, Strip, Table, Thumbnail

DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
DOT = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


class Opened:
    """A page on a screen, with everything that it asked for and complained of."""

    def __init__(self, browser: Browser, file: Path, **screen: Any) -> None:
        self.page: Page = patient(browser.new_page(**{"viewport": DESKTOP, **screen}))
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append(dialog.message))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(file.as_uri())

    def column(self, name: str, column: int) -> list[str]:
        """The texts of a column of the table of that name, as shown."""
        cells = f"table[aria-label='{name}'] tbody tr:not([hidden]) > :nth-child({column})"
        return self.page.locator(cells).all_inner_texts()


@pytest.fixture
def report(tmp_path: Path) -> Path:
    file = tmp_path / "report.html"
    file.write_text(render(context(tmp_path)).text, encoding="utf-8")
    return file


@pytest.fixture
def table_page(tmp_path: Path) -> Path:
    """A page with one long table: names, and numbers that are not in the order of their text."""
    values = [9.0, 100.0, -1.0, float("nan"), 0.5, 20.0, 3.0, 1e-9, 7.0, float("inf")]
    rows = tuple((Cell(f"row {i}"), Cell(f"{v:g}", v)) for i, v in enumerate(values))
    file = tmp_path / "page.html"
    section = Section("one", "One", (Table("Numbers", ("name", "value"), rows, frozenset({1})),))
    file.write_text(framed("A page", [section, Section("two", "Two", ())], top=Markup("")), encoding="utf-8")
    return file


def test_it_opens_from_disk_without_a_word_and_loads_nothing_else(browser: Browser, report: Path) -> None:
    opened = Opened(browser, report)
    assert opened.page.title() == "failed: smoke/land-cover"
    assert opened.said == []
    assert [url for url in opened.asked if not url.startswith("data:")] == [report.as_uri()]


def test_the_first_screen_says_how_bad_how_sure_and_since_when(browser: Browser, report: Path) -> None:
    opened = Opened(browser, report)
    for text in (
        "failed",
        "scores.overall_accuracy",
        "-0.0310",
        "[-0.0500, -0.0120]",
        "90 % intervals over 5 paired seeds",
        "accepted 2 days before this run (first baseline on two cores)",
        "torch: 2.14.0 → 2.15.0",
        "fid.n_generated: 250 → 500",
        "4f0c2d9e8b7a with uncommitted changes",
    ):
        box = opened.page.get_by_text(text).first.bounding_box()
        assert box is not None, text
        assert box["y"] + box["height"] <= DESKTOP["height"], text


@pytest.mark.parametrize(
    "screen", [{"viewport": PHONE}, {"color_scheme": "dark"}, {"viewport": PHONE, "color_scheme": "dark"}]
)
def test_on_a_phone_and_in_the_dark_the_page_does_not_scroll_sideways(
    browser: Browser, report: Path, screen: dict[str, Any]
) -> None:
    opened = Opened(browser, report, **screen)
    opened.page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert (
        opened.page.evaluate("document.documentElement.scrollWidth")
        <= screen.get("viewport", DESKTOP)["width"]
    )
    background = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == ("color_scheme" not in screen)


def test_a_head_sorts_its_column_by_number_and_the_other_way_at_the_second_click(
    browser: Browser, table_page: Path
) -> None:
    opened = Opened(browser, table_page)
    head = opened.page.get_by_role("button", name="value")
    head.click()
    assert opened.column("Numbers", 2) == ["-1", "1e-09", "0.5", "3", "7", "9", "20", "100", "inf", "nan"]
    assert opened.page.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"
    head.click()
    assert opened.column("Numbers", 2) == ["inf", "100", "20", "9", "7", "3", "0.5", "1e-09", "-1", "nan"]
    opened.page.get_by_role("button", name="name").click()
    assert opened.column("Numbers", 1) == [f"row {i}" for i in range(10)]


def test_the_keyboard_alone_reaches_sorts_and_filters(browser: Browser, table_page: Path) -> None:
    opened = Opened(browser, table_page)
    focused = "document.activeElement.textContent.trim() || document.activeElement.tagName"
    stops = []
    for _ in range(6):
        opened.page.keyboard.press("Tab")
        stops.append(opened.page.evaluate(focused))
    assert stops == ["Skip to the content", "One", "Two", "INPUT", "name", "value"]
    opened.page.keyboard.press("Enter")
    assert opened.column("Numbers", 2)[0] == "-1"
    opened.page.get_by_label("Filter: Numbers").focus()
    opened.page.keyboard.type("ROW 4")
    assert opened.column("Numbers", 1) == ["row 4"]
    assert opened.page.locator("output").inner_text() == "1 of 10 rows"


@pytest.mark.parametrize(("count", "hidden"), [(25, False), (60, True)])
def test_a_table_shows_all_its_rows_or_says_that_there_are_more(
    browser: Browser, tmp_path: Path, count: int, hidden: bool
) -> None:
    rows = tuple((Cell(f"row {i}", note="a note"), Cell(f"{i}")) for i in range(count))
    file = tmp_path / "page.html"
    section = Section("one", "One", (Table("Numbers", ("name", "value"), rows),))
    file.write_text(framed("A page", [section], top=Markup("")), encoding="utf-8")
    page = Opened(browser, file).page
    below = "document.querySelector('.scroll').scrollHeight - document.querySelector('.scroll').clientHeight"
    assert (page.evaluate(below) > 0) == hidden
    hint = page.get_by_text(f"{count} rows: scroll in the table for more.")
    assert hint.count() == hidden
    if hidden:
        page.get_by_label("Filter: Numbers").fill("row 41")
        assert not hint.is_visible()
        page.get_by_label("Filter: Numbers").fill("")
        page.emulate_media(media="print")
        assert not hint.is_visible()
        assert page.evaluate(below) == 0


def test_paper_shows_what_is_folded_and_no_controls(browser: Browser, report: Path) -> None:
    opened = Opened(browser, report, color_scheme="dark")
    folded = opened.page.get_by_text("Where data and weights came from", exact=True)
    assert not folded.is_visible()
    opened.page.emulate_media(media="print")
    assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert folded.is_visible()
    assert not opened.page.locator("nav").is_visible()
    assert not opened.page.locator(".filter").first.is_visible()


def test_paper_has_every_picture_however_many_stand_in_a_row(browser: Browser, tmp_path: Path) -> None:
    pictures = tuple(Thumbnail(DOT, f"dot {i}", width=128, height=128) for i in range(16))
    far_down = Chart("Far down", Markup('<svg height="9000"></svg>'), "", Table("Far down", ("a",), ()))
    strip = Strip("Dots", "", tuple(f"{i}" for i in range(16)), (pictures,), ("one prompt",))
    file = tmp_path / "page.html"
    sections = [Section("one", "One", (far_down, strip))]
    file.write_text(framed("A page", sections, top=Markup("")), encoding="utf-8")
    page = Opened(browser, file, viewport={"width": 718, "height": 1000}).page
    page.emulate_media(media="print")
    assert page.evaluate("[...document.images].filter((i) => i.complete && i.naturalWidth).length") == 16
    assert (
        page.evaluate("Math.max(...[...document.images].map((i) => i.getBoundingClientRect().right))") <= 718
    )


def test_a_telephone_has_the_reasons_without_scrolling_sideways(browser: Browser, report: Path) -> None:
    page = Opened(browser, report, viewport=PHONE).page
    reasons = page.get_by_role("table", name="Reasons, worst first").locator("td")
    boxes = [reason.bounding_box() for reason in reasons.all()]
    assert len(boxes) == 4
    assert all(box and box["x"] + box["width"] <= PHONE["width"] and box["width"] > 150 for box in boxes)


def test_a_link_to_a_folded_section_opens_it(browser: Browser, report: Path) -> None:
    opened = Opened(browser, report)
    folded = opened.page.get_by_text("Where data and weights came from", exact=True)
    assert not folded.is_visible()
    opened.page.get_by_role("navigation").get_by_text("Record").click()
    folded.wait_for(state="visible")


def test_everything_that_is_seen_has_a_name_to_be_heard(browser: Browser, report: Path) -> None:
    opened = Opened(browser, report)
    unnamed = opened.page.evaluate(
        """() => [...document.querySelectorAll("svg[role], main svg:not(svg svg), img, input, table, [role=region]")]
          .filter((e) => !(e.getAttribute("aria-label") || e.getAttribute("alt") || e.querySelector("title")))
          .map((e) => e.outerHTML.slice(0, 200))"""
    )
    levels = opened.page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map((h) => +h.tagName[1])")
    assert unnamed == []
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert opened.page.locator("svg[role=img]").count() >= 1
    assert opened.page.get_by_role("main").count() == 1


def test_hostile_names_are_shown_as_the_text_that_they_are(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(render(context(tmp_path, HOSTILE)).text, encoding="utf-8")
    opened = Opened(browser, file)
    assert opened.said == []
    assert opened.page.locator("script").count() == 1  # ours
    assert opened.page.get_by_text("<script>alert('|')</script>").count() > 3
    assert opened.page.get_by_text("صحراء").count() > 3
    assert "\u202e" not in opened.page.content()


def test_every_block_survives_hostile_text(browser: Browser, tmp_path: Path) -> None:
    table = Table(NASTY, (NASTY,), ((Cell(NASTY, note=NASTY, tone="improved"),),), left_out=3)
    picture = Thumbnail(DOT, NASTY, NASTY, NASTY, 8, 8)
    svg = Markup('<svg role="img" aria-label="x" width="9" height="9"></svg>')
    blocks = (
        table,
        Chart(NASTY, svg, NASTY, table),
        Strip(NASTY, NASTY, (NASTY,), ((picture,), (None,)), (NASTY, NASTY)),
        Strip(NASTY, NASTY, (), ((picture, picture),)),
    )
    file = tmp_path / "page.html"
    text = framed(NASTY, [Section("all", NASTY, blocks, NASTY, folded=True)], top=Markup(""), tab=NASTY)
    file.write_text(text, encoding="utf-8")
    opened = Opened(browser, file)
    assert opened.said == []
    assert opened.page.locator("script").count() == 1
    assert opened.page.locator("img").count() == 3
    assert "3 more rows left out" in text


def test_a_script_that_slipped_through_would_not_run(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    slipped = Markup(
        "<script>alert(1)</script><img src=x onerror='alert(2)' alt=''><img src='http://localhost/a' alt=''>"
    )
    file.write_text(framed("A page", [], top=slipped), encoding="utf-8")
    opened = Opened(browser, file)
    opened.page.wait_for_load_state("load")
    assert all("Content Security Policy" in said or "ERR_FILE" in said for said in opened.said)
    assert sum("Content Security Policy" in said for said in opened.said) >= 2


def test_a_picture_beside_the_page_is_found(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "report-files").mkdir()
    (tmp_path / "report-files" / "a.gif").write_bytes(base64.b64decode(DOT.partition(",")[2]))
    picture = Thumbnail("report-files/a.gif", "a dot", width=8, height=8)
    file = tmp_path / "page.html"
    section = Section("one", "One", (Strip("Dots", "One dot.", (), ((picture,),)),))
    file.write_text(framed("A page", [section], top=Markup("")), encoding="utf-8")
    opened = Opened(browser, file)
    assert opened.said == []
    assert (
        opened.page.evaluate(
            "document.querySelector('img').decode().then(() => document.querySelector('img').naturalWidth)"
        )
        == 1
    )
