"""``harness review`` as a person uses it: a page is made, files come back, and the report and suites have them."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import pytest
from command_line import Project
from copies import Copies
from painted import SWEEP
from rated import exported, key_of, stored
from toy_suites import write_suite

from harness.review.key import Key, Shown
from harness.store import record_file

SUITE = "suites/suite.yaml"
OPINION = """\
suite: toy/opinion
about: What people think of the painter.
subject: [people]
stages:
  people: {use: reviews.read, source: "path:../first.json"}
metrics:
  opinion:   {use: ratings.scores, ratings: people}
  match:     {use: ratings.match, ratings: people}
  agreement: {use: ratings.agreement, ratings: people}
gate: {opinion.realism: 0.5, agreement: 0.5}
"""


def run_sweep(project: Project) -> None:
    write_suite(project.folder, SWEEP)
    assert project.harness("run", SUITE).code == 4


@pytest.fixture
def run(project: Project, copies: Copies) -> Path:
    """A project with a run in it; returns the run's folder."""
    copies.fill(project, run_sweep)
    return project.runs[-1]


def quality(shown: Shown, scale: str) -> int:
    """What everybody sees: real images are the best, and more steps are better than few."""
    base = 5 if shown.control else {10: 2, 50: 4}[int(str(shown.point["images.steps"]))]
    return max(base - (len(scale) + _luck(shown)) % 2, 1)


def _luck(shown: Shown) -> int:
    """The same in every run of the tests, as the blinded names are not."""
    return zlib.crc32(f"{shown.system}/{shown.item}".encode())


def worse(shown: Shown, scale: str) -> int:
    return max(quality(shown, scale) - (0 if shown.control else 1), 1)


def files(key: Key, folder: Path, *names: str, answer=quality) -> list[Path]:
    """From people who see the same, but for their own slips."""

    def of(name: str):
        return lambda shown, scale: max(answer(shown, scale) - (_luck(shown) % 7 == len(name)), 1)

    folder.mkdir(exist_ok=True)
    return [stored(folder, exported(key, name, of(name))) for name in names]


def test_a_review_is_made_collected_and_told(project: Project, run: Path) -> None:
    said = project.harness("review", "make", "toy/sweep", "--count", "20")
    assert said.code == 0, said.err
    assert "4 systems with 4 images each, 4 real images, 2 shown twice; 64 × 64 pixels" in said.out
    assert (run / "review.html").stat().st_size < 1_000_000
    key = key_of(run)
    said = project.harness("review", "collect", "toy/sweep", *files(key, run / "in", "Ann", "Bo", "Evelyn"))
    assert said.code == 0, said.err
    assert "3 raters, 20 images" in said.out
    assert "real images: realism 4." in said.out
    body = json.loads((run / "review.json").read_text())
    assert body["schema"] == "harness.review/1"
    scores = {s["name"]: s["scores"]["realism"] for s in body["systems"]}
    assert scores["real images"]["mean"] > scores["images (scheduler=pndm, steps=50)"]["mean"]
    few, many = (scores[f"images (scheduler=pndm, steps={n})"]["mean"] for n in (10, 50))
    assert many - few == pytest.approx(2, abs=0.6)
    assert body["agreement"]["realism"]["alpha"] > 0.6
    assert body["consistency"]["realism"]["pairs"] == 6
    like = [c for c in body["correlations"] if c["metric"] == "like" and c["over"] == "systems"]
    assert {c["n"] for c in like} == {4}
    assert "Expert review" in (run / "report.html").read_text()


def test_collecting_changes_neither_the_verdict_nor_the_record(project: Project, run: Path) -> None:
    project.accept("toy/sweep")
    assert project.harness("run", SUITE).code == 0
    latest = project.runs[-1]
    before = json.loads((latest / "run.json").read_text())
    project.harness("review", "make", latest, "--count", "20")
    said = project.harness("review", "collect", latest, *files(key_of(latest), latest / "in", "Ann"))
    assert said.code == 0, said.err
    assert "One rater" in said.out
    assert json.loads((latest / "run.json").read_text()) == before
    assert record_file.is_sealed(latest)


def test_a_report_written_anew_keeps_its_pictures_where_the_store_is_named(project: Project) -> None:
    write_suite(project.folder, SWEEP)
    store = project.folder / "a store"
    assert project.harness("run", SUITE, "--store", store).code == 4
    folder = project.runs[-1]
    pictures = (folder / "report.html").read_text().count("<img")
    assert pictures
    said = project.harness("review", "make", "toy/sweep", "--count", "20", "--store", store)
    assert f"ratings-*.json --store '{store}'" in said.out
    given = files(key_of(folder), folder / "in", "Ann")
    said = project.harness("review", "collect", "toy/sweep", *given, "--store", store)
    assert said.code == 0, said.err
    page = (folder / "report.html").read_text()
    assert "Expert review" in page
    assert page.count("<img") == pictures


def test_every_file_that_is_not_used_is_named_and_none_left_is_a_mistake(project: Project, run: Path) -> None:
    project.harness("review", "make", run, "--count", "20")
    key = key_of(run)
    (good,) = files(key, run / "in", "Ann")
    bad = stored(run / "in", {**exported(key, "Bob", quality), "review": "0" * 16})
    half = stored(run / "in", exported(key, "Eve", quality, part=0.2))
    said = project.harness("review", "collect", run, good, bad, half)
    assert said.code == 0
    lines = said.err.splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["left out", "left out"]
    assert "another review" in lines[0]
    assert "Eve rated 4 of 22 images" in lines[1]
    said = project.harness("review", "collect", run, bad, half)
    assert said.code == 2
    assert said.error == "none of 2 files can be used"
    said = project.harness("review", "collect", run, half, "--partial")
    assert said.code == 0
    assert said.err.startswith("taken in part: ")


def test_another_review_of_the_run_is_begun_only_on_purpose(project: Project, run: Path) -> None:
    make = ("review", "make", run, "--count", "20")
    project.harness(*make)
    page, key = (run / "review.html").read_bytes(), key_of(run)
    assert project.harness(*make).code == 0
    assert ((run / "review.html").read_bytes(), key_of(run)) == (page, key)
    said = project.harness(*make, "--seed", "1")
    assert said.code == 2
    assert "has a review (count 20, seed 0)" in said.error
    assert project.harness(*make, "--seed", "1", "--replace").code == 0
    old = stored(run, exported(key, "Ann", quality))
    assert project.harness("review", "collect", run, old).code == 2


def test_mistakes_are_one_line(project: Project, run: Path) -> None:
    mistakes = {
        ("make", "toy/sweep", "--images", "imags"): "did you mean 'images'",
        ("make", "toy/sweep", "--controls", "images"): "images: no real images of the run",
        ("make", "toy/sweep", "--count", "3"): "need 6 at least",
        ("make", "toy/sweep", "--count", "500"): "the run has 126 images to rate",
        ("make", "toy/sweep", "--store", "elsewhere"): "no generated images in the store elsewhere",
        ("make", "toy/other"): "no run 'toy/other'",
        ("collect", "toy/sweep", "ann.json"): "no review to collect for",
    }
    for arguments, says in mistakes.items():
        said = project.harness("review", *arguments)
        assert said.code == 2
        assert says in said.error
    assert not list(run.glob("review*"))


def test_the_key_of_another_run_or_of_other_questions_is_not_used(project: Project, run: Path) -> None:
    project.harness("review", "make", run, "--count", "20")
    file = run / "review-key.json"
    kept = json.loads(file.read_text())
    ann = stored(run, exported(key_of(run), "Ann", quality))
    for change, says in (
        ({"run": "20260101-000000-0000"}, "of run 20260101-000000-0000"),
        ({"questions": "0" * 12}, "asks other questions"),
        ({"showings": [{}]}, "damaged"),
        ({"secret": "not hexadecimal"}, "damaged"),
        ({"schema": "x"}, "not the key of a review"),
    ):
        file.write_text(json.dumps({**kept, **change}))
        said = project.harness("review", "collect", run, ann)
        assert said.code == 2
        assert says in said.error


def test_ratings_are_gated_like_any_metric(project: Project, run: Path) -> None:
    project.harness("review", "make", run, "--count", "20")
    key = key_of(run)
    for name, answer in (("first", quality), ("second", worse)):
        project.harness(
            "review", "collect", run, *files(key, run / name, "Ann", "Bo", "Evelyn", answer=answer)
        )
        (run / "ratings.json").rename(project.folder / f"{name}.json")
    write_suite(project.folder, OPINION)
    said = project.harness("run", SUITE)
    assert said.code == 4, said.err
    project.accept("toy/opinion")
    assert project.harness("run", SUITE).code == 0
    said = project.harness("run", SUITE, "--set", "people.source=path:second.json")
    assert said.code == 6, said.out
    findings = {f["metric"] + "." + f["field"]: f for f in project.latest["comparison"]["findings"]}
    assert findings["opinion.realism"]["verdict"] == "regressed"
    assert findings["opinion.realism"]["estimate"]["unit"] == "items"
    assert findings["opinion.realism"]["estimate"]["repeats"] == 3
