"""The section on expert review: nothing without one, the same words as the terminal, and names as text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rated import invented
from report.html.contexts import context, tables, texts, typed
from report.test_golden import RUN

from harness.compare.sample import Side
from harness.errors import UsageError
from harness.report.html.parts import Section
from harness.report.html.sections.ratings import ratings
from harness.review.summary import Summary, read, summarise, write

PEOPLE = {
    "Ann": {"one": [4, 4, 5, 3], "two": [2, 2, 1, 2], "real": [5, 5, 4, 5]},
    "Bob": {"one": [3, 3, 4, 3], "two": [1, 1, 1, 2], "real": [4, 4, 4, 4]},
}


def summed(people: dict[str, dict[str, list[int]]], **changes: object) -> Summary:
    given = replace(invented(people, **changes), run=RUN.id)
    return summarise(given, dict.fromkeys(people, 1.0), 12, Side(RUN))


def section(folder: Path, summary: Summary) -> Section:
    write(folder, summary)
    found = ratings(context(folder))
    assert found is not None
    return found


def test_a_run_that_nobody_rated_has_no_section(tmp_path: Path) -> None:
    assert ratings(context(tmp_path)) is None


def test_systems_stand_beside_real_images_with_their_intervals(tmp_path: Path) -> None:
    found = section(tmp_path, summed(PEOPLE))
    scores = tables(found)["Mean ratings by system"]
    assert scores.columns[:2] == ("system", "realism")
    assert [row[0] for row in texts(scores)] == ["real", "one", "two"]
    real, one, two = scores.rows
    assert one[1].sort == pytest.approx(29 / 8)
    assert one[1].text.startswith("3.62 [")
    assert one[1].note == "over 4 images"
    assert real[0].note == "mixed in, labelled nowhere"
    below = next(t for name, t in tables(found).items() if name.startswith("Points below real"))
    assert below.rows[0][1].sort == pytest.approx(35 / 8 - 29 / 8)
    assert two[1].sort == pytest.approx(12 / 8)
    assert typed(found)["How far this goes"] == (
        "Two raters: intervals are over images, and about these two people only.",
    )


def test_agreement_and_what_was_not_measured_are_in_words(tmp_path: Path) -> None:
    agreement = next(
        t for name, t in tables(section(tmp_path, summed(PEOPLE))).items() if name.startswith("Agree")
    )
    ((scale, alpha, units, again), *_) = texts(agreement)
    assert (scale, units, again) == ("Realism", "12", "nothing was rated twice")
    assert alpha.startswith("0.78 [")
    alone = section(tmp_path, summed({"Ann": PEOPLE["Ann"]}))
    agreement = next(t for name, t in tables(alone).items() if name.startswith("Agree"))
    assert {row[1] for row in texts(agreement)} == {"not defined"}
    assert "One rater" in typed(alone)["How far this goes"][0]


def test_remarks_and_names_with_markup_are_text_and_only_so_many_are_shown(tmp_path: Path) -> None:
    nasty = "<script>alert(1)</script>\u202e\x1b[31m 🛰️ صحراء"
    found = section(
        tmp_path, summed({nasty: PEOPLE["Ann"], "Bob": PEOPLE["Bob"] | {"two": [1] * 60}}, comment=nasty)
    )
    remarks = typed(found)["Remarks"]
    assert len(remarks) == 41
    assert remarks[-1] == "and 40 more, in review.json"
    assert r"<script>alert(1)</script>\u202e\x1b[31m 🛰️ صحراء on one, Lake: " in remarks[0]


def test_ratings_of_another_run_are_said_to_be(tmp_path: Path) -> None:
    found = section(tmp_path, replace(summed(PEOPLE), run="20260101-000000-0000"))
    assert typed(found)["Ratings of another run"] == (
        "review.json is of run 20260101-000000-0000, not of this one: it is not shown.",
    )


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    summary = summed(PEOPLE)
    write(tmp_path, summary)
    assert read(tmp_path) == summary


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"schema": "harness.review/2"}', '{"schema": "harness.review/1"}']
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "review.json").write_text(text)
    with pytest.raises(UsageError, match=r"review\.json(:1)?: "):
        ratings(context(tmp_path))
