from __future__ import annotations

import base64
import re
from hashlib import sha256
from html import unescape

import pytest
from markupsafe import Markup
from report.test_golden import NASTY

from harness.report.html.context import TONES
from harness.report.html.frame import MARKS, page, stylesheet
from harness.report.html.parts import Block, Cell, Listing, Section, Table, Thumbnail


def shown(*blocks: Block) -> str:
    return page("A page", [Section("one", "One", blocks)], top=Markup("<p>top</p>"))


def test_the_policy_admits_no_script_but_the_one_that_is_there() -> None:
    text = shown()
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert f"script-src 'sha256-{digest}'" in unescape(policy)
    assert "default-src 'none'" in unescape(policy)


def test_nothing_in_a_page_points_outside_it() -> None:
    assert re.findall(r"(?:https?:)?//[a-z]", shown()) == []


def test_a_number_sorts_by_its_value_and_none_at_all_last() -> None:
    values = (1e-9, float("nan"), float("inf"), float("-inf"), None)
    table = Table("t", ("v",), tuple((Cell("x", v),) for v in values), frozenset({0}))
    text = shown(table)
    assert re.findall(r'data-s="([^"]*)"', text) == ["1e-09", "", "1e999", "-1e999"]
    assert '<th scope="row" class="n">x</th>' in text


def test_text_from_outside_is_escaped_and_loses_what_would_reorder_the_page() -> None:
    table = Table(NASTY, (NASTY,), ((Cell(NASTY, note=NASTY),),))
    text = shown(table, Listing(NASTY, (NASTY,)), Listing(NASTY, (NASTY,), preformatted=True))
    assert "<script>alert" not in text
    assert not {"\u202e", "\x1b"} & set(text)
    assert text.count("&lt;script&gt;alert") >= 7
    assert "<bdi>" in text


def test_a_toned_number_has_a_mark_with_a_name() -> None:
    text = shown(Table("t", ("m", "v"), ((Cell("m"), Cell("0.5", 0.5, tone="regressed")),), frozenset({1})))
    assert '<i role="img" aria-label="regressed" title="regressed">✗</i> 0.5' in text


def test_a_cell_shows_its_picture_before_its_text() -> None:
    picture = Thumbnail("data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP", 'an "alt"', width=3, height=4)
    text = shown(Table("t", ("item",), ((Cell("river", picture=picture),),)))
    assert 'alt="an &#34;alt&#34;" width="3" height="4">river</th>' in text


def test_a_caption_as_long_as_a_book_is_cut_and_a_log_is_not_so_soon() -> None:
    book = "word " * 10_000
    assert len(shown(Table(book, (book,), ((Cell(book, note=book),),)))) < len(shown()) + 7_000
    log = tuple(f"step {i}" for i in range(1_000))
    assert "step 998\nstep 999</code>" in shown(Listing("Log", log, preformatted=True))


def test_an_empty_table_says_so() -> None:
    assert "Nothing to show." in shown(Table("t", ("a",), ()))


def test_an_anchor_twice_is_our_mistake() -> None:
    section = Section("one", "One", ())
    with pytest.raises(AssertionError, match="an anchor twice"):
        page("A page", [section, section], top=Markup(""))


def luminance(colour: str) -> float:
    """Of ``#rgb`` or ``#rrggbb``, as WCAG 2 defines it."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
    channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_the_colours_of_the_verdicts_can_be_read(scheme: int) -> None:
    roots = re.findall(r":root \{(.*?)\}", stylesheet(), re.DOTALL)
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6})\b", roots[scheme]))
    for name in ("ink", "quiet", "accent", *MARKS):
        for ground in ("paper", "raised"):
            light, dark = sorted((luminance(colours[name]), luminance(colours[ground])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (name, ground)


def test_every_outcome_has_a_tone_and_every_tone_a_mark() -> None:
    assert set(TONES.values()) <= set(MARKS)
    assert len(set(MARKS.values())) == len(MARKS)
