from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from compare.runs import HERE, accepted, gate, itemised, metric, repeats, run, score
from disks import content, files_up_to
from hypothesis import given
from hypothesis import strategies as st

from harness.compare import Verdict, baseline
from harness.compare.sample import Side
from harness.compare.verdict import compare
from harness.errors import UsageError
from harness.store.record import Run, Score, TaskInfo
from harness.store.record_file import items_file, load

VALUES = [0.8, 0.82, 0.81]
TASK = TaskInfo("m", "k0", {}, {}, "executed", 3.5, {"count": 420})


def test_an_accepted_run_is_found_again_and_compares_as_unchanged(with_items: tuple[Path, Side]) -> None:
    project, made = with_items
    found = baseline.find(project, "smoke/toy", "cpu")
    assert found
    assert found.run.accepted
    assert (found.run.accepted.label, found.run.accepted.reason) == ("cpu", "first figures")
    assert found.where == "baselines/smoke/toy/cpu.json"
    assert baseline.labels(project, "smoke/toy") == ["cpu"]
    (finding,) = compare(made, found, (gate(0.02),)).findings
    assert (finding.verdict, finding.estimate and finding.estimate.unit) == (Verdict.UNCHANGED, "exact")


def test_a_label_without_a_baseline_is_none(tmp_path: Path) -> None:
    assert baseline.find(tmp_path, "smoke/toy", "cpu") is None
    assert baseline.labels(tmp_path, "smoke/toy") == []


def test_a_baseline_keeps_what_a_comparison_needs_and_reads_well_in_a_diff(tmp_path: Path) -> None:
    detailed = score(tuple(replace(r, details={"confusion": [[1, 2]] * 50}) for r in repeats(VALUES)))
    made = run(detailed, tasks=(TASK,), environments={"here": HERE, "unused": {"torch": "1.0"}})
    text = accepted(tmp_path, made, reason="  two\nlines ").read_text()
    kept = load(tmp_path / "baselines/smoke/toy/cpu.json")
    assert [r.values for r in kept.scores[0].repeats] == [r.values for r in made.scores[0].repeats]
    assert (kept.tasks, kept.scores[0].repeats[0].details, set(kept.environments)) == ((), {}, {"here"})
    assert kept.accepted
    assert kept.accepted.reason == "two lines"
    assert '\n    "score": 0.82\n'.strip() in text
    assert text.endswith("}\n")


def test_a_baseline_keeps_where_the_artifacts_of_its_stages_are(tmp_path: Path) -> None:
    images = [
        TaskInfo("images", f"i{n}", {"m.k": 1}, {"s": n}, "executed", 3.5, {"count": 9}) for n in (1, 0)
    ]
    kept = load(accepted(tmp_path, run(score(repeats(VALUES)), tasks=(*images, TASK))))
    assert kept.tasks == tuple(
        TaskInfo("images", f"i{n}", {"m.k": 1}, {"s": n}, "cached", 0.0) for n in (0, 1)
    )


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
        ({"tasks": (replace(TASK, state="failed", error="loss is nan\nlog"),)}, "first m: loss is nan"),
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


@pytest.mark.parametrize("label", ["", "CPU", "a b", "../cpu", "a/b", ".hidden", "x" * 65, "cpu\n"])
def test_a_label_is_a_plain_file_name(tmp_path: Path, label: str) -> None:
    with pytest.raises(UsageError, match="use small letters"):
        accepted(tmp_path, run(score(repeats(VALUES))), label)


def test_a_bad_label_comes_with_the_nearest_good_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'nvidia-h100'"):
        baseline.find(tmp_path, "smoke/toy", "NVIDIA H100")


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


def test_a_direction_that_turned_has_to_be_said(tmp_path: Path) -> None:
    turned = metric(fields={"score": {"better": "lower", "floor": 0.0}})
    accepted(tmp_path, run(score(repeats(VALUES))))
    now = run(score(repeats(VALUES)), metrics={"m": turned})
    with pytest.raises(UsageError, match=r"m\.score\.better: higher → lower.*--new-protocol"):
        accepted(tmp_path, now)
    accepted(tmp_path, now, new_protocol=True)
    accepted(tmp_path, now)


def edit(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def apply(file: Path) -> None:
        body = json.loads(file.read_text())
        change(body)
        file.write_text(json.dumps(body))

    return apply


def value(new: float) -> Callable[[Any], Any]:
    return lambda body: body["scores"][0]["repeats"][0]["values"].update(score=new)


def longer(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\0")


def rows_of(file: Path) -> Path:
    """The items of a baseline."""
    return items_file(file, load(file))


def foreign_items(file: Path) -> None:
    itemised(file.parent / "other", [{f"i{n}": 0.9 for n in range(10)}])
    (file.parent / "other/items.parquet").replace(rows_of(file))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (edit(value(0.99)), "changed after it was accepted"),
        (edit(value(float("nan"))), "NaN is no number"),
        (edit(lambda b: b["gates"].clear()), "changed after it was accepted"),
        (edit(lambda b: b["accepted"].update(reason="better")), "changed after it was accepted"),
        (edit(lambda b: b["accepted"].update(digest="")), "changed after it was accepted"),
        (edit(lambda b: b["accepted"].update(label="gpu")), "a foreign baseline"),
        (edit(lambda b: b.update(suite="smoke/other")), "a foreign baseline, of suite 'smoke/other'"),
        (edit(lambda b: b.update(accepted=None)), "a run, not a baseline"),
        (edit(lambda b: b.update(schema="harness.run/99")), "written by another version"),
        (edit(lambda b: b.pop("scores")), "damaged record"),
        (lambda f: f.write_text("{"), "not JSON"),
        (lambda f: f.write_text("[" * 100_000), "not JSON"),
        (lambda f: f.write_text("[]"), "not a run or a baseline"),
        (lambda f: f.write_text(""), "empty"),
        (lambda f: f.write_bytes(b"\xff\xfe"), "not text in UTF-8"),
        (lambda f: longer(rows_of(f)), "changed after it was accepted"),
        (lambda f: rows_of(f).unlink(), "changed after it was accepted"),
        (foreign_items, "changed after it was accepted"),
    ],
)
def test_an_edited_torn_or_foreign_baseline_is_refused_in_one_line(
    with_items: tuple[Path, Side], fault: Callable[[Path], None], words: str
) -> None:
    project, made = with_items
    fault(project / "baselines/smoke/toy/cpu.json")
    with pytest.raises(UsageError) as caught:
        baseline.find(project, "smoke/toy", "cpu")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    baseline.accept(made.run, project / "run", project, "cpu", "mended", new_protocol=True)
    assert baseline.find(project, "smoke/toy", "cpu"), "accepting anew is the way out"


def test_a_copied_baseline_is_foreign_to_its_new_name(with_items: tuple[Path, Side]) -> None:
    project, _ = with_items
    folder = project / "baselines/smoke/toy"
    shutil.copy(folder / "cpu.json", folder / "gpu.json")
    with pytest.raises(UsageError, match="under the label 'cpu'"):
        baseline.find(project, "smoke/toy", "gpu")


def test_layout_is_no_edit(with_items: tuple[Path, Side]) -> None:
    project, _ = with_items
    file = project / "baselines/smoke/toy/cpu.json"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert baseline.find(project, "smoke/toy", "cpu")


def test_a_baseline_is_read_by_its_file_and_checked(with_items: tuple[Path, Side]) -> None:
    project, _ = with_items
    file = project / "baselines/smoke/toy/cpu.json"
    found = baseline.read_file(file)
    assert found.items
    assert found.items.items("m", {}, {}, "score")
    assert baseline.read_file(project / "run" / "run.json").items, "a run is read the same way"
    edit(value(0.99))(file)
    with pytest.raises(UsageError, match="changed after it was accepted"):
        baseline.read_file(file)


def test_missing_items_of_a_run_are_not_accepted(with_items: tuple[Path, Side]) -> None:
    project, made = with_items
    (project / "run/items.parquet").unlink()
    with pytest.raises(UsageError, match="items of this record cannot be read"):
        baseline.accept(made.run, project / "run", project, "gpu", "why not")
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
            baseline.accept(made.run, project / "run", project, "cpu", "again" * 1000)
        assert content(project) == before


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
    baseline.accept(made.run, project / "run", project, "cpu", "again")
    assert sorted(p.name for p in folder.iterdir()) == sorted([*own, *others])


def test_a_baseline_of_before_is_read(with_items: tuple[Path, Side]) -> None:
    """Its items have no digest in their name, and its own is of both."""
    project, made = with_items
    file = project / "baselines/smoke/toy/cpu.json"
    rows_of(file).rename(file.with_name("cpu.items.parquet"))
    body = json.loads(file.read_text())
    del body["items"]
    body["accepted"]["digest"] = baseline._digest(body, file.with_name("cpu.items.parquet").read_bytes())
    file.write_text(json.dumps(body))
    found = baseline.find(project, "smoke/toy", "cpu")
    assert found
    assert found.items
    baseline.accept(made.run, project / "run", project, "cpu", "again")
    assert not file.with_name("cpu.items.parquet").exists()
    assert baseline.find(project, "smoke/toy", "cpu")


@pytest.mark.parametrize("items", ["../../x", "", 5, "0" * 63, "G" * 64])
def test_a_record_leads_to_no_items_elsewhere(with_items: tuple[Path, Side], items: object) -> None:
    project, _ = with_items
    file = project / "baselines/smoke/toy/cpu.json"
    edit(lambda body: body.update(items=items))(file)
    with pytest.raises(UsageError, match="damaged record"):
        baseline.read_file(file)


@pytest.mark.parametrize("label", ["../../etc/x", "/etc/x", "a/b", "", "CPU"])
def test_a_record_leads_to_no_label_elsewhere(with_items: tuple[Path, Side], label: str) -> None:
    project, _ = with_items
    file = project / "baselines/smoke/toy/cpu.json"
    edit(lambda body: body["accepted"].update(label=label))(file)
    with pytest.raises(UsageError, match="damaged record"):
        baseline.read_file(file)


def test_a_metric_of_time_whose_work_was_not_done_in_the_run_is_untimed() -> None:
    def of(metric: str, *clocked: bool) -> Score:
        given = repeats([1.0] * len(clocked))
        parts = tuple(replace(r, clocked=c) for r, c in zip(given, clocked, strict=True))
        return score(parts, metric=metric)

    timed = run(of("zeit", True, False), of("m", False), of("fast", True, True), of("alt", False))
    metrics = {n: replace(timed.metrics["m"], timed=n != "m") for n in ("zeit", "m", "fast", "alt")}
    assert baseline.untimed(replace(timed, metrics=metrics)) == ["alt", "zeit"]
