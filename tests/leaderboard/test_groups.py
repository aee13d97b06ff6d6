from __future__ import annotations

import itertools
from dataclasses import replace

from compare.runs import metric, repeats, run
from hypothesis import given
from hypothesis import strategies as st
from leaderboard.board_runs import at, entries, entry, subject, sweep

from harness.leaderboard.groups import RowGroup, apart, better_of, between, grouped, rows_of, varying
from harness.store.record import Run


def groups_of(*runs: Run, compared: tuple[str, ...] = ()) -> list[RowGroup]:
    return grouped([row for e in entries(*runs) for row in rows_of(e, compared)])


def ids(groups: list[RowGroup]) -> list[list[str]]:
    return [[row.entry.run.id for row in group.rows] for group in groups]


def test_other_subjects_share_a_table_and_other_protocols_do_not() -> None:
    groups = groups_of(subject(0.5, 1), subject(0.6, 2), subject(0.6, 3, n=20))
    assert ids(groups) == [["run-1", "run-2"], ["run-3"]]


def test_what_keeps_two_tables_apart_is_named() -> None:
    one, other = groups_of(subject(0.5, 1), subject(0.6, 3, n=20))
    assert [*map(str, apart(one, other))] == ["m.n: 10 → 20"]


def test_rows_that_were_measured_with_other_code_are_in_another_table() -> None:
    def coded(value: float, name: int, **sources: str) -> Run:
        code = {n: {"function": f"toy.{n}", "version": 1, "source": s} for n, s in sources.items()}
        return subject(value, name, code=code)

    one = coded(0.5, 1, m="a", images="x"), coded(0.6, 2, m="b", images="x"), coded(0.7, 3, m="a", images="y")
    for order in itertools.permutations(one):
        groups = groups_of(*order)
        assert sorted(map(sorted, ids(groups))) == [["run-1", "run-3"], ["run-2"]], "images are under test"
        assert {d.field for d in apart(*groups)} == {"m (code of m@1)"}


def test_a_field_that_is_declared_otherwise_is_in_another_table_whatever_the_order() -> None:
    turned = {"m": metric(("images.seed",), fields={"score": {"better": "lower", "floor": 0.0}})}
    runs = subject(0.5, 1), subject(0.6, 2, metrics=turned), subject(0.7, 3), subject(0.4, 4, metrics=turned)
    for order in itertools.permutations(runs):
        groups = groups_of(*order)
        assert sorted(map(sorted, ids(groups))) == [["run-1", "run-3"], ["run-2", "run-4"]]
        ways = {group.rows[0].entry.run.id: better_of(group, "m", "score") for group in groups}
        assert all(way == ("lower" if name in ("run-2", "run-4") else "higher") for name, way in ways.items())
        assert {str(d) for d in apart(*groups)} <= {
            "m.score.better: higher → lower",
            "m.score.better: lower → higher",
        }
        assert apart(*groups)


def test_a_field_that_the_first_run_does_not_know_parts_the_others() -> None:
    def of(name: str, better: str) -> Run:
        fields = {"score": {"better": "higher", "floor": 0.0}, "new": {"better": better}}
        return subject(0.5, name, metrics={"m": metric(("images.seed",), fields=fields)})

    groups = groups_of(subject(0.5, 1), of("2", "lower"), of("3", "higher"))
    assert sorted(map(sorted, ids(groups))) == [["run-1", "run-2"], ["run-3"]]


def test_points_of_the_reference_share_a_table() -> None:
    (group,) = groups_of(sweep())
    assert len(group.rows) == 3


def test_points_that_nobody_compares_are_tables_of_their_own_unless_asked() -> None:
    made = run(at(0.5, steps=10), at(0.6, steps=20))
    assert len(groups_of(made)) == 2
    (group,) = groups_of(made, compared=("images.steps",))
    assert len(group.rows) == 2


def test_a_run_at_one_of_the_points_joins_the_sweep() -> None:
    (group,) = groups_of(subject(0.7, 1), sweep())
    assert len(group.rows) == 4


def test_a_sweep_of_another_protocol_does_not_unite_what_differs() -> None:
    """Two runs with other schedulers are comparable only through a sweep that both belong to."""
    other = subject(0.7, 2)
    scores = replace(other.scores[0], protocol={**other.scores[0].protocol, "images.scheduler": "euler"})
    euler = replace(other, scores=(scores,))
    apart_from_both = run(at(0.5, n=99, scheduler="pndm"), id="far", reference={"images.scheduler": "pndm"})
    assert len(groups_of(subject(0.7, 1), euler, apart_from_both)) == 3
    assert len(groups_of(subject(0.7, 1), euler, sweep())) == 1


def test_a_metric_that_only_one_run_has_does_not_part_them() -> None:
    older = run(at(0.5), id="older")
    newer = run(at(0.6), at(0.2, "other"), id="newer")
    (group,) = groups_of(older, newer)
    assert set(group.known) == {"m", "other"}


def test_a_metric_of_another_protocol_does() -> None:
    assert len(groups_of(run(at(0.5), at(0.2, "other")), run(at(0.5), at(0.2, "other", n=11), id="b"))) == 2


def test_a_field_that_one_run_does_not_know_is_the_others_default() -> None:
    old = run(at(0.5), id="old")
    score = at(0.6)
    fields = {**score.protocol, "m.resize": "antialiased"}
    new = run(
        replace(score, protocol=fields, settings=fields), id="new", defaults={"m.resize": "antialiased"}
    )
    changed = run(
        replace(score, protocol=fields, settings=fields), id="other", defaults={"m.resize": "nearest"}
    )
    assert len(groups_of(old, new)) == 1
    assert len(groups_of(old, changed)) == 2


def test_a_failed_run_stands_with_those_that_it_would_be_compared_with() -> None:
    seen = [replace(r, conditions={"m.n_seen": 10}) for r in at(0.5).repeats]
    whole = run(replace(at(0.5), repeats=tuple(seen)), id="whole")
    failed = run(replace(at(0.5), repeats=repeats([None, None, None], "images.seed")), id="failed")
    for order in ((whole, failed), (failed, whole)):
        (group,) = groups_of(*order)
        assert group.known["m"][0].complete


def test_it_is_ranked_by_what_is_gated_first() -> None:
    made = run(at(0.1, "other"), at(0.5))  # the gate of these runs is on m.score
    (group,) = groups_of(made)
    assert group.by == ("m", "score")
    (group,) = grouped(rows_of(entry(made)), ("other", "score"))
    assert group.by == ("other", "score")


def test_runs_that_are_alike_go_by_their_number_whatever_the_clock_said() -> None:
    """The clock was set back between two runs; a run that is comparable with both joins the earlier one."""
    numbered = {"20260304-101500-0007-00000000": 10, "20260101-000000-0008-00000000": 20}
    first, second = (
        run(
            at(0.5),
            at(0.1, "other", n=n),
            id=name,
            started=f"{name[:4]}-{name[4:6]}-{name[6:8]}T00:00:00+00:00",
        )
        for name, n in numbered.items()
    )
    third = run(at(0.4), id="20260102-000000-0009-00000000", started="2026-01-02T00:00:00+00:00")
    for runs in itertools.permutations((first, second, third)):
        assert {frozenset(members) for members in ids(groups_of(*runs))} == {
            frozenset({first.id, third.id}),
            frozenset({second.id}),
        }


RUNS = [
    sweep(),
    subject(0.5, 1),
    subject(0.6, 2),
    subject(0.6, 3, n=20),
    run(at(0.5), at(0.1, "other"), id="both"),
    run(at(0.5), at(0.1, "other", n=20), id="both other"),
]


@given(st.permutations(RUNS))
def test_groups_do_not_depend_on_the_order_of_the_runs(order: list[Run]) -> None:
    expected = {frozenset(members) for members in ids(groups_of(*RUNS))}
    assert {frozenset(members) for members in ids(groups_of(*order))} == expected


@given(st.permutations(RUNS))
def test_every_row_is_in_one_group_and_all_of_a_group_are_comparable(order: list[Run]) -> None:
    groups = groups_of(*order)
    assert sum(len(g.rows) for g in groups) == 8
    for group in groups:
        for one, other in itertools.combinations(group.rows, 2):
            for name in one.scores.keys() & other.scores.keys():
                assert not between(one.scores[name], one, other.scores[name], other, group.axes)


def test_every_point_of_the_matrix_is_a_row() -> None:
    rows = rows_of(entry(sweep()))
    assert [r.point for r in rows] == [{"images.scheduler": s} for s in ("pndm", "ddim", "euler")]
    assert all(r.axes == {"images.scheduler"} for r in rows)


def test_a_metric_that_knows_fewer_axes_stands_in_every_row() -> None:
    swept = [at(0.5, scheduler=s) for s in ("pndm", "ddim")]
    rows = rows_of(entry(run(*swept, at(0.9, "ceiling"))))
    assert [sorted(r.scores) for r in rows] == [["ceiling", "m"]] * 2
    assert rows[0].scores["ceiling"] is rows[1].scores["ceiling"]
    assert rows[0].scores["m"] is not rows[1].scores["m"]


def test_metrics_of_different_axes_make_rows_of_their_own() -> None:
    rows = rows_of(
        entry(run(at(0.5, scheduler="pndm"), at(0.5, "other", steps=10), at(0.6, "other", steps=20)))
    )
    assert [(dict(r.point), list(r.scores)) for r in rows] == [
        ({"images.scheduler": "pndm"}, ["m"]),
        ({"images.steps": 10}, ["other"]),
        ({"images.steps": 20}, ["other"]),
    ]


def test_only_what_the_suite_or_the_reader_compares_is_an_axis_of_rows() -> None:
    made = run(at(0.5, scheduler="pndm"), at(0.6, scheduler="ddim"))
    assert [r.axes for r in rows_of(entry(made))] == [frozenset()] * 2
    assert [r.axes for r in rows_of(entry(made), ["images.scheduler"])] == [{"images.scheduler"}] * 2


def test_a_run_without_scores_has_no_rows() -> None:
    assert rows_of(entry(run())) == []


def test_axes_come_first_among_what_varies() -> None:
    rows = [*rows_of(entry(sweep())), *rows_of(entry(run(at(0.5, n=20, scheduler="pndm"))))]
    assert varying(rows) == ["images.scheduler", "m.n"]
