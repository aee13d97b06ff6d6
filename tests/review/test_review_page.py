"""The page that reviewers fill: in a real browser, by keyboard and by touch, interrupted and taken up elsewhere; and
what must not be found in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import patient
from painted import GALLERY
from playwright.sync_api import Browser, Page
from rated import Reviewed, exported, reviewed, signed, stored

from harness.review import making
from harness.review.checking import check, read
from harness.review.making import Wish

COUNT = 10
"""Different images; one comes again."""
SHOWN = 11
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


TELLING = (
    GALLERY.replace("seen", "watched")
    .replace("subject: [images]", "subject: [diffuser]")
    .replace("  images:  {", "  diffuser: {")
    .replace("images: images", "images: diffuser")
    .replace("  real:    {", "  groundtruth: {")
    .replace("captions: real", "captions: groundtruth")
    .replace("real: real", "real: groundtruth")
)
"""Stages whose names would tell a lot."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Reviewed:
    return reviewed(tmp_path_factory.mktemp("gallery"), TELLING, Wish(count=COUNT))


class Reviewer:
    """Somebody with a browser of their own, and everything that the page asked for or complained of there."""

    def __init__(self, browser: Browser, made: Reviewed, **screen: Any) -> None:
        self.context = browser.new_context(**{"viewport": DESKTOP, **screen})
        self.file = made.folder / "review.html"
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page: Page = self.open()

    def open(self) -> Page:
        page = patient(self.context.new_page())
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.goto(self.file.as_uri())
        return page

    def press(self, keys: str) -> None:
        for key in keys.split():
            self.page.keyboard.press(key)

    def begin(self, name: str) -> None:
        self.page.get_by_label("Your name, or an alias").fill(name)
        self.press("Enter")

    def export(self, folder: Path) -> Path:
        with self.page.expect_download() as download:
            self.page.get_by_role("button", name="Export").first.click()
        to = folder / download.value.suggested_filename
        download.value.save_as(to)
        return to

    @property
    def place(self) -> str:
        return self.page.locator("#place").inner_text()

    @property
    def count(self) -> str:
        return self.page.locator("#count").inner_text()


@pytest.fixture
def ann(browser: Browser, made: Reviewed) -> Iterator[Reviewer]:
    ann = Reviewer(browser, made)
    yield ann
    ann.context.close()


def test_the_whole_page_is_filled_by_keyboard_alone_and_collected(
    ann: Reviewer, made: Reviewed, tmp_path: Path
) -> None:
    ann.begin("Ann Ä. 🛰️")
    for i in range(SHOWN):
        assert ann.place == f"Image {i + 1} of {SHOWN}"
        ann.press(f"{i % 5 + 1} 4 3 5 {'b r' if i % 2 else '0'} {'y' if i % 3 else 'n'}")
        assert ann.count == f"{i + 1} of {SHOWN} rated"
        ann.press("Enter")
    assert ann.page.get_by_text("All images are rated").is_visible()
    file = ann.export(tmp_path)
    assert file.name == f"ratings-{made.key.review[:6]}-ann-a.json"
    sheet = read(file, made.key)
    assert (sheet.rater, sheet.share) == ("Ann Ä. 🛰️", 1.0)
    for i, rated in enumerate(sheet.rated):
        assert rated.shown == made.key.showings[i]
        assert rated.answers.scales == {
            "realism": i % 5 + 1,
            "class_match": 4,
            "scale_texture": 3,
            "view_from_above": 5,
        }
        assert rated.answers.artefacts == (("blurry", "repeating") if i % 2 else ())
        assert rated.answers.train == ("yes" if i % 3 else "no")
    assert ann.said == []
    assert {url for url in ann.asked if not url.startswith(("data:", "blob:"))} == {ann.file.as_uri()}


def test_what_was_rated_is_still_there_after_a_reload_and_elsewhere_after_an_import(
    browser: Browser, ann: Reviewer, made: Reviewed, tmp_path: Path
) -> None:
    ann.begin("Ann")
    ann.press("2 2 2 2 t u m")
    ann.page.keyboard.type("a \u2028 letter: «é» </script> 3")
    ann.press("Escape Enter 1 5")
    ann.page.close()
    ann.page = ann.open()
    assert ann.place == f"Image 2 of {SHOWN}"
    assert ann.count == f"1 of {SHOWN} rated"
    ann.press("ArrowLeft")
    assert ann.page.get_by_label("Remark").input_value().startswith("a \u2028 letter")
    assert ann.page.get_by_role("checkbox", name="text").is_checked()
    file = ann.export(tmp_path)
    other = Reviewer(browser, made)
    other.page.locator("#import").set_input_files(file)
    other.page.wait_for_selector("#rating:not([hidden])")
    assert other.place == f"Image 2 of {SHOWN}"
    assert other.page.locator("#rater").input_value() == "Ann"
    assert _timeless(other.export(tmp_path / "other")) == _timeless(file)
    other.context.close()
    body = json.loads(file.read_text())
    assert [r["realism"] for r in body["ratings"]] == [2, 1]
    assert body["ratings"][1]["scale_texture"] is None
    (sheet,) = check([file], made.key, partial=True).sheets
    assert (len(sheet.rated), sheet.begun) == (1, 1)
    assert "</script> 3" in sheet.rated[0].answers.comment


def _timeless(file: Path) -> list[dict[str, Any]]:
    """The ratings of an export without how long they took, which grows while the page is open."""
    return [{**r, "seconds": 0} for r in json.loads(file.read_text())["ratings"]]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        ({"review": "0" * 16}, "it is of another review"),
        ({"page": "0" * 16}, "it is of another review"),
        ({"checksum": "00000000"}, "it was edited"),
        ({"rater": "Bob"}, "it is Bob's, and this is Ann's"),
    ],
)
def test_a_file_that_is_not_hers_is_not_imported(
    ann: Reviewer, made: Reviewed, tmp_path: Path, spoil: dict[str, str], says: str
) -> None:
    ann.begin("Ann")
    body = exported(made.key, "Ann", lambda shown, scale: 1)
    body = {**signed({**body, **spoil}), **spoil}
    ann.page.locator("#import").set_input_files(stored(tmp_path, body, "some.json"))
    ann.page.wait_for_function("document.getElementById('kept').textContent.includes('not imported')")
    assert says in ann.page.locator("#kept").inner_text()
    assert ann.count == f"0 of {SHOWN} rated"


def test_keys_say_what_is_open_change_their_mind_and_can_be_switched_off(ann: Reviewer) -> None:
    page = ann.page
    ann.begin("Ann")
    ann.press("1 2 b")
    ann.press("Enter")
    assert page.get_by_role("status").filter(has_text="Still open: Scale and texture").is_visible()
    ann.press("5 5 b 0 n ArrowUp ArrowUp ArrowUp ArrowUp ArrowUp 4")
    assert page.get_by_role("radio", name="4 more real than artificial").is_checked()
    assert not page.get_by_role("checkbox", name="blurry").is_checked()
    assert page.get_by_role("checkbox", name="0 none").is_checked()
    ann.press("w")
    assert not page.get_by_role("checkbox", name="0 none").is_checked()
    ann.press("?")
    page.get_by_label("Single keys answer").uncheck()
    page.locator("#place").focus()
    ann.press("ArrowRight y")
    assert ann.place == f"Image 1 of {SHOWN}"
    assert page.get_by_role("radio", name="N no", exact=True).is_checked()


def test_it_is_filled_by_touch_on_a_phone_without_scrolling_sideways(
    browser: Browser, made: Reviewed
) -> None:
    eve = Reviewer(browser, made, viewport=PHONE, has_touch=True, is_mobile=True, color_scheme="dark")
    page = eve.page
    page.get_by_label("Your name, or an alias").fill("Eve")
    page.get_by_role("button", name="Begin").tap()
    for words in ("3 could be either", "5 just that", "4 minor slips", "5 straight"):
        page.get_by_role("radio", name=words).tap()
    page.get_by_role("checkbox", name="0 none").tap()
    page.get_by_role("radio", name="U unsure").tap()
    assert eve.count == f"1 of {SHOWN} rated"
    page.get_by_role("button", name="Next").tap()
    assert eve.place == f"Image 2 of {SHOWN}"
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert eve.said == []
    eve.context.close()


def test_everything_has_a_name_for_a_screen_reader(ann: Reviewer) -> None:
    ann.begin("Ann")
    nameless = ann.page.evaluate(
        """() => [...document.querySelectorAll("input, textarea, button, progress")].filter((e) =>
            !(e.labels?.length || e.getAttribute("aria-label") || e.textContent.trim())).map((e) => e.outerHTML)"""
    )
    assert nameless == []
    assert ann.page.get_by_role("group").count() >= 6
    assert ann.page.get_by_role("img").get_attribute("alt") == f"Image 1 of {SHOWN}, to be judged by eye"


def test_a_small_image_is_enlarged_by_whole_pixels_without_smoothing(ann: Reviewer) -> None:
    ann.begin("Ann")
    image = ann.page.locator("#image")
    assert image.evaluate("e => getComputedStyle(e).imageRendering") == "pixelated"
    assert image.evaluate("e => [e.naturalWidth, e.width]") == [64, 384]


def test_nothing_in_the_page_tells_what_made_an_image(made: Reviewed) -> None:
    html = made.review.html
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)[1])
    words = re.sub(r'"data": "[^"]*"', "", html).lower()
    names = [*made.run.metrics, *made.run.declaration["stages"], made.run.id, made.run.suite, made.key.secret]
    assert {"diffuser", "groundtruth", "watched"} < set(names)
    hints = (".png", "generated", "fake", "synthetic", "control", "seed", str(made.folder))
    for name in (*names, *hints):
        assert re.search(rf"\b{re.escape(name.lower())}\b", words) is None, name
    assert "default-src &#39;none&#39;; img-src data:;" in html
    assert {frozenset(image) for image in data["images"]} == {frozenset({"id", "asked", "data"})}
    assert len({len(image["data"]) for image in data["images"]}) == 1
    for shown, image in zip(made.key.showings, data["images"], strict=True):
        assert image["id"] == shown.id
        assert re.fullmatch("[0-9a-f]{16}", shown.id)
        assert image["asked"] == shown.label
    assert len({image["id"] for image in data["images"]}) == SHOWN


def test_another_secret_names_everything_differently_and_an_old_one_makes_the_same_page(
    made: Reviewed,
) -> None:
    wish = Wish(count=COUNT)
    same = making.make(made.run, made.store, wish, made.key)
    assert (same.key, same.html) == (made.key, made.review.html)
    other = making.make(made.run, made.store, wish, None)
    ids = {s.id for s in made.key.showings}
    assert not ids & {s.id for s in other.key.showings}
    assert other.key.review != made.key.review
    assert [s.item for s in other.key.showings] == [s.item for s in made.key.showings]


def test_prompts_in_any_script_and_with_markup_are_text(browser: Browser, tmp_path: Path) -> None:
    nasty = "</script><img src=x onerror=alert(1)> صحراء 🏜️ {asked} $&"
    odd = reviewed(tmp_path, GALLERY, Wish(count=COUNT))
    asked = [nasty] * SHOWN
    body = making.content("0" * 16, odd.key.showings, asked, (64, 64, ["UklGRg=="] * SHOWN))
    (odd.folder / "review.html").write_text(making.render(body))
    eve = Reviewer(browser, odd)
    eve.begin("<b>Eve</b>")
    assert f"Does it show “{nasty}”?" in eve.page.locator("fieldset").nth(1).inner_text()
    assert eve.page.locator("img").count() == 1
    assert eve.said == []
    eve.context.close()
