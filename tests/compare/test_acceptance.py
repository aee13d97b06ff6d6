from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from compare.runs import BASE, HERE, accepted, metric, repeats, run, score, stored
from compare.test_baseline import rows_of
from disks import content, files_up_to, read_only
from hypothesis import given
from hypothesis import strategies as st

from harness.artifact import Json
from harness.compare import acceptance, baseline
from harness.compare.acceptance import renew
from harness.compare.baseline import named
from harness.compare.sample import Side
from harness.errors import UsageError
from harness.store.items import ItemsReader, write_items
from harness.store.record import Run, Score, TaskInfo
from harness.store.record_file import load

VALUES = [0.8, 0.82, 0.81]
TASK = TaskInfo("m", "k0", {}, {}, "executed", 3.5, {"count": 420})


def test_a_baseline_keeps_what_a_comparison_needs_and_reads_well_in_a_diff(tmp_path: Path) -> None:
    detailed = score(tuple(replace(r, details={"confusion": [[1, 2]] * 50}) for r in repeats(VALUES)))
    made = run(detailed, tasks=(TASK,), environments={"here": HERE, "unused": {"torch": "1.0"}})
    text = accepted(tmp_path, made, reason="  λ = 0.1,\nfrom now on ").read_text()
    kept = load(tmp_path / "baselines/smoke/toy/cpu.json")
    assert kept.accepted
    assert datetime.fromisoformat(kept.accepted.at).tzinfo == UTC
    assert [r.values for r in kept.scores[0].repeats] == [r.values for r in made.scores[0].repeats]
    assert (kept.tasks, kept.scores[0].repeats[0].details, set(kept.environments)) == ((), {}, {"here"})
    assert kept.accepted.reason == "λ = 0.1, from now on"
    assert "λ = 0.1, from now on" in text
    assert '\n     "values": {\n      "score": 0.82\n     }\n' in text
    assert text.startswith('{\n "about": "A toy.",\n "accepted": {\n  "at": ')
    assert text.endswith("}\n")


def test_a_baseline_keeps_where_the_artifacts_of_its_stages_are(tmp_path: Path) -> None:
    def of(node: str, k: int, seed: int) -> TaskInfo:
        return TaskInfo(node, f"{node}{k}{seed}", {"m.k": k}, {"s": seed}, "executed", 3.5, {"count": 9})

    images = [of("images", 2, 0), of("images", 1, 1), of("images", 1, 0), of("a", 3, 3)]
    kept = load(accepted(tmp_path, run(score(repeats(VALUES)), tasks=(*images, TASK))))
    assert kept.tasks == tuple(
        replace(of(*of_task), state="cached", wall_s=0.0, facts={})
        for of_task in (("a", 3, 3), ("images", 1, 0), ("images", 1, 1), ("images", 2, 0))
    )


def test_a_baseline_keeps_the_distributions_of_its_environments(tmp_path: Path) -> None:
    here = {**HERE, "distributions": "abc"}
    lists: dict[str, dict[str, Json]] = {"abc": {"torch": "2.15.0"}, "unused": {"torch": "1.0"}}
    kept = load(
        accepted(tmp_path, run(score(repeats(VALUES)), environments={"here": here}, distributions=lists))
    )
    assert (kept.environments, kept.distributions) == ({"here": here}, {"abc": lists["abc"]})


def test_accepting_equal_runs_in_another_order_changes_only_when_and_the_digest(tmp_path: Path) -> None:
    points = [score(repeats(VALUES), {"m.k": k}) for k in range(3)]
    one = accepted(tmp_path, run(*points)).read_text().splitlines()
    two = accepted(tmp_path, run(*reversed(points))).read_text().splitlines()
    differing = {a.split('"')[1] for a, b in zip(one, two, strict=True) if a != b}
    assert differing <= {"at", "digest"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"only": {"m.k": [1]}}, "partial (--only m.k)"),
        (
            {"tasks": (replace(TASK, state="failed", error="loss is nan\nlog"),)},
            "failed, first m: loss is nan",
        ),
        (
            {"tasks": (replace(TASK, state="failed", error="loss is nan\nlog\nmore"),)},
            "failed, first m: loss is nan",
        ),
        (
            {"tasks": (replace(TASK, state="failed"),)},
            "run 20260304-101500-ab12: 1 of its tasks failed, first m: no message",
        ),
        ({"scores": (score(repeats([0.8, 0.8, None])),)}, "no values of m"),
        ({"scores": ()}, "no values of any metric"),
        ({"suite": "../elsewhere"}, "not a name that a baseline"),
        ({"suite": "/etc"}, "not a name that a baseline"),
    ],
)
def test_what_is_no_whole_run_is_not_accepted(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        accepted(tmp_path, replace(run(score(repeats(VALUES))), **changes))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "baselines").exists()


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_a_reason_is_asked_for(tmp_path: Path, reason: str) -> None:
    with pytest.raises(UsageError, match="--reason"):
        accepted(tmp_path, run(score(repeats(VALUES))), reason=reason)


def test_a_baseline_is_not_accepted_again(tmp_path: Path) -> None:
    file = accepted(tmp_path, run(score(repeats(VALUES))))
    with pytest.raises(UsageError, match="already a baseline"):
        accepted(tmp_path, load(file), "other")


def test_a_changed_protocol_has_to_be_said(tmp_path: Path) -> None:
    def of(n: int) -> Run:
        return run(score(repeats(VALUES), protocol={"real.n": n}))

    before = accepted(tmp_path, of(250)).read_text()
    with pytest.raises(UsageError, match=r"real\.n: 250 → 500.*--new-protocol"):
        accepted(tmp_path, of(500))
    assert (tmp_path / "baselines/smoke/toy/cpu.json").read_text() == before
    accepted(tmp_path, of(500), "other")
    accepted(tmp_path, of(500), new_protocol=True)
    accepted(tmp_path, of(500))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ("a", "real.a: 1 → 2"),
        ("abc", "real.a: 1 → 2; real.b: 1 → 2; real.c: 1 → 2"),
        ("abcde", "real.a: 1 → 2; real.b: 1 → 2; real.c: 1 → 2; real.d: 1 → 2; real.e: 1 → 2"),
        ("abcdef", "real.a: 1 → 2; real.b: 1 → 2; real.c: 1 → 2; real.d: 1 → 2; real.e: 1 → 2 and 1 more"),
        ("abcdefg", "real.a: 1 → 2; real.b: 1 → 2; real.c: 1 → 2; real.d: 1 → 2; real.e: 1 → 2 and 2 more"),
    ],
)
def test_the_first_changes_of_a_protocol_are_told_each_once(tmp_path: Path, fields: str, told: str) -> None:
    def of(value: int) -> Run:
        """At the second point all values are ten times as large."""
        scale = {0: 1, 1: 10}
        return run(
            *(
                score(repeats(VALUES), {"m.k": k}, protocol={f"real.{f}": value * scale[k] for f in fields})
                for k in scale
            )
        )

    accepted(tmp_path, of(1))
    with pytest.raises(UsageError) as caught:
        accepted(tmp_path, of(2))
    expected = f"the protocol differs from the baseline 'cpu' ({told}); say --new-protocol to replace it"
    assert str(caught.value) == expected


def test_a_damaged_baseline_is_named_and_has_to_be_replaced_with_intent(tmp_path: Path) -> None:
    file = accepted(tmp_path, run(score(repeats(VALUES))))
    for damage in ("{", "[]", "{}"):
        file.write_text(damage)
        with pytest.raises(UsageError, match=f"^{file}.*; say --new-protocol to replace it$"):
            accepted(tmp_path, run(score(repeats(VALUES))))
    accepted(tmp_path, run(score(repeats(VALUES))), new_protocol=True)


def test_a_direction_that_turned_has_to_be_said(tmp_path: Path) -> None:
    turned = metric(fields={"score": {"better": "lower", "floor": 0.0}})
    accepted(tmp_path, run(score(repeats(VALUES))))
    now = run(score(repeats(VALUES)), metrics={"m": turned})
    with pytest.raises(UsageError, match=r"m\.score\.better: higher → lower.*--new-protocol"):
        accepted(tmp_path, now)
    accepted(tmp_path, now, new_protocol=True)
    accepted(tmp_path, now)


def test_missing_items_of_a_run_are_not_accepted(with_items: tuple[Path, Side]) -> None:
    project, made = with_items
    (project / "run/items.parquet").unlink()
    with pytest.raises(UsageError, match="items of this record cannot be read"):
        acceptance.accept(made.run, project / "run", project, "gpu", "why not")
    assert baseline.labels(project, "smoke/toy") == ["cpu"]


def test_items_that_are_no_longer_there_leave_with_their_baseline(with_items: tuple[Path, Side]) -> None:
    project, _ = with_items
    accepted(project, run(score(repeats(VALUES))), new_protocol=True)
    assert sorted(p.name for p in (project / "baselines/smoke/toy").iterdir()) == ["cpu.json"]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "baselines").write_text("a file where the folder should be")
    with pytest.raises(UsageError, match="cannot be written"):
        accepted(tmp_path, run(score(repeats(VALUES))))


@given(st.lists(st.floats(-1e9, 1e9), min_size=3, max_size=6))
def test_any_finite_figures_survive_acceptance(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    project = tmp_path_factory.mktemp("project")
    accepted(project, run(score(repeats(values))))
    found = baseline.find(project, "smoke/toy", "cpu")
    assert found
    assert [r.values["score"] for r in found.run.scores[0].repeats] == values


def test_items_are_named_by_what_they_are(with_items: tuple[Path, Side]) -> None:
    project, _ = with_items
    file = project / "baselines/smoke/toy/cpu.json"
    digest = sha256(rows_of(file).read_bytes()).hexdigest()
    assert load(file).items == digest
    assert sorted(p.name for p in file.parent.iterdir()) == [f"cpu.{digest[:12]}.items.parquet", "cpu.json"]


def test_a_disk_that_fills_up_leaves_the_earlier_baseline(with_items: tuple[Path, Side]) -> None:
    project, made = with_items
    before = content(project)
    for limit in (0, 500, 1500):  # in the items, and in the JSON
        with files_up_to(limit), pytest.raises(UsageError, match=r"cannot be written \(File too large\)"):
            acceptance.accept(made.run, project / "run", project, "cpu", "again" * 1000)
        assert content(project) == before


def test_a_disk_that_fills_up_leaves_no_items_without_their_baseline(with_items: tuple[Path, Side]) -> None:
    project, made = with_items
    size = rows_of(project / "baselines/smoke/toy/cpu.json").stat().st_size
    for limit in (0, size):
        with files_up_to(limit), pytest.raises(UsageError, match=r"cannot be written \(File too large\)"):
            acceptance.accept(made.run, project / "run", project, "gpu", "again" * 1000)
        assert not [p.name for p in (project / "baselines/smoke/toy").iterdir() if "gpu" in p.name]


def test_whether_a_baseline_can_be_written_is_known_before_it_is_there(tmp_path: Path) -> None:
    file = tmp_path / "baselines/smoke/toy/cpu.json"
    with files_up_to(4096):
        acceptance.check_place(file)
    assert list(file.parent.iterdir()) == []
    with files_up_to(4095), pytest.raises(UsageError) as caught:
        acceptance.check_place(file)
    assert str(caught.value) == f"{file}: cannot be written (File too large)"
    assert list(file.parent.iterdir()) == []
    with read_only(file.parent), pytest.raises(UsageError, match="cannot be written"):
        acceptance.check_place(file)


def test_what_killed_writers_left_goes_with_the_next_acceptance(with_items: tuple[Path, Side]) -> None:
    project, made = with_items
    folder = project / "baselines/smoke/toy"
    own = sorted(p.name for p in folder.iterdir())
    stray = [
        "cpu.0123456789ab.items.parquet",
        "cpu.items.parquet",
        ".cpu.0123456789ab.items.parquet.0123456789abcdef.torn",
        ".cpu.json.0123456789abcdef.torn",
        ".cpu.json.lock",
    ]
    others = [
        "cpu.fast.items.parquet",
        "cpu.fast.json",
        "gpu.items.parquet",
        "cpu.ba9876543210.json",
        "notes.txt",
    ]
    others.append("cpu.ba9876543210.items.parquet")  # of a label that ends like a digest
    for name in stray + others:
        (folder / name).write_text("x")
    acceptance.accept(made.run, project / "run", project, "cpu", "again")
    assert sorted(p.name for p in folder.iterdir()) == sorted([*own, *others])


def test_a_metric_of_time_whose_work_was_not_done_in_the_run_is_untimed() -> None:
    def of(metric: str, *clocked: bool) -> Score:
        given = repeats([1.0] * len(clocked))
        parts = tuple(replace(r, clocked=c) for r, c in zip(given, clocked, strict=True))
        return score(parts, metric=metric)

    timed = run(of("zeit", True, False), of("m", False), of("fast", True, True), of("alt", False))
    metrics = {n: replace(timed.metrics["m"], timed=n != "m") for n in ("zeit", "m", "fast", "alt")}
    assert acceptance.untimed(replace(timed, metrics=metrics)) == ["alt", "zeit"]


def test_a_baseline_goes_by_suite_and_label_or_by_its_file(tmp_path: Path) -> None:
    file = accepted(tmp_path, run(score(repeats(BASE))))
    for text in ("smoke/toy/cpu", "baselines/smoke/toy/cpu.json", str(file)):
        found, place = named(text, tmp_path)
        assert (found.run.suite, place) == ("smoke/toy", file)


@pytest.mark.parametrize("text", ["smoke/toy/gpu", "toy", "../cpu", "smoke/toy/", "no/such.json"])
def test_what_is_none_names_those_there_are(text: str, tmp_path: Path) -> None:
    accepted(tmp_path, run(score(repeats(BASE))))
    with pytest.raises(UsageError, match="expected SUITE/LABEL or a file; there are smoke/toy/cpu"):
        named(text, tmp_path)


def test_at_most_eight_of_those_there_are_are_listed(tmp_path: Path) -> None:
    def said() -> str:
        with pytest.raises(UsageError) as caught:
            named("quite/another", tmp_path)
        return str(caught.value)

    asked = "no baseline 'quite/another': expected SUITE/LABEL or a file; "
    assert said() == f"{asked}there is none yet"
    names = []
    for label in "abcdefghi":
        accepted(tmp_path, run(score(repeats(BASE))), label)
        names.append(f"smoke/toy/{label}")
        assert said() == f"{asked}there are {', '.join(names[:8])}"


def test_it_keeps_its_label_and_is_signed_anew(with_items: tuple[Path, Side]) -> None:
    project, _ = with_items
    before, file = named("smoke/toy/cpu", project)
    assert before.items
    renew(
        before, file, before.run, before.items.rows(), reason="  same\nagain ", at="2026-03-05T00:00:00+00:00"
    )
    after = baseline.find(project, "smoke/toy", "cpu")
    assert after
    assert after.run.accepted
    assert (after.run.accepted.label, after.run.accepted.reason) == ("cpu", "same again")
    assert after.run.accepted.at == "2026-03-05T00:00:00+00:00"
    assert after.run.scores == before.run.scores
    assert after.items
    assert list(after.items.rows()) == list(before.items.rows())


def test_one_without_items_is_renewed_without_items(tmp_path: Path) -> None:
    file = accepted(tmp_path, run(score(repeats(BASE))))
    before, _ = named("smoke/toy/cpu", tmp_path)
    renew(before, file, before.run, (), reason="same", at="")
    assert [p.name for p in file.parent.iterdir()] == ["cpu.json"]
    after = baseline.find(tmp_path, "smoke/toy", "cpu")
    assert after
    assert (after.items, after.run.scores) == (None, before.run.scores)


def test_one_that_was_damaged_meanwhile_is_named(tmp_path: Path) -> None:
    file = accepted(tmp_path, run(score(repeats(BASE))))
    before, _ = named("smoke/toy/cpu", tmp_path)
    for damage in ("{", "[]"):
        file.write_text(damage)
        with pytest.raises(UsageError, match=f"^{file}"):
            renew(before, file, before.run, (), reason="mine", at="")


def test_one_that_was_written_meanwhile_is_left_alone(tmp_path: Path) -> None:
    file = accepted(tmp_path, run(score(repeats(BASE))))
    before, _ = named("smoke/toy/cpu", tmp_path)
    accepted(tmp_path, run(score(repeats([0.5, 0.6, 0.7]))))
    theirs = file.read_bytes()
    with pytest.raises(UsageError, match="another process has written it meanwhile"):
        renew(before, file, before.run, (), reason="mine", at="")
    assert file.read_bytes() == theirs


def test_a_score_without_values_is_never_written(tmp_path: Path) -> None:
    file = accepted(tmp_path, run(score(repeats(BASE))))
    before, _ = named("smoke/toy/cpu", tmp_path)
    text = file.read_bytes()
    with pytest.raises(UsageError, match="no values of m"):
        renew(before, file, run(score(repeats([*BASE, None]))), (), reason="more", at="")
    assert file.read_bytes() == text


def test_rows_that_are_read_and_written_are_the_same_bytes(
    with_items: tuple[Path, Side], tmp_path: Path
) -> None:
    project, _ = with_items
    file = project / "run" / "items.parquet"
    write_items(tmp_path / "again.parquet", ItemsReader(file).rows())
    assert (tmp_path / "again.parquet").read_bytes() == file.read_bytes()


def test_a_file_that_is_a_run_is_no_baseline(tmp_path: Path) -> None:
    folder = stored(tmp_path / "run", run(score(repeats(BASE))))
    with pytest.raises(UsageError, match="a run, not a baseline"):
        named(str(folder / "run.json"), tmp_path)
