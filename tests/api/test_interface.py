"""``import harness``: what it costs, what it returns, what it raises, and that it prints nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import Project, environment
from toy_suites import changed, write_suite

import harness
from harness.errors import Exit

CLASSES = """\
suite: toy/classes
subject: [classifier]
stages:
  seen:        {use: toy_classes.draw, per_class: 4, seed: 1}
  unseen:      {use: toy_classes.draw, per_class: 3, seed: 2}
  classifier:  {use: toy_classes.train, train: seen}
  predictions: {use: toy_classes.predict, classifier: classifier, images: unseen}
  vectors:     {use: toy_classes.describe, images: unseen}
metrics:
  scores: {use: toy_classes.score, predictions: predictions}
  spread: {use: toy_classes.spread, features: vectors}
seeds:
  classifier.seed: [0, 1, 2]
gate:
  scores.loss: 0.5
"""
FAILING = changed(
    ("epochs: 5}", "epochs: 5}\n  limited: {use: toy.limit, numbers: parts.test, at_most: 0.0}"),
    ("data: parts.test", "data: limited"),
)


@pytest.fixture
def toy(project: Project) -> Project:
    write_suite(project.folder)
    return project


def test_importing_it_imports_nothing_else_of_weight() -> None:
    code = (
        "import sys, json; before = set(sys.modules); import harness; dir(harness); "
        "print(json.dumps(sorted({m.partition('.')[0] for m in set(sys.modules) - before})))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    outside = set(json.loads(said.stdout)) - sys.stdlib_module_names
    assert outside == {"harness"}


def test_loading_a_run_needs_no_torch_and_no_pandas(toy: Project) -> None:
    harness.run("toy/centre")
    code = (
        "import sys, harness; run = harness.load('toy/centre'); run.findings; run.compare(run).outcome; "
        "print({'torch', 'pandas', 'scipy', 'datasets'} & set(sys.modules))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        cwd=toy.folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "set()\n"


def test_a_name_that_it_lacks() -> None:
    with pytest.raises(AttributeError, match="module 'harness' has no attribute 'rnu'"):
        harness.rnu  # noqa: B018
    assert {"run", "load", "UsageError"} <= set(dir(harness))
    assert all(hasattr(harness, name) for name in harness.__all__)


def test_a_run_is_that_of_the_command_and_prints_nothing(
    toy: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(toy.folder / "summary.md"))
    run = harness.run("suites/suite.yaml", set={"model.epochs": 4})
    assert toy.capsys.readouterr() == ("", "")
    assert not (toy.folder / "summary.md").exists()
    assert (run.outcome, run.exit) == ("no baseline yet", Exit.INCOMPARABLE)
    assert [run.path] == toy.runs
    assert run.report == run.path / "report.html"
    assert {"run.json", "items.parquet", "report.md", "junit.xml"} <= {f.name for f in run.path.iterdir()}
    assert toy.latest["comparison"]["exit"] == 4

    by_command = toy.harness("run", "suites/suite.yaml", "--set", "model.epochs=4")
    assert by_command.code == 4
    assert toy.states()["fit"] == {"cached"}
    assert harness.load("toy/centre").record.scores[0].repeats[0].values == dict(
        run.record.scores[0].repeats[0].values
    )


def test_the_record_has_the_command_that_does_the_same(toy: Project) -> None:
    run = harness.run(
        "toy/centre", set={"model.epochs": 4}, only={"model.loss": "square"}, fresh=["model"], store="s"
    )
    command = [
        *("harness", "run", "suites/suite.yaml", "--set", "model.epochs=4"),
        *("--only", "model.loss=square", "--fresh", "model"),
    ]
    assert run.record.provenance["command"] == command
    assert toy.harness(*map(str, command[1:])).code == 4
    assert len(toy.latest["scores"]) == len(run.record.scores) == 2


def test_progress_is_shown_when_it_is_asked_for(toy: Project) -> None:
    harness.run("toy/centre", progress=True)
    out, err = toy.capsys.readouterr()
    assert out == ""
    assert "model (loss=square, rate=0.1, seed=0)" in err


def test_changes_are_values_or_the_words_of_the_command_line(toy: Project) -> None:
    by_value = harness.run(
        "toy/centre",
        set={
            "numbers.label": "a # b: 'c'",
            "model.shuffle": False,
            "model.weights": {"a": 1.5},
            "model.rate": 0.1,
        },
        only={"model.loss": ["square"]},
    )
    by_word = harness.run(
        "toy/centre",
        set=[
            *("numbers.label=\"a # b: 'c'\"", "model.shuffle=false", "model.weights={a: 1.5}"),
            "model.rate=0.1",
        ],
        only=["model.loss=square"],
    )
    assert [t.key for t in by_value.record.tasks] == [t.key for t in by_word.record.tasks]
    assert by_value.record.declaration["stages"]["numbers"]["parameters"]["label"] == "a # b: 'c'"  # type: ignore[index,call-overload]


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        ({"suite": "toy/centr"}, harness.UsageError, "did you mean 'toy/centre'?"),
        ({"set": {"model.epoch": 1}}, harness.SuiteError, "did you mean 'epochs'?"),
        ({"set": {"model.rate": float("nan")}}, harness.UsageError, "cannot be written in a suite"),
        ({"set": {"model.rate": Path("x")}}, harness.UsageError, "a source is written as in a suite"),
        ({"set": "model.rate=1"}, harness.UsageError, "expected {'node.field': value}"),
        ({"only": {"model.rte": 1}}, harness.SuiteError, "did you mean 'model.rate'?"),
        ({"fresh": "model"}, harness.UsageError, "expected a list of stages"),
        ({"fresh": ["mdel"]}, harness.UsageError, "did you mean 'model'?"),
        ({"baseline": "no/such.json"}, harness.UsageError, "no baseline 'no/such.json'"),
        ({"mirror": "none"}, harness.UsageError, "mirror none: no such folder"),
        ({"executor": "remote"}, harness.UsageError, "remote"),
        ({"proposals": False}, harness.UsageError, "goes with baseline_ref"),
        ({"suite": 3}, harness.UsageError, "suite=3: expected a text or a path"),
        ({"set": 3}, harness.UsageError, "run: set=3: expected {'node.field': value}"),
        ({"set": [3]}, harness.UsageError, "run: set=[3]: expected {'node.field': value}"),
        ({"only": [None]}, harness.UsageError, "run: only=[None]: expected {'axis': value}"),
        ({"fresh": 3}, harness.UsageError, "run: fresh=3: expected a list of stages"),
        ({"out": 3}, harness.UsageError, "out=3: expected a text or a path"),
        ({"store": b"s"}, harness.UsageError, "store=b's': expected a text or a path"),
        ({"baseline": 1.5}, harness.UsageError, "baseline=1.5: expected a text or a path"),
        ({"baseline_ref": 1}, harness.UsageError, "run: baseline_ref=1: expected a text"),
        ({"executor": Path("local")}, harness.UsageError, "expected a text"),
        ({"jobs": "a"}, harness.UsageError, "run: jobs='a': expected an integer"),
        ({"max_seeds": True}, harness.UsageError, "run: max_seeds=True: expected an integer"),
        ({"max_seeds": 1}, harness.UsageError, "--max-seeds 1: the suite has 3 already"),
    ],
)
def test_a_mistake_is_an_error_of_the_harness_and_nothing_runs(
    toy: Project, arguments: dict[str, object], error: type[Exception], told: str
) -> None:
    with pytest.raises(error) as caught:
        harness.run(**{"suite": "toy/centre", **arguments})  # type: ignore[arg-type]
    assert told in str(caught.value)
    assert toy.runs == []


def test_a_store_that_cannot_be_written(toy: Project) -> None:
    (toy.folder / "file").write_text("")
    with pytest.raises(harness.HarnessError, match="store file"):
        harness.run("toy/centre", store="file")


def test_a_task_that_fails_is_an_outcome_and_its_values_are_missing(project: Project) -> None:
    write_suite(project.folder, FAILING)
    run = harness.run("toy/centre")
    assert (run.outcome, run.exit) == ("failed", Exit.FAILED)
    assert "is larger than 0" in str(run.record.failures[0].error)
    frame = run.to_frame()
    assert len(frame) == 4 * 3 * 3
    assert frame["value"].isna().all()


def test_scores_in_long_form(toy: Project) -> None:
    frame = harness.run("toy/centre").to_frame()
    assert list(frame.columns) == ["metric", "field", "model.loss", "model.rate", "model.seed", "value"]
    assert (str(frame["model.seed"].dtype), str(frame["value"].dtype)) == ("Int64", "float64")
    assert len(frame) == 4 * 3 * 3
    for score in toy.latest["scores"]:
        for repeat in score["repeats"]:
            for field, value in repeat["values"].items():
                rows = frame[
                    (frame["field"] == field)
                    & (frame["model.loss"] == score["point"]["model.loss"])
                    & (frame["model.rate"] == score["point"]["model.rate"])
                    & (frame["model.seed"] == repeat["seeds"]["model.seed"])
                ]
                assert rows["value"].tolist() == [value]


def test_an_axis_that_does_not_reach_a_metric_is_missing_there_and_a_list_is_json(project: Project) -> None:
    write_suite(
        project.folder,
        changed(
            ("seeds:\n", "  model.window: [[1, 1.0], [2, 0.5]]\nseeds:\n"),
            ("metrics:\n", "metrics:\n  raw: {use: toy.size, data: numbers}\n"),
            ("reference: {model.loss: square, model.rate: 0.1}\n", ""),
        ),
    )
    frame = harness.run("toy/centre").to_frame()
    raw = frame[frame["metric"] == "raw"]
    assert len(raw) >= 1
    assert raw[["model.loss", "model.rate", "model.window", "model.seed"]].isna().all(axis=None)
    windows = frame[frame["metric"] == "fit"]["model.window"]
    assert set(windows) == {"[1,1.0]", "[2,0.5]"}


def test_rows_of_items_have_the_scores_as_their_means(toy: Project) -> None:
    run = harness.run("toy/centre")
    items, frame = run.items(), run.to_frame()
    axes = ["metric", "field", "model.loss", "model.rate", "model.seed"]
    assert list(items.columns) == [*axes, "item", "cluster", "value"]
    means = items[items["field"] == "error"].groupby(axes)["value"].mean().reset_index()
    both = means.merge(frame, on=axes)
    assert len(both) == 12
    np.testing.assert_allclose(both["value_x"], both["value_y"], rtol=1e-12)


def test_a_baseline_is_loaded_by_its_label_its_file_and_as_what_it_is(toy: Project) -> None:
    run = harness.run("toy/centre")
    toy.accept()
    axes = ["metric", "field", "model.loss", "model.rate", "model.seed"]
    for given in (
        "toy/centre/cpu",
        "baselines/toy/centre/cpu.json",
        toy.folder / "baselines/toy/centre/cpu.json",
    ):
        baseline = harness.load(given)
        assert (baseline.label, baseline.id) == ("cpu", run.id)
        assert baseline.findings == ()
        assert (baseline.outcome, baseline.exit, baseline.report) == ("not compared", None, None)
        theirs, ours = (r.to_frame().sort_values(axes, ignore_index=True) for r in (baseline, run))
        pd.testing.assert_frame_equal(theirs, ours)
    with pytest.raises(harness.UsageError, match="name what it shall be compared with"):
        baseline.compare()
    edited = toy.folder / "baselines/toy/centre/cpu.json"
    edited.write_text(edited.read_text().replace("first figures", "better figures"))
    with pytest.raises(harness.UsageError, match="changed after it was accepted"):
        harness.load("toy/centre/cpu")


def test_a_run_is_loaded_by_its_folder_its_id_and_its_suite(
    toy: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = harness.run("toy/centre")
    for given in (run.path, str(run.path), run.id, "toy/centre", "suites/suite.yaml", run.path / "run.json"):
        loaded = harness.load(given)
        assert (loaded.id, loaded.outcome) == (run.id, "no baseline yet")
        assert loaded.findings == run.findings
    monkeypatch.chdir("/")
    assert harness.load(run.path).artifact("numbers").path.is_dir()
    assert harness.load(run.id, project=toy.folder).id == run.id
    with pytest.raises(harness.UsageError, match="no run 'none'"):
        harness.load("none", project=toy.folder)


def test_comparisons(toy: Project) -> None:
    before = harness.run("toy/centre")
    toy.accept()
    after = harness.run("toy/centre", set={"model.epochs": 1})
    judged = toy.harness("compare", after.id, "--json").json
    for other in (None, "cpu", "toy/centre/cpu", harness.load("toy/centre/cpu"), before, before.id):
        comparison = after.compare(other)
        assert comparison.exit == judged["exit"]
        assert [f.verdict for f in comparison.findings] == [f["verdict"] for f in judged["findings"]]
    frame = comparison.to_frame()
    assert list(frame["change"].round(12)) == [
        pytest.approx(f["estimate"]["change"], abs=1e-11) for f in judged["findings"]
    ]
    assert {"metric", "field", "model.loss", "against", "gated", "verdict", "margin", "reason"} <= set(frame)
    within = after.within({"model.rate": 0.2})
    assert {f.at["model.rate"] for f in within.findings} == {0.1}
    with pytest.raises(harness.UsageError, match=r"did you mean 'model\.rate'"):
        after.within({"model.rte": 0.2})
    with pytest.raises(harness.UsageError, match="no run 'none'"):
        after.compare("none")


def test_artifacts_as_paths_numbers_tables_and_data_sets(project: Project) -> None:
    write_suite(project.folder, CLASSES)
    run = harness.run("toy/classes")
    assert run.record.failures == ()
    unseen = run.artifact("unseen")
    assert unseen.facts["classes"] == ["Bare Land", "Water Body"]
    data = unseen.to_dataset()
    assert (len(data), data[0]["image"].size, data[5]["label"]) == (6, (16, 16), "Water Body")
    assert unseen.to_frame()["file_name"].tolist() == data["file_name"]

    predictions = run.artifact("predictions", {"classifier.seed": 2})
    table, logits = predictions.to_frame(), predictions.to_numpy()
    assert (logits.shape, str(logits.dtype)) == ((6, 2), "float32")
    assert np.stack(table["logits"].to_numpy()).tolist() == logits.tolist()
    assert predictions.to_dataset().column_names == ["item", "label", "logits"]

    vectors = run.artifact("vectors")
    assert vectors.to_numpy().shape == (6, 3)
    assert vectors.to_frame()["item"].tolist() == unseen.to_frame()["file_name"].tolist()

    listed = {(a.name, tuple(a.at.items())): a for a in run.artifacts()}
    assert listed["predictions", (("classifier.seed", 2),)].path == predictions.path
    assert {name for name, _ in listed} == {"seen", "unseen", "classifier", "predictions", "vectors"}


def test_what_an_artifact_is_not(project: Project) -> None:
    write_suite(project.folder, CLASSES)
    run = harness.run("toy/classes")
    classifier = run.artifact("classifier", {"classifier.seed": 0})
    for read in (classifier.to_numpy, classifier.to_frame, classifier.to_dataset):
        with pytest.raises(harness.UsageError, match="in the kind Classifier; its folder is "):
            read()
    with pytest.raises(harness.UsageError, match=r"3 of 3 tasks fit; --at one of: classifier\.seed=0"):
        run.artifact("classifier")
    with pytest.raises(harness.UsageError, match=r"no axis or seed 'classifier\.sed'; did you mean"):
        run.artifact("classifier", {"classifier.sed": 0})
    with pytest.raises(harness.UsageError, match="expected a run, a baseline, or the name of one"):
        run.compare(3)  # type: ignore[arg-type]
    with pytest.raises(harness.UsageError, match="what=3: expected a text or a path"):
        harness.load(3)  # type: ignore[arg-type]
    with pytest.raises(harness.UsageError, match="did you mean 'classifier'"):
        run.artifact("clasifier")
    damaged = run.artifact("vectors").path / "features.npy"
    damaged.chmod(0o644)
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(harness.UsageError, match="not in the store"):
        harness.load(run.id).artifact("vectors")
    with pytest.raises(harness.UsageError, match="not readable as features"):
        harness.Artifact("vectors", "Features", damaged.parent, {}, {"extractor": "x"}).to_numpy()


def test_warnings_are_kept_for_the_caller(toy: Project) -> None:
    run = harness.run("toy/centre")
    file = run.path / "run.json"
    body = json.loads(file.read_text())
    body["scores"][0]["repeats"][0]["values"]["error"] += 0.5
    file.write_text(json.dumps(body))
    again = harness.run("toy/centre", baseline=run.path)
    assert any("somebody edited its figures" in line for line in again.warnings)
    assert toy.capsys.readouterr() == ("", "")
