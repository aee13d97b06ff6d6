from __future__ import annotations

import base64
import re

from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup
from report.test_golden import NASTY

from harness.report.html.frame import LEAST_ROWS, move_pictures, page, shorten
from harness.report.html.parts import Cell, Chart, Section, Strip, Table, Thumbnail


def table(rows: int, text: str = "a cell of a table") -> Table:
    return Table("t", ("a", "b"), tuple((Cell(text), Cell(str(i), i)) for i in range(rows)))


def section(*tables: Table) -> Section:
    return Section("s", "S", tables)


def rows_of(sections: list[Section]) -> list[int]:
    return [len(b.rows) for s in sections for b in s.blocks if isinstance(b, Table)]


def test_a_page_that_fits_stays_whole() -> None:
    given = [section(table(3), table(500))]
    assert shorten(given) == given


@given(st.lists(st.integers(0, 400), min_size=1, max_size=6), st.integers(2_000, 60_000))
def test_what_is_cut_is_counted_and_the_page_fits(lengths: list[int], most: int) -> None:
    cut = shorten([section(*map(table, lengths))], most)
    assert [len(t.rows) + t.left_out for s in cut for t in s.blocks if isinstance(t, Table)] == lengths
    longest = max(rows_of(cut))
    assert all(n == min(before, longest) for n, before in zip(rows_of(cut), lengths, strict=True))
    weight = len(page("p", cut, top=Markup(""))) - len(page("p", [], top=Markup("")))
    assert longest <= LEAST_ROWS or weight <= most * 1.1


def test_the_weight_of_a_hostile_page_is_not_underestimated_by_much() -> None:
    cut = shorten([section(table(10_000, NASTY))], 100_000)
    assert 50_000 < len(page("p", cut, top=Markup("")).encode()) < 200_000


def test_text_that_grows_when_it_is_escaped_is_weighed_as_it_is_written() -> None:
    cut = shorten([section(table(10_000, '"a.b" < ' * 100))], 100_000)
    assert 80_000 < len(page("p", cut, top=Markup("")).encode()) < 120_000


def test_the_table_behind_a_chart_is_cut_too() -> None:
    chart = Chart("c", Markup("<svg></svg>"), "caption", table(1000))
    (cut,) = shorten([Section("s", "S", (chart,))], 10_000)
    (block,) = cut.blocks
    assert isinstance(block, Chart)
    assert 0 < len(block.table.rows) < 1000
    assert len(block.table.rows) + block.table.left_out == 1000


def picture(content: bytes) -> Thumbnail:
    return Thumbnail("data:image/webp;base64," + base64.b64encode(content).decode(), "alt", width=2, height=2)


def test_pictures_stay_inside_while_they_fit_and_the_rest_moves_beside() -> None:
    pictures = [picture(bytes([i]) * 600) for i in range(5)]
    strip = Strip("s", "c", (), (tuple(pictures[:3]), (None, pictures[3])))
    cells = Table("t", ("item",), ((Cell("x", picture=pictures[4]),), (Cell("none"),)))
    moved, beside = move_pictures([Section("s", "S", (cells, strip))], "report-files", most=2000)
    text = page("p", moved, top=Markup(""))
    names = re.findall(r'src="report-files/([0-9a-f]{16}\.webp)"', text)
    assert len(re.findall(r'src="data:image', text)) == 2
    assert names == list(beside)
    assert sorted(beside.values()) == [bytes([i]) * 600 for i in (1, 2, 3)] or len(beside) == 3
    assert move_pictures([Section("s", "S", (cells, strip))], "report-files")[1] == {}


def test_equal_pictures_are_one_file() -> None:
    strip = Strip("s", "c", (), ((picture(b"same" * 99), picture(b"same" * 99)),))
    _, beside = move_pictures([Section("s", "S", (strip,))], "f", most=0)
    assert list(beside.values()) == [b"same" * 99]
