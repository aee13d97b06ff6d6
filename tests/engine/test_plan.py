"""A suite becomes tasks and scores: every point and repeat once, what is shared once, in bounded work."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import FrameType

import pytest
from drawing import draws
from hypothesis import given
from hypothesis import strategies as st
from toy_plans import all_keys, keys_of, planned, tasks_of, with_stage
from toy_suites import changed, write_suite

from harness.artifact import Images, Json
from harness.engine.plan import Plan, make
from harness.errors import UsageError
from harness.suite import Suite, load
from harness.suite.typed import to_json

few = draws(25)


def test_equal_keys_of_two_nodes_are_one_thing_to_run(tmp_path: Path) -> None:
    again = "  numbers: ", "  again:   {use: toy.draw, count: 40, mean: 2.5, seed: 7}\n  numbers: "
    plan = planned(tmp_path, again, ("data: parts.test}", "data: again}"))
    assert keys_of(plan, "again") == keys_of(plan, "numbers")
    assert len(plan.tasks) == len(plan.keys) + 1


def test_what_no_axis_reaches_is_planned_once(tmp_path: Path) -> None:
    plan = planned(
        tmp_path, ("  model.rate: [0.1, 0.2]", "  model.rate: [0.1, 0.2]\n  fit.power: [1, 2, 3, 4, 5]")
    )
    counts = Counter(t.node for t in plan.tasks.values())
    assert counts == {"numbers": 1, "parts": 1, "model": 2 * 2 * 3, "fit": 2 * 2 * 3 * 5}
    assert len(plan.scores) == 2 * 2 * 5
    checkpoint = tasks_of(plan, "model")[0]
    assert checkpoint.point == {"model.loss": "square", "model.rate": 0.1}
    assert checkpoint.seeds == {"model.seed": 0}


def test_a_task_is_given_what_its_key_says(tmp_path: Path) -> None:
    plan = planned(tmp_path, *OTHERS)
    for task in plan.tasks.values():
        assert {name: to_json(value) for name, value in task.parameters.items()} == task.keyed
    given = {(t.parameters["loss"], t.parameters["seed"]) for t in tasks_of(plan, "model")}
    assert given == {(loss, seed) for loss in ("square", "absolute") for seed in (0, 1, 2)}


POOLED = [
    ("  model: ", "  others:  {use: toy.draw, count: 9}\n"
     "  pooled:  {use: toy.pool, parts: [others, parts.train, parts.test]}\n  model: "),
]  # fmt: skip
"""One stage by two ways, and another that is walked to last."""


def test_what_a_task_was_made_from_is_found_once_by_however_many_ways(tmp_path: Path) -> None:
    plan = planned(tmp_path, *POOLED, ("data: parts.train, epochs", "data: pooled, epochs"))
    behind = plan.behind(plan.scores[0].repeats[0].task)
    assert Counter(t.node for t in behind) == dict.fromkeys(
        ["fit", "model", "pooled", "others", "parts", "numbers"], 1
    )


@pytest.mark.parametrize(
    ("subject", "nodes"),
    [
        ("model", ["fit", "numbers", "parts"]),
        ("parts", ["fit", "model", "others"]),
        ("model.data", ["fit", "model", "numbers", "parts"]),
        ("model.epochs", ["fit", "model", "numbers", "others", "parts"]),
    ],
)
def test_what_a_task_was_made_from_can_be_cut_at_the_subject(
    tmp_path: Path, subject: str, nodes: list[str]
) -> None:
    others = "  model: ", "  others: {use: toy.draw, count: 9}\n  model: "
    plan = planned(tmp_path, others, ("data: parts.train", "data: others"), ("[model]", f"[{subject}]"))
    fit = plan.scores[0].repeats[0].task
    assert sorted(t.node for t in plan.behind(fit, protocol_only=True)) == nodes
    assert sorted(t.node for t in plan.behind(fit)) == ["fit", "model", "numbers", "others", "parts"]


OTHERS = [
    ("  model: ", "  others: {use: toy.draw, count: 9}\n  model: "),
    ("model.rate: [0.1, 0.2]", "model.data: [parts.train, others]"),
    ("model.rate: 0.1}", "model.data: parts.train}"),
]


def test_an_axis_may_sweep_an_input(tmp_path: Path) -> None:
    plan = planned(tmp_path, *OTHERS)
    for task in tasks_of(plan, "model"):
        (((node, _), output),) = task.inputs["data"]
        assert [task.point["model.data"]] == [f"{node}.{output}" if output else node]
    assert {t.point["model.data"] for t in tasks_of(plan, "model")} == {"parts.train", "others"}
    assert len(plan.scores) == 4


def test_alternatives_with_the_same_content_are_one_task(tmp_path: Path) -> None:
    text = changed(
        ("subject: [model]", "subject: [numbers, others]"),
        ("  model: ", "  others: {use: toy.draw, count: 40, mean: 2.5, seed: 7}\n  model: "),
        ("data: parts.train", "data: numbers"),
        ("model.rate: [0.1, 0.2]", "model.data: [numbers, others]"),
        ("model.rate: 0.1}", "model.data: others}"),
    )
    plan = make(load(write_suite(tmp_path, text)))
    assert len(tasks_of(plan, "model")) == 2 * 3
    assert len(plan.scores) == 4
    assert {s.point["model.data"] for s in plan.scores} == {"numbers", "others"}
    fit = plan.tasks[plan.scores[-1].repeats[0].task]
    assert {t.node for t in plan.subject_path(fit.id)} == {"numbers", "parts", "model", "fit"}


def test_inputs_come_before_what_takes_them(tmp_path: Path) -> None:
    plan = planned(tmp_path, *OTHERS)
    place = {task: i for i, task in enumerate(plan.tasks)}
    links = [(place[s], place[t.id]) for t in plan.tasks.values() for s in t.sources]
    assert links
    assert all(before < after for before, after in links)


def points(plan: Plan) -> list[tuple[Json, ...]]:
    return [tuple(s.point.values()) for s in plan.scores]


def test_excluded_points_are_not_planned(tmp_path: Path) -> None:
    exclude = "seeds:", "exclude: [{model.loss: absolute, model.rate: 0.2}]\nseeds:"
    plan = planned(tmp_path, exclude)
    assert points(plan) == [("square", 0.1), ("square", 0.2), ("absolute", 0.1)]
    assert len(tasks_of(plan, "model")) == 3 * 3
    whole = "seeds:", "exclude: [{model.loss: absolute}]\nseeds:"
    assert points(planned(tmp_path, whole)) == [("square", 0.1), ("square", 0.2)]


def test_only_keeps_some_points_under_the_same_keys(tmp_path: Path) -> None:
    plan = planned(tmp_path, only=("model.rate=0.2",))
    assert points(plan) == [("square", 0.2), ("absolute", 0.2)]
    assert plan.only == {"model.rate": (0.2,)}
    assert all_keys(plan) < all_keys(planned(tmp_path))


def test_only_must_leave_a_point(tmp_path: Path) -> None:
    exclude = "seeds:", "exclude: [{model.loss: absolute, model.rate: 0.2}]\nseeds:"
    with pytest.raises(UsageError, match="--only leaves no point of the matrix"):
        planned(tmp_path, exclude, only=("model.loss=absolute", "model.rate=0.2"))


def test_seeds_go_together(tmp_path: Path) -> None:
    plan = planned(tmp_path, ("model.seed: [0, 1, 2]", "model.seed: [0, 1, 2]\n  numbers.seed: [5, 6, 7]"))
    repeats = [dict(r.seeds) for r in plan.scores[0].repeats]
    assert repeats == [{"model.seed": i, "numbers.seed": 5 + i} for i in range(3)]
    assert [t.parameters["seed"] for t in tasks_of(plan, "numbers")] == [5, 6, 7]
    assert {tuple(t.seeds.values()) for t in tasks_of(plan, "model")} == {(0, 5), (1, 6), (2, 7)}


def test_a_repeat_that_is_none_for_a_metric_is_left_out(tmp_path: Path) -> None:
    counted = "metrics:", "metrics:\n  count: {use: toy.size, data: numbers}"
    seeds = "model.seed: [0, 1, 2]", "model.seed: [0, 1, 2]\n  numbers.seed: [5, 5, 6]"
    plan = planned(tmp_path, counted, seeds)
    count = [s for s in plan.scores if s.metric == "count"]
    assert [s.point for s in count] == [{}], "no axis reaches it: one score"
    assert [dict(r.seeds) for r in count[0].repeats] == [{"numbers.seed": 5}, {"numbers.seed": 6}]


def test_without_seeds_there_is_one_repeat(tmp_path: Path) -> None:
    plan = planned(tmp_path, ("seeds:\n  model.seed: [0, 1, 2]\n", ""))
    assert [dict(r.seeds) for r in plan.scores[0].repeats] == [{}]
    assert len(tasks_of(plan, "model")) == 2 * 2


def test_a_matrix_of_more_points_than_anyone_runs_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.engine.plan.MOST_POINTS", 4)
    assert len(planned(tmp_path).scores) == 4
    six = "model.rate: [0.1, 0.2]", "model.rate: [0.1, 0.2, 0.3]"
    with pytest.raises(UsageError, match=r"suite\.yaml: a matrix of 6 points; at most 4 are planned"):
        planned(tmp_path, six)
    assert len(planned(tmp_path, six, only=("model.rate=0.1,0.3",)).scores) == 4


def test_a_score_has_its_meaning_with_it(tmp_path: Path) -> None:
    scores = planned(tmp_path).scores
    assert [s.settings["model.rate"] for s in scores] == [0.1, 0.2, 0.1, 0.2]
    assert scores[0].settings["fit.data"] == scores[0].protocol["fit.data"] == "parts.test"
    assert "model.rate" not in scores[0].protocol


def test_a_metric_is_told_with_what_is_random_before_it_and_whether_it_takes_the_time(tmp_path: Path) -> None:
    suite = load(write_suite(tmp_path))
    fit = make(suite).metrics["fit"]
    assert fit.subject.repeated == ("model",)
    assert [make(with_stage(suite, "fit", timed=t)).metrics["fit"].timed for t in (False, True)] == [
        False,
        True,
    ]


def test_seeds_of_a_metric_are_listed_outermost_first(tmp_path: Path) -> None:
    seeds = "model.seed: [0, 1, 2]", "model.seed: [0, 1, 2]\n  numbers.seed: [5, 6, 7]"
    plan = planned(tmp_path, seeds)
    assert plan.metrics["fit"].seeds == ("numbers.seed", "model.seed")
    assert plan.metrics["fit"].use == "toy.measure@1"
    assert plan.metrics["fit"].fields == {
        "bias": None,
        "error": {"better": "lower", "floor": 0.0, "low": None, "high": None},
        "within": {"better": "higher", "floor": 0.0, "low": 0, "high": 1},
    }


def test_pictures_that_no_score_needs_are_planned_at_every_point_for_the_first_repeat(tmp_path: Path) -> None:
    text = changed(
        ("model.rate: [0.1, 0.2]", "numbers.shape: [gauss, uniform]"),
        ("model.rate: 0.1}", "numbers.shape: gauss}"),
        ("model.seed: [0, 1, 2]", "numbers.seed: [5, 6, 7]"),
    )
    suite = load(write_suite(tmp_path, text))
    parts = suite.nodes["parts"]
    seen = replace(parts, name="seen", stage=replace(parts.stage, outputs={"": Images}))
    plan = make(replace(suite, nodes={**suite.nodes, "seen": seen}))
    pictures = [plan.tasks[task] for task in plan.pictures]
    assert [(t.node, t.point, t.seeds) for t in pictures] == [
        ("seen", {"numbers.shape": "gauss"}, {"numbers.seed": 5}),
        ("seen", {"numbers.shape": "uniform"}, {"numbers.seed": 5}),
    ]
    assert make(suite).pictures == ()


@few
@given(
    rates=st.lists(st.integers(1, 99), min_size=1, max_size=5, unique=True),
    losses=st.lists(st.sampled_from(["square", "absolute"]), min_size=1, unique=True),
    seeds=st.lists(st.integers(0, 2**40), min_size=1, max_size=4, unique=True),
)
def test_every_point_and_repeat_has_a_task_of_its_own(
    tmp_path: Path, rates: list[int], losses: list[str], seeds: list[int]
) -> None:
    plan = planned(
        tmp_path,
        ("model.loss: [square, absolute]", f"model.loss: [{', '.join(losses)}]"),
        ("model.rate: [0.1, 0.2]", f"model.rate: [{', '.join(f'0.{r:02d}' for r in rates)}]"),
        ("model.seed: [0, 1, 2]", f"model.seed: {seeds}"),
        ("reference: {model.loss: square, model.rate: 0.1}\n", ""),
    )
    assert len(plan.scores) == len(rates) * len(losses)
    assert len(set(keys_of(plan, "model"))) == len(plan.scores) * len(seeds)
    assert len({r.task for s in plan.scores for r in s.repeats}) == len(plan.scores) * len(seeds)


def test_a_chain_of_a_thousand_stages_is_planned(tmp_path: Path) -> None:
    chain = "".join(f"  s{i}: {{use: toy.limit, numbers: s{i - 1}, at_most: 9}}\n" for i in range(1, 1000))
    text = changed(
        ("  parts:", f"  s0: {{use: toy.draw, count: 4}}\n{chain}  parts:"),
        ("numbers: numbers", "numbers: s999"),
    ).replace("  numbers: {use: toy.draw, count: 40, mean: 2.5, seed: 7}\n", "")
    plan = make(load(write_suite(tmp_path, text)))
    fit = plan.scores[0].repeats[0].task
    assert len(list(plan.behind(fit))) == 1000 + 3


def calls_of(suite: Suite) -> tuple[int, Plan]:
    """How many Python functions planning calls, and the plan."""
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        plan = make(suite)
    finally:
        sys.setprofile(None)
    return calls, plan


def test_work_grows_with_the_number_of_cells_and_no_faster(tmp_path: Path) -> None:
    def suite(rates: int, epochs: int) -> Suite:
        rate = ", ".join(f"{i / 1000}" for i in range(1, rates + 1))
        axes = f"model.rate: [{rate}]\n  model.epochs: {list(range(1, epochs + 1))}"
        text = changed(
            ("model.rate: [0.1, 0.2]", axes),
            ("model.loss: [square, absolute]", "fit.power: [1, 2]"),
            ("reference: {model.loss: square, model.rate: 0.1}\n", ""),
        )
        return load(write_suite(tmp_path, text))

    few_calls, few = calls_of(suite(10, 5))
    many_calls, many = calls_of(suite(100, 50))
    assert (len(few.scores), len(many.scores)) == (100, 10_000)
    assert len(many.tasks) == 2 + 5_000 * 3 + 10_000 * 3
    assert many_calls < 1.1 * few_calls / 100 * 10_000
