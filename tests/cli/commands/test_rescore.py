from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from io import StringIO

import pytest
from command_line import Project
from compare.runs import repeats, run, score
from copies import Copies
from disks import content, read_only
from rich.console import Console
from toy_evidence import Lucky

from harness.cli.commands.rescore import print_rescored
from harness.evaluation.baseline_choice import side
from harness.store import record_file
from harness.store.record import MetricInfo, Repeat, Run


def make_lucky(project: Project) -> None:
    Lucky(project).make()


@pytest.fixture
def lucky(project: Project, copies: Copies) -> Lucky:
    copies.fill(project, make_lucky)
    return Lucky(project)


def doubled(lucky: Lucky) -> None:
    """The metric ``found`` now sees twice the size."""
    lucky.edit(
        'return Found(size=size, half=size / 2, items=Items(["only"], {"size": [size]})',
        'size *= 2\n    return Found(size=size, half=size / 4, items=Items(["only"], {"size": [size]})',
    )


def values(run: Run, metric: str, field: str) -> list[float]:
    return [r.values[field] for s in run.scores if s.metric == metric for r in s.repeats]


def test_metrics_that_compute_what_they_did_are_left_alone(lucky: Lucky) -> None:
    said = lucky.harness("rescore", "lucky/cpu")
    assert (said.code, said.out) == (0, "lucky/cpu: every metric computes what it did; nothing to rescore\n")


def test_a_changed_metric_is_shown_old_beside_new_and_nothing_is_written(lucky: Lucky) -> None:
    before = lucky.baseline.read_bytes()
    doubled(lucky)
    said = lucky.harness("rescore", "lucky/cpu")
    assert said.code == 0, said.err
    old = sum(values(record_file.load(lucky.baseline), "found", "size")) / 3
    rows = {line.split()[0]: line.split()[1:] for line in said.out.splitlines() if line.startswith("found")}
    assert rows["found.size"] == ["3", f"{old:.2f}", f"{2 * old:.2f}", f"+{old:.2f}"]
    assert rows["found.half"][-1] == "none"
    assert "other" not in said.out
    assert 'harness rescore lucky/cpu --accept "…"' in said.out
    assert lucky.baseline.read_bytes() == before


def test_a_direction_that_turned_is_incomparable_and_said_before_it_is_accepted(lucky: Lucky) -> None:
    turned = "found.size.better: lower → higher"
    lucky.edit("import Items", "import Higher, Items")
    lucky.edit("size: Lower", "size: Higher")
    run = lucky.harness("run", "suites/lucky.yaml")
    assert run.code == 4
    assert turned in run.out
    refused = lucky.harness("accept", "lucky", "--reason", "no change of the values")
    assert refused.code == 2
    assert turned in refused.error
    doubled(lucky)
    assert turned in lucky.harness("rescore", "lucky/cpu").out


def test_another_execution_is_not_scored_in_place_of_that_of_the_baseline(
    lucky: Lucky, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Executed anew, a stage may leave other files under the same key."""
    before = lucky.baseline.read_bytes()
    monkeypatch.setenv("MACHINE", "another")
    assert lucky.harness("run", "suites/lucky.yaml", "--fresh", "drawn").code in (0, 6)
    doubled(lucky)
    said = lucky.harness("rescore", "lucky/cpu", "--accept", "sizes were radii")
    assert said.code == 2, said.out
    assert "has other files than were scored, from another execution: drawn (seed=0)" in said.error
    assert lucky.baseline.read_bytes() == before


def test_nothing_but_the_metric_runs(lucky: Lucky) -> None:
    doubled(lucky)
    lucky.edit("    folder = job.folder()\n", "    raise AssertionError('the subject ran')\n")
    said = lucky.harness("rescore", "lucky/cpu")
    assert said.code == 0, said.err
    assert "✓ 6/6 found (drawn.seed=2)" in said.err
    assert "drawn (" not in said.err


def test_accepted_values_take_the_place_of_the_old_ones_and_compare(lucky: Lucky) -> None:
    before = record_file.load(lucky.baseline)
    doubled(lucky)
    lucky.edit("@stage(version=1)\ndef measure", "@stage(version=2)\ndef measure")
    assert lucky.harness("run", "suites/lucky.yaml").code == 4  # another protocol
    assert "first: harness rescore lucky/cpu" in lucky.harness("extend", "lucky/cpu", "--seeds", "4").error
    said = lucky.harness("rescore", "lucky/cpu", "--accept", "sizes were radii")
    assert said.code == 0, said.err
    after = record_file.load(lucky.baseline)
    assert values(after, "found", "size") == [2 * v for v in values(before, "found", "size")]
    assert values(after, "other", "size") == values(before, "other", "size")
    assert after.accepted
    assert (after.accepted.reason, after.accepted.label) == ("sizes were radii", "cpu")
    (found,) = (s for s in after.scores if s.metric == "found")
    assert found.protocol["found.use"] == "lucky.measure@2"
    held = side(lucky.baseline)
    assert held.items
    for repeat in found.repeats:
        rows = held.items.items("found", {}, repeat.seeds, "size")
        assert rows is not None
        assert list(rows.values) == [repeat.values["size"]]
    assert lucky.harness("run", "suites/lucky.yaml").code == 0
    assert "nothing to rescore" in lucky.harness("rescore", "lucky/cpu").out
    assert lucky.harness("extend", "lucky/cpu", "--seeds", "4").code == 0


def test_a_metric_is_rescored_from_what_was_stored_even_if_the_subject_has_changed(lucky: Lucky) -> None:
    old = values(record_file.load(lucky.baseline), "found", "size")
    doubled(lucky)
    lucky.edit(".random() * count", ".random() + count")
    assert lucky.harness("rescore", "lucky/cpu", "--accept", "sizes were radii").code == 0
    assert values(record_file.load(lucky.baseline), "found", "size") == [2 * v for v in old]


def test_a_subject_that_has_changed_alone_is_nothing_to_rescore(lucky: Lucky) -> None:
    lucky.edit(".random() * count", ".random() + count")
    said = lucky.harness("rescore", "lucky/cpu")
    assert (said.code, said.out) == (0, "lucky/cpu: no metric has changed, only what runs before them\n")


def test_artifacts_that_are_gone_are_named(lucky: Lucky) -> None:
    doubled(lucky)
    objects = lucky.project.folder / ".harness" / "objects"
    for entry in objects.glob("*/*/entry.json"):
        if json.loads(entry.read_text())["use"] == "lucky.draw":
            shutil.rmtree(entry.parent)
    said = lucky.harness("rescore", "lucky/cpu")
    assert said.code == 2
    assert "drawn (seed=0), drawn (seed=1), drawn (seed=2)" in said.error


def test_a_metric_that_fails_leaves_the_baseline_as_it_was(lucky: Lucky) -> None:
    before = lucky.baseline.read_bytes()
    lucky.edit("half=size / 2", "half=size / 0")
    said = lucky.harness("rescore", "lucky/cpu", "--accept", "no")
    assert said.code == 5
    assert "3 metrics failed, first found (drawn.seed=0): ZeroDivisionError" in said.err
    assert lucky.baseline.read_bytes() == before


@pytest.mark.parametrize(("folder", "says"), [(".harness", "HARNESS_STORE"), ("baselines", "cpu.json")])
def test_what_cannot_be_written_is_met_before_anything_runs(lucky: Lucky, folder: str, says: str) -> None:
    doubled(lucky)
    before = content(lucky.project.folder)
    with read_only(lucky.project.folder / folder):
        said = lucky.harness("rescore", "lucky/cpu", "--accept", "sizes were radii")
    assert (said.code, says in said.error) == (2, True), said
    assert content(lucky.project.folder) == before


def test_accepting_asks_for_a_reason(lucky: Lucky) -> None:
    assert lucky.harness("rescore", "lucky/cpu", "--accept", " ").code == 2


def with_fields(fields: Mapping[str, list[float]], points: int = 1) -> Run:
    """A run of a metric ``m`` with these fields, three repeats of each."""
    made = tuple(
        Repeat({"train.seed": i}, f"k{i}", {name: values[i] for name, values in fields.items()})
        for i in range(3)
    )
    scores = [score(made, {"m.k": k} if points > 1 else {}) for k in range(points)]
    info = MetricInfo("m@1", {name: {"better": "higher"} for name in fields}, ("train.seed",))
    return run(*scores, metrics={"m": info})


def rows(before: Run, after: Run, width: int = 100) -> list[list[str]]:
    file = StringIO()
    print_rescored(Console(file=file, width=width, color_system=None), before, after, {"m"})
    return [line.split() for line in file.getvalue().splitlines()]


def test_means_stand_side_by_side_with_enough_digits_to_differ() -> None:
    before = with_fields({"up": [0.8, 0.82, 0.81], "down": [1.0, 2.0, 3.0], "same": [1.5, 1.5, 1.5]})
    after = with_fields({"up": [0.8001, 0.8201, 0.8101], "down": [1.0, 2.0, 2.7], "same": [1.5, 1.5, 1.5]})
    head, *body = rows(before, after)
    assert head == ["metric", "point", "repeats", "old", "new", "difference"]
    assert body == [
        ["m.up", "3", "0.8100", "0.8101", "+0.0001"],
        ["m.down", "3", "2.00", "1.90", "-0.10"],
        ["m.same", "3", "1.50", "1.50", "none"],
    ]


def test_a_field_that_only_one_side_has_is_new_or_gone() -> None:
    _, *body = rows(with_fields({"old": [1.0, 2.0, 3.0]}), with_fields({"fresh": [4.0, 5.0, 6.0]}))
    assert body == [["m.old", "3", "2", "–", "gone"], ["m.fresh", "3", "–", "5", "new", "field"]]


def test_each_point_has_its_row_and_thousands_are_counted() -> None:
    before = with_fields({"score": [1.0, 2.0, 3.0]}, points=250)
    body = rows(before, before)
    assert body[1][:2] == ["m.score", "k=0"]
    assert body[-1] == ["and", "50", "more", "rows"]


def test_metrics_that_were_not_computed_anew_are_left_out() -> None:
    before = with_fields({"score": [1.0, 2.0, 3.0]})
    other = score(repeats([0.1, 0.2, 0.3]), metric="other")
    metrics = {**before.metrics, "other": before.metrics["m"]}
    both = replace(before, scores=(*before.scores, other), metrics=metrics)
    assert [row[0] for row in rows(both, both)] == ["metric", "m.score"]
