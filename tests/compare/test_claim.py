"""What a verdict is about, stage by stage, and what a second training cannot prove."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from compare.runs import BASE, compared, metric, only, repeats, score, side

from harness.compare import Finding, Verdict
from harness.compare.claim import mixed, named, planned
from harness.compare.sample import Side
from harness.compare.verdict import within
from harness.store.record import Made, Subject

WRITTEN_ONCE = Subject(("images",), {"painter": "painter.seed"}, ("painter",))
WORSE = [b - 0.1 + 0.001 * i for i, b in enumerate(BASE)]


def made(
    values: Sequence[float], drawn: Mapping[str, Sequence[Made]], subject: Subject = WRITTEN_ONCE
) -> Side:
    """A run whose repeats rest on these executions, one per repeat."""
    given = repeats(values, seed="images.seed")
    held = tuple(
        replace(r, key=f"m{i}", drawn={n: of[i % len(of)] for n, of in drawn.items()})
        for i, r in enumerate(given)
    )
    return side(score(held), metrics={"m": metric(("images.seed",), subject=subject)})


def against(ours: Side, theirs: Side) -> Finding:
    return only(compared(ours, theirs))


def text(finding: Finding) -> str:
    assert finding.claim is not None
    return finding.claim.text


HERE, THERE, OTHER = Made("k", "here"), Made("k", "there"), Made("other", "here")


def test_it_is_about_the_recipe_of_what_was_repeated_and_this_one_training_of_the_rest() -> None:
    found = against(made(WORSE, {"painter": [HERE]}), made(BASE, {"painter": [HERE]}))
    assert found.verdict is Verdict.REGRESSED
    assert text(found) == "the recipe of `images`, this one training of `painter`"
    assert found.beside == (
        "`painter` was run once: no claim about the recipe of it; "
        "to repeat: seeds: {painter.seed: [0, 1, 2]}",
    )


@pytest.mark.parametrize("values", [WORSE, [b + 0.1 + 0.001 * i for i, b in enumerate(BASE)]])
def test_a_second_training_of_one_recipe_is_no_evidence_of_a_change(values: list[float]) -> None:
    found = against(made(values, {"painter": [HERE]}), made(BASE, {"painter": [THERE]}))
    assert (found.verdict, found.p) == (Verdict.INCONCLUSIVE, None)
    assert (
        "`painter` has the same recipe on both sides, executed anew, and came out differently" in found.reason
    )
    assert "seeds: {painter.seed: [0, 1, 2]}" in found.reason
    assert found.claim
    assert found.claim.anew == ("painter",)
    assert text(found) == "the recipe of `images`, these two trainings of `painter`"


def test_a_second_training_that_does_as_well_is_unchanged() -> None:
    close = [b + 0.001 * (-1) ** i for i, b in enumerate(BASE)]
    found = against(made(close, {"painter": [HERE]}), made(BASE, {"painter": [THERE]}))
    assert found.verdict is Verdict.UNCHANGED
    assert "these two trainings" in text(found)


def test_another_recipe_of_what_was_run_once_is_about_two_trainings() -> None:
    found = against(made(WORSE, {"painter": [OTHER]}), made(BASE, {"painter": [THERE]}))
    assert found.verdict is Verdict.REGRESSED
    assert text(found) == "the recipe of `images`, these two trainings of `painter`"
    assert found.claim
    assert found.claim.anew == ()


def test_what_measures_and_came_out_differently_is_a_likely_cause() -> None:
    ours = made(WORSE, {"painter": [HERE], "classifier": [Made("c", "x")]})
    theirs = made(BASE, {"painter": [HERE], "classifier": [Made("c", "y")]})
    found = against(ours, theirs)
    assert found.verdict is Verdict.REGRESSED
    cause = "`classifier` was executed anew and came out differently: a likely cause, and not under test"
    assert cause in found.beside
    assert cause not in against(ours, made(BASE, {"painter": [HERE], "classifier": [Made("c", "x")]})).beside


def test_a_training_that_the_store_has_lost_is_known_by_what_was_made_of_it() -> None:
    lost, kept = made(WORSE, {"painter": [Made("k", "")]}), made(BASE, {"painter": [HERE]})
    assert against(lost, kept).verdict is Verdict.INCONCLUSIVE
    assert against(made(BASE, {"painter": [Made("k", "")]}), kept).verdict is Verdict.UNCHANGED
    keys = tuple(replace(r, key=f"n{i}") for i, r in enumerate(lost.run.scores[0].repeats))
    moved = replace(lost.run, scores=(replace(lost.run.scores[0], repeats=keys),))
    assert against(Side(moved), kept).verdict is Verdict.REGRESSED, "something else is another key"


def test_repeats_of_other_keys_say_nothing_of_a_training_that_the_store_has_lost() -> None:
    """Two of five seeds are on both sides, and read the same; the other three differ because they are other seeds."""
    values = [*BASE, 0.9, 0.7, 0.85]
    lost, kept = made(values, {"painter": [Made("k", "")]}), made(values, {"painter": [HERE]})

    def of(side: Side, chosen: slice) -> Side:
        (whole,) = side.run.scores
        return Side(replace(side.run, scores=(replace(whole, repeats=whole.repeats[chosen]),)))

    found = against(of(lost, slice(3, 8)), of(kept, slice(0, 5)))
    assert found.claim
    assert found.claim.anew == ()


def test_a_swept_stage_whose_seeds_gave_the_same_is_not_repeated() -> None:
    subject = Subject(("written", "images"))
    same = {
        "written": [Made(f"w{i}", "text") for i in range(5)],
        "images": [Made(f"i{i}", f"{i}") for i in range(5)],
    }
    found = against(made(WORSE, same, subject), made(BASE, same, subject))
    assert (
        text(found) == "the recipe of `images`, the one output of `written`, whose seeds gave the same bytes"
    )
    elsewhere = {**same, "written": [Made(f"w{i}", "another text") for i in range(5)]}
    anew = against(made(WORSE, elsewhere, subject), made(BASE, same, subject))
    assert anew.verdict is Verdict.INCONCLUSIVE, "it was one text on both sides, made twice"
    assert "to repeat" not in anew.reason
    varied = {**same, "written": [Made(f"w{i}", f"text {i}") for i in range(5)]}
    assert text(against(made(WORSE, varied, subject), made(BASE, same, subject))) == (
        "the recipe of `written` and `images`"
    )


def test_what_only_one_side_repeated_is_no_recipe() -> None:
    repeated = Subject(("painter", "images"))
    found = against(made(WORSE, {}, repeated), made(BASE, {}, WRITTEN_ONCE))
    assert text(found) == "the recipe of `images`, this one training of `painter`"


def test_seeds_of_what_only_measures_are_named() -> None:
    once = Subject(once={"painter": "painter.seed"}, learnt=("painter",))
    found = against(made(WORSE, {}, once), made(BASE, {}, once))
    assert text(found) == "this one training of `painter` (only `images` was repeated)"
    assert text(against(made(WORSE, {}, Subject()), made(BASE, {}, Subject()))).startswith("this checkpoint")


def test_a_plan_says_what_will_be_run_once() -> None:
    assert planned(Subject(("images",))) == ""
    assert planned(WRITTEN_ONCE).startswith("`painter` runs once: no claim about the recipe of it")
    two = Subject(once={"a": "a.seed", "b": "b.seed"})
    assert planned(two) == (
        "`a` and `b` run once: no claim about the recipe of them; "
        "to repeat: seeds: {a.seed: [0, 1, 2], b.seed: [0, 1, 2]}"
    )
    assert named(["a", "b", "c"]) == "`a`, `b` and `c`"


def test_repeats_that_rest_on_two_executions_of_one_recipe_allow_no_claim() -> None:
    """The checkpoint was lost after three of the samplings, and made again elsewhere."""
    two = made(WORSE, {"painter": [HERE, HERE, THERE]})
    for ours, theirs in (
        (two, made(BASE, {"painter": [HERE]})),
        (made(WORSE, {"painter": [HERE]}), two),
    ):
        found = against(ours, theirs)
        assert (found.verdict, found.p) == (Verdict.INCONCLUSIVE, None)
    moved = made([b + 0.001 * (-1) ** i for i, b in enumerate(BASE)], {"painter": [HERE, HERE, THERE]})
    found = against(moved, made(BASE, {"painter": [OTHER]}))
    assert found.verdict is Verdict.INCONCLUSIVE, "nor that it is unchanged"
    assert (
        "the run rests on several executions of `painter`, which came out differently; "
        "harness run --fresh painter makes it anew" in found.reason
    )
    lost = made(WORSE, {"painter": [HERE, Made("k", "")]})
    assert mixed(lost.run.scores) == [], "what is not known is not different"
    assert mixed([*made(BASE, {"b": [HERE, OTHER], "a": [HERE, THERE]}).run.scores]) == ["a"]


def test_a_subject_that_came_out_the_same_is_not_what_changed() -> None:
    def of(values: Sequence[float], measuring: str, painter: str = "here", **more: object) -> Side:
        whole = made(values, {"painter": [Made("k", painter)], "measure": [Made("c", measuring)]})
        (one,) = whole.run.scores
        settings = {**one.settings, "painter.use": "toy.paint@1", "measure.use": "toy.c@1"}
        scores = (replace(one, settings=settings),)
        return Side(replace(whole.run, scores=scores, declaration={"subject": ["painter"], **more}))

    found = against(of(WORSE, "x"), of(BASE, "y"))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.reason.endswith(
        "what is under test came out the same on both sides, so that the difference is not its own"
    )
    changed = against(of(WORSE, "x", painter="there"), of(BASE, "y"))
    assert "came out the same" not in changed.reason
    unknown = against(of(WORSE, "x", subject=["painter", "measure.k"]), of(BASE, "y"))
    assert unknown.verdict is Verdict.REGRESSED, "a part of the subject is not among what was recorded"
    assert against(of(WORSE, "x", subject="painter"), of(BASE, "y")).verdict is Verdict.REGRESSED


def test_the_points_of_a_sweep_may_differ_where_the_subject_is_the_same() -> None:
    """A sweep of the sampling of one model: the model is under test, and the points differ in what comes after it."""
    painter = {"painter": [Made("k", "one")]}
    whole = [made(values, painter).run.scores[0] for values in (BASE, WORSE)]
    scores = [
        replace(one, point={"images.steps": n}, settings={**one.settings, "painter.use": "toy.paint@1"})
        for n, one in zip((50, 10), whole, strict=True)
    ]
    run = replace(made(BASE, painter).run, scores=tuple(scores), declaration={"subject": ["painter"]})
    (found,) = within(Side(run), {"images.steps": 50}, run.gates)
    assert found.verdict is Verdict.REGRESSED, found.reason
