from __future__ import annotations

from dataclasses import replace

import pytest
from compare.runs import gate, metric, repeats, run, score, single
from leaderboard.board_runs import at, entries, subject, sweep

from harness.compare import Verdict
from harness.errors import UsageError
from harness.leaderboard import Table
from harness.leaderboard.making import tables
from harness.store.record import Accepted, MetricInfo, Run


def one_table(*runs: Run, paired: str | None = None, by: str = "") -> Table:
    (table,) = tables(entries(*runs), paired=paired, by=by)
    return table


def test_the_best_stands_first_with_the_ranks_that_it_may_have() -> None:
    values = (("pndm", 0.5, 0.01), ("ddim", 0.9, 0.02), ("euler", 0.901, 0.03))
    scores = [at(v, spread=noise, scheduler=name) for name, v, noise in values]
    table = one_table(run(*scores, reference={"images.scheduler": "pndm"}))
    assert [line.name for line in table.lines] == ["scheduler=euler", "scheduler=ddim", "scheduler=pndm"]
    assert [line.ranks for line in table.lines] == [(1, 2), (1, 2), (3, 3)]
    assert "Holm's correction over all 6 claims" in table.method


def test_where_lower_is_better_the_least_stands_first() -> None:
    info = MetricInfo("m@1", {"score": {"better": "lower", "floor": 0.0}}, ("images.seed",))
    table = one_table(sweep((0.5, 0.9, 0.7), metrics={"m": info}))
    assert [line.name for line in table.lines] == ["scheduler=pndm", "scheduler=euler", "scheduler=ddim"]
    assert [line.ranks for line in table.lines] == [(1, 1), (2, 2), (3, 3)]
    assert table.columns[0].better == "lower"


def test_noise_that_all_share_does_not_blur_the_ranks() -> None:
    """Seed by seed the second is better by 0.01, while either varies by 0.2."""
    shared = [0.1, 0.5, 0.3]
    scores = [
        score(repeats([v + by for v in shared], "images.seed"), {"images.k": k}, settings={"images.k": k})
        for k, by in ((0, 0.0), (1, 0.01))
    ]
    same = {"protocol": {"m.use": "m@1"}}
    table = one_table(run(*(replace(s, **same) for s in scores)))
    assert [line.ranks for line in table.lines] == [(1, 1), (2, 2)]


def test_two_seeds_rank_nothing() -> None:
    few = [replace(s, repeats=s.repeats[:2]) for s in sweep((0.1, 0.9)).scores]
    table = one_table(replace(sweep((0.1, 0.9)), scores=tuple(few)))
    assert [line.ranks for line in table.lines] == [(1, 2), (1, 2)]


def test_a_table_that_ranks_nothing_says_what_would() -> None:
    noisy = [at(v, spread=s, scheduler=name) for name, v, s in (("pndm", 0.5, 0.2), ("ddim", 0.51, 0.3))]
    tied = one_table(run(*noisy, reference={"images.scheduler": "pndm"}))
    assert tied.method.endswith("more seeds would help, or a smaller question (--paired ROW).")
    assert "more seeds" not in one_table(sweep()).method


def test_single_values_rank_nothing() -> None:
    fields = {"protocol": {"m.use": "m@1"}}
    scores = [score(single(v), {"m.k": k}, **fields) for k, v in enumerate((0.5, 0.7, 0.7))]
    table = one_table(run(*scores))
    assert [line.ranks for line in table.lines] == [(1, 3)] * 3


def test_beyond_sixty_rows_their_own_intervals_have_to_do() -> None:
    scores = [at(k / 10, spread=1e-4, k=k) for k in range(61)]
    table = one_table(run(*scores, reference={"images.k": 0}))
    assert "too many to compare each with each" in table.method
    assert table.lines[0].ranks == (1, 1)
    assert table.lines[-1].ranks == (61, 61)


def test_a_failed_row_is_last_without_a_rank_and_says_why() -> None:
    made = sweep((0.5, 0.9))
    broken = replace(made.scores[1], repeats=repeats([0.9, None, 0.9], "images.seed"))
    broken = replace(
        broken, repeats=(*broken.repeats[:1], replace(broken.repeats[1], error="out of memory\nlog"))
    )
    table = one_table(replace(made, scores=(made.scores[0], broken, at(0.6, scheduler="euler"))))
    last = table.lines[-1]
    assert (last.ranks, last.figures) == (None, (None,))
    assert last.note == "failed: m (out of memory)"
    assert [line.ranks for line in table.lines[:2]] == [(1, 1), (2, 2)]


def test_times_from_the_store_are_missing_and_rank_nothing() -> None:
    timed = {"m": metric(("images.seed",), timed=True)}
    made = [subject(0.5 + n, n, metrics=timed) for n in range(4)]
    late = [replace(r, clocked=False) for r in made[0].scores[0].repeats]
    cached = [replace(m, scores=(replace(m.scores[0], repeats=tuple(late)),)) for m in made]
    table = one_table(*made[:3], cached[3])
    assert [line.ranks is None for line in table.lines] == [False, False, False, True]
    assert table.lines[-1].figures == (None,)
    assert table.lines[-1].note == "m: no timing (from the store)"
    paired = one_table(*made[:3], cached[3], paired="run-0")
    assert [line.paired[0] is None for line in paired.lines if line.key != "run-0"] == [False, False, True]
    table = one_table(*cached)
    assert all(line.ranks is None for line in table.lines)
    assert "for want of timings" in table.method
    assert "more seeds" not in table.method


def test_a_run_alone_has_no_rank() -> None:
    (line,) = one_table(subject(0.5, 1)).lines
    assert line.ranks is None


def test_a_value_that_a_row_lacks_is_missing_not_zero() -> None:
    table = one_table(run(at(0.5), id="older"), run(at(0.6), at(0.2, "other"), id="newer"))
    assert [c.name for c in table.columns] == ["m.score", "other.score"]
    newer, older = table.lines
    assert newer.figures[1] is not None
    assert older.figures[1] is None


def test_every_line_says_where_it_is_from() -> None:
    accepted = subject(0.5, 1, accepted=Accepted("cpu", "first figures", "2026-03-05T00:00:00+00:00"))
    table = one_table(accepted, subject(0.6, 2))
    run_, baseline = (line.origin for line in table.lines)
    assert (baseline.label, baseline.date) == ("cpu", "2026-03-05T00:00:00+00:00")
    assert (run_.run, run_.label, run_.date) == ("run-2", "", "2026-03-04T10:15:00+00:00")
    assert [line.key for line in table.lines] == ["run-2", "smoke/toy/cpu"]
    assert [line.name for line in table.lines] == ["lr=2", "lr=1"]


def test_the_next_table_is_named_by_what_differs() -> None:
    first, second = tables(entries(subject(0.5, 1), subject(0.6, 2, n=20)))
    assert [*map(str, first.apart)] == ["m.n: 10 → 20"]
    assert second.apart == ()
    assert second.protocol["m.n"] == 20
    assert "model.lr" not in first.protocol


def test_paired_compares_every_row_with_one_by_the_verdicts_own_estimator() -> None:
    table = one_table(sweep((0.5, 0.6, 0.4)), paired="scheduler=pndm")
    found = {line.name: line.paired for line in table.lines}
    assert found["scheduler=pndm"] == (None,)
    (better,), (worse,) = found["scheduler=ddim"], found["scheduler=euler"]
    assert better and better.estimate and worse  # noqa: PT018
    assert (better.verdict, worse.verdict) == (Verdict.IMPROVED, Verdict.REGRESSED)
    assert better.estimate.change == pytest.approx(0.1)
    assert (better.estimate.paired, better.estimate.repeats) == (True, 3)


def test_paired_names_a_row_by_its_run_its_point_or_its_key() -> None:
    made = sweep()
    for name in ("scheduler=ddim", f"{made.id}: scheduler=ddim"):
        assert one_table(made, paired=name).reference == f"{made.id}: scheduler=ddim"
    first, second = tables(entries(subject(0.5, 1), subject(0.6, 2, n=20)), paired="run-2")
    assert (first.reference, second.reference) == ("", "run-2")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"paired": "scheduler=dim"}, "no such row; did you mean 'scheduler=ddim'?"),
        ({"paired": "20260304-101500-ab12"}, "3 rows are called so; say one of"),
        ({"by": "m.scor"}, "no run has such a metric with a direction; did you mean 'm.score'?"),
        ({"compared": ["images.schedule"]}, "no run sweeps such an axis; did you mean 'images.scheduler'?"),
    ],
)
def test_a_name_that_is_none_is_one_line_with_the_nearest(arguments: dict[str, object], problem: str) -> None:
    with pytest.raises(UsageError) as error:
        tables(entries(sweep()), **arguments)
    assert problem in str(error.value)


def test_runs_without_any_score_make_no_board() -> None:
    with pytest.raises(UsageError, match="none of these runs has a score"):
        tables(entries(run()))


def test_runs_of_different_suites_are_ranked_apart() -> None:
    other = run(at(0.9, "other"), id="b", suite="smoke/other", gates=(gate(0.1, metric="other"),))
    first, second = tables(entries(subject(0.5, 1), other))
    assert (first.title, second.title) == ("smoke/toy", "smoke/other")
    assert first.apart == ()
