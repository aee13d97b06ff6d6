"""Files that come back: what is of this review is used, and everything else is named with the reason."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rated import Reviewed, exported, reviewed, signed, stored

from harness.errors import UsageError
from harness.review.checking import check, checksum, read
from harness.review.key import Key, Shown


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Key:
    made: Reviewed = reviewed(tmp_path_factory.mktemp("gallery"))
    return made.key


def four(_: Shown, __: str) -> int:
    return 4


def by_place(shown: Shown, scale: str) -> int:
    return 1 + (int(shown.id, 16) + len(scale)) % 5


def test_a_full_file_is_taken_as_it_is(key: Key, tmp_path: Path) -> None:
    sheet = read(stored(tmp_path, exported(key, "Ann", by_place)), key)
    assert (sheet.rater, sheet.share, sheet.begun) == ("Ann", 1.0, 0)
    assert [r.shown for r in sheet.rated] == list(key.showings)
    first = sheet.rated[0]
    assert first.answers.scales == {name: by_place(first.shown, name) for name in first.answers.scales}
    assert set(first.answers.scales) == {"realism", "class_match", "scale_texture", "view_from_above"}


def test_the_checksum_is_the_one_that_everybody_else_computes() -> None:
    assert checksum(123456789) == "cbf43926"  # the check value in every catalogue of CRCs
    text = '["é",1,null]'.encode()
    assert checksum(["é", 1, None]) == f"{zlib.crc32(text):08x}"


Spoil = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda b: b.update(review="0123456789abcdef"), "ratings of another review"),
        (lambda b: b.update(page="0123456789abcdef"), "another page of this review"),
        (lambda b: b.update(schema="harness.run/1"), "not what the page of a review exports"),
        (lambda b: b.update(rater=" \u200e"), "without the reviewer's name"),
        (lambda b: b.update(rater=None), "without the reviewer's name"),
        (lambda b: b.update(ratings=[]), "empty"),
        (lambda b: b.update(exported="yesterday"), "which is no time"),
        (lambda b: b.update(exported="2026-03-04T12:00:00"), "no time zone"),
        (lambda b: b["ratings"][3].update(realism=6), "rating 4: realism is 6, expected 1 to 5"),
        (lambda b: b["ratings"][3].update(realism=True), "realism is True"),
        (lambda b: b["ratings"][3].update(realism=4.0), "realism is 4.0"),
        (lambda b: b["ratings"][3].update(class_match="4"), "class_match is 4"),
        (lambda b: b["ratings"][3].update(id="0" * 16), "rating 4: of an image that is not in this review"),
        (lambda b: b["ratings"][3].update(id=b["ratings"][2]["id"]), "rating 4: the second of one image"),
        (lambda b: b["ratings"].__setitem__(3, "four"), "rating 4: of an image"),
        (lambda b: b["ratings"][3].update(id=["0"]), "rating 4: of an image"),
        (lambda b: b["ratings"][3].update(artefacts=["pumpkin"]), "artefacts are"),
        (lambda b: b["ratings"][3].update(artefacts=["none", "blurry"]), "'none' beside other artefacts"),
        (lambda b: b["ratings"][3].update(train="maybe"), "train is maybe"),
        (lambda b: b["ratings"][3].update(seconds=-1), "a time that is none"),
        (lambda b: b["ratings"][3].update(seconds=10**200), "a time that is none"),
        (lambda b: [r.update(train=None) for r in b["ratings"]], "no image has all its answers"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_a_line(key: Key, tmp_path: Path, spoil: Spoil, says: str) -> None:
    body = json.loads(json.dumps(exported(key, "Ann", four)))
    spoil(body)
    file = stored(tmp_path, signed(body), "ann.json")
    with pytest.raises(UsageError) as refused:
        read(file, key)
    assert str(refused.value).startswith(f"{file}: ")
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_number_is_not_the_id_with_the_same_digits(key: Key, tmp_path: Path) -> None:
    digits = "1234567890123456"
    known = replace(key, showings=(replace(key.showings[0], id=digits), *key.showings[1:]))
    body = json.loads(json.dumps(exported(known, "Ann", four)))
    body["ratings"][0]["id"] = int(digits)
    file = stored(tmp_path, signed(body))
    with pytest.raises(UsageError, match="rating 1: of an image that is not in this review"):
        read(file, known)


VALUES = [None, True, 0, 7, 1.5, 10**200, "", "x", [], [1], [[]], {}, {"a": []}]
"""One of each kind of JSON value."""


def test_any_value_in_any_place_is_taken_or_named(key: Key, tmp_path: Path) -> None:
    """No JSON value in the place of another is anything but an answer or one line."""
    body = exported(key, "Ann", four)
    places = [(body, name) for name in body if name != "checksum"]
    places += [(body["ratings"][0], name) for name in body["ratings"][0]]
    refused = 0
    for i, (where, name) in enumerate(places):
        before = where[name]
        for j, value in enumerate(VALUES):
            where[name] = value
            file = stored(tmp_path, signed(json.loads(json.dumps(body))), f"{i}-{j}.json")
            found = check([file], key)
            refused += bool(found.left_out)
            assert len(found.sheets) + len(found.left_out) == 1, (name, value)
        where[name] = before
    assert refused > 8 * len(VALUES)


def test_a_file_that_was_edited_is_refused_even_where_it_makes_sense(key: Key, tmp_path: Path) -> None:
    body = exported(key, "Ann", four)
    body["ratings"][0]["realism"] = 5
    with pytest.raises(UsageError, match="edited after its export"):
        read(stored(tmp_path, body), key)


@pytest.mark.parametrize("text", ["", "[]", "{", '"ratings"', "null", "[" * 100_000])
def test_what_is_no_export_at_all_is_refused(key: Key, tmp_path: Path, text: str) -> None:
    file = tmp_path / "ann.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"ann\.json:"):
        read(file, key)
    with pytest.raises(UsageError, match="No such file"):
        read(tmp_path / "bob.json", key)


def test_a_file_that_is_part_full_is_taken_and_its_share_told(key: Key, tmp_path: Path) -> None:
    found = check([stored(tmp_path, exported(key, "Ann", four, part=0.6))], key)
    (sheet,) = found.sheets
    assert len(sheet.rated) == round(0.6 * len(key.showings))
    (note,) = found.notes
    assert f"Ann rated {len(sheet.rated)} of {len(key.showings)} images" in note
    assert not found.left_out


def test_an_image_without_all_its_answers_does_not_count(key: Key, tmp_path: Path) -> None:
    body = exported(key, "Ann", four)
    body["ratings"][5]["realism"] = None
    body["ratings"][6]["artefacts"] = []
    found = check([stored(tmp_path, signed(body))], key)
    assert len(found.sheets[0].rated) == len(key.showings) - 2
    assert "2 more are begun" in found.notes[0]


def test_second_showings_alone_say_nothing_of_an_image(key: Key, tmp_path: Path) -> None:
    body = exported(key, "Ann", four)
    again = {shown.id for shown in key.showings if shown.again}
    assert again
    body["ratings"] = [r for r in body["ratings"] if r["id"] in again]
    found = check([stored(tmp_path, signed(body))], key, partial=True)
    assert not found.sheets
    assert "empty" in found.left_out[0]


def test_less_than_half_a_file_is_left_out_unless_it_is_asked_for(key: Key, tmp_path: Path) -> None:
    file = stored(tmp_path, exported(key, "Ann", four, part=0.4))
    found = check([file], key)
    assert not found.sheets
    assert "--partial" in found.left_out[0]
    assert len(check([file], key, partial=True).sheets) == 1


def test_of_two_exports_of_one_person_the_later_counts(key: Key, tmp_path: Path) -> None:
    early = exported(key, "Ann", four, part=0.7, at="2026-03-04T12:00:00Z")
    late = exported(key, "ann", by_place, at="2026-03-05T12:00:00Z")
    files = [stored(tmp_path, early, "1.json"), stored(tmp_path, late, "2.json")]
    for given in (files, files[::-1]):
        found = check(given, key)
        assert [s.file.name for s in found.sheets] == ["2.json"]
        assert len(found.left_out) == 1
        assert "1.json: an earlier export" in found.left_out[0]


def test_one_persons_answers_do_not_count_under_two_names(key: Key, tmp_path: Path) -> None:
    files = [stored(tmp_path, exported(key, name, by_place)) for name in ("Ann", "Bob")]
    found = check([*files, files[0]], key)
    assert [s.rater for s in found.sheets] == ["Ann"]
    assert "the same ratings as" in found.left_out[0]


def test_the_good_ones_among_bad_ones_are_used(key: Key, tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text("{")
    found = check([bad, stored(tmp_path, exported(key, "Ann", four))], key)
    assert [s.rater for s in found.sheets] == ["Ann"]
    assert found.left_out == (
        f"{bad}:1: not JSON (Expecting property name enclosed in double quotes at column 2)",
    )


def test_where_nobody_was_asked_for_a_class_none_is_missing(key: Key, tmp_path: Path) -> None:
    bare = replace(key, asked="")
    body = exported(bare, "Ann", four)
    assert "class_match" not in body["ratings"][0]
    (sheet,) = check([stored(tmp_path, body)], bare).sheets
    assert sheet.share == 1
    assert set(sheet.rated[0].answers.scales) == {"realism", "scale_texture", "view_from_above"}
