"""Classification metrics: published figures to all printed digits, and what happens at the edges."""

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drawing import draws
from hypothesis import given
from hypothesis import strategies as st

from harness.artifact import Predictions
from harness.errors import StageError
from harness.stages.metrics import classification

pytestmark = pytest.mark.numeric

CLASSES = ["Bare Land", "Crop Land", "Water Body"]


def predictions(folder: Path, labels, logits, classes=CLASSES) -> Predictions:
    columns = {
        "item": [f"{i}.png" for i in range(len(labels))],
        "label": pa.array(list(labels), pa.int64()),
        "logits": pa.array([list(row) for row in logits], pa.list_(pa.float32())),
    }
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), folder / classification.FILE)
    return Predictions(folder, facts={"classes": list(classes), "count": len(labels)})


def one_hot(predicted, classes=3):
    return np.eye(classes)[list(predicted)] * 4


def test_published_figures_are_reproduced_to_all_printed_digits(tmp_path):
    mirror = os.environ.get("HARNESS_MIRROR")
    if not mirror:
        pytest.skip("the golden data is beside the mirror: set HARNESS_MIRROR")
    golden = Path(mirror).parent / "golden" / "classification"
    classes = json.loads((golden / "classes.json").read_text())
    published = json.loads((golden / "published.json").read_text())
    logits, labels = np.load(golden / "logits.npy"), np.load(golden / "labels.npy")

    scores = classification.scores(predictions(tmp_path, labels, logits, classes))

    rows = {row["class"]: row for row in scores.details["per_class"]}
    assert rows.keys() == set(classes)
    compared = [
        (scores.overall_accuracy, published["accuracy"]),
        (scores.f1_micro, published["accuracy"]),
        (scores.average_accuracy, published["macro avg"]["recall"]),
        (scores.f1_macro, published["macro avg"]["f1-score"]),
        *((rows[c]["precision"], published[c]["precision"]) for c in classes),
        *((rows[c]["recall"], published[c]["recall"]) for c in classes),
        *((rows[c]["f1"], published[c]["f1-score"]) for c in classes),
        *((rows[c]["support"], published[c]["support"]) for c in classes),
    ]
    for own, printed in compared:
        assert own == pytest.approx(printed, rel=0, abs=2e-16)
    assert scores.conditions == {"n": 7589}


@draws(60)
@given(pairs=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40))
def test_every_average_is_the_one_that_torchgeo_logs(tmp_path, pairs):
    """Absent classes included: torchmetrics decides how they enter."""
    import torch
    from torchmetrics.functional import classification as tm

    labels, predicted = zip(*pairs, strict=True)
    scores = classification.scores(predictions(tmp_path, labels, one_hot(predicted)))
    preds, target = torch.tensor(predicted), torch.tensor(labels)
    expected = {
        "overall_accuracy": tm.multiclass_accuracy(preds, target, 3, average="micro"),
        "average_accuracy": tm.multiclass_accuracy(preds, target, 3, average="macro"),
        "f1_micro": tm.multiclass_f1_score(preds, target, 3, average="micro"),
        "f1_macro": tm.multiclass_f1_score(preds, target, 3, average="macro"),
        "jaccard": tm.multiclass_jaccard_index(preds, target, 3, average="macro"),
    }
    for name, value in expected.items():
        assert getattr(scores, name) == pytest.approx(float(value), abs=1e-6), name


def test_a_field_with_item_rows_is_their_mean(tmp_path):
    generator = np.random.default_rng(0)
    logits, labels = generator.normal(size=(50, 3)), generator.integers(0, 3, 50)
    scores = classification.scores(predictions(tmp_path, labels, logits))
    fields = {"overall_accuracy", "average_accuracy", "f1_micro", "f1_macro", "jaccard", "loss"}
    assert scores.items.columns.keys() == fields
    for name, column in scores.items.columns.items():
        assert np.mean(column) == pytest.approx(getattr(scores, name), abs=1e-12)
    shifted = logits.astype(np.float32).astype(np.float64)
    expected = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(50), labels]
    np.testing.assert_allclose(scores.items.columns["loss"], expected, rtol=1e-12)


def test_rows_of_macro_means_are_what_they_lose_without_the_item(tmp_path):
    """Class 2 has one item, class 3 none and is predicted once: without an item a class may be gone."""
    labels = [0, 0, 0, 0, 1, 1, 1, 2, 0, 1]
    predicted = [0, 0, 1, 3, 1, 1, 0, 2, 0, 1]
    logits = one_hot(predicted, 4)
    classes = ["a", "b", "c", "d"]
    scores = classification.scores(predictions(tmp_path / "all", labels, logits, classes))
    for field in ("average_accuracy", "f1_macro", "jaccard"):
        without = np.array(
            [
                getattr(
                    classification.scores(
                        predictions(
                            tmp_path / "some", np.delete(labels, i), np.delete(logits, i, axis=0), classes
                        )
                    ),
                    field,
                )
                for i in range(10)
            ]
        )
        expected = getattr(scores, field) + 9 * (without.mean() - without)
        np.testing.assert_allclose(scores.items.columns[field], expected, rtol=1e-12)
        assert np.std(expected) > 0.01


def test_steps_are_the_least_that_one_item_can_change(tmp_path):
    """Every item is given every other prediction; none moves a field by less than its step says."""
    labels = [0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2]
    predicted = [0, 0, 0, 1, 1, 1, 0, 2, 2, 2, 0, 1]
    scores = classification.scores(predictions(tmp_path, labels, one_hot(predicted)))
    assert scores.steps["overall_accuracy"] == scores.steps["f1_micro"] == 1 / 12
    assert scores.steps["average_accuracy"] == pytest.approx(1 / (3 * 5))
    moved = {field: [] for field in scores.steps}
    for i, right in enumerate(labels):
        for other in range(3):
            if (other == right) == (predicted[i] == right):
                continue
            changed = [*predicted[:i], other, *predicted[i + 1 :]]
            one = classification.scores(predictions(tmp_path, labels, one_hot(changed)))
            for field, changes in moved.items():
                changes.append(abs(getattr(one, field) - getattr(scores, field)))
    for field, changes in moved.items():
        assert 0 < scores.steps[field] <= min(changes) + 1e-12
        assert scores.steps[field] > 0.3 * min(changes)


def test_a_single_item_has_no_rows_of_what_would_be_left_without_it(tmp_path):
    scores = classification.scores(predictions(tmp_path, [0], one_hot([0])))
    assert scores.items.columns.keys() == {"overall_accuracy", "f1_micro", "loss"}


def test_a_class_that_neither_occurs_nor_is_predicted_is_left_out(tmp_path):
    scores = classification.scores(predictions(tmp_path, [0, 0, 1, 1], one_hot([0, 0, 1, 0])))
    assert scores.average_accuracy == 0.75
    assert scores.jaccard == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert scores.details["classes_without_items"] == ["Water Body"]


def test_a_class_that_is_predicted_without_occurring_counts_as_zero(tmp_path):
    scores = classification.scores(predictions(tmp_path, [0, 0, 1, 1], one_hot([0, 0, 1, 2])))
    assert scores.average_accuracy == pytest.approx((1 + 1 / 2 + 0) / 3)


def test_the_first_of_equal_logits_is_the_prediction(tmp_path):
    scores = classification.scores(predictions(tmp_path, [0, 1, 2], [[1, 1, 1]] * 3))
    assert scores.details["confusion"]["matrix"] == [[1, 0, 0], [1, 0, 0], [1, 0, 0]]
    assert scores.loss == pytest.approx(np.log(3), abs=1e-12)


@pytest.mark.parametrize(
    ("labels", "logits", "message"),
    [
        ([], [], "no predictions"),
        ([0, 1], [[0, 0, 1], [0, float("nan"), 0]], r"1\.png: logits that are not finite numbers \(1 of 2"),
        ([0, 1], [[0, 0, 1], [float("inf"), 0, 0]], r"1\.png: logits that are not finite"),
        ([0, 3], one_hot([0, 1]), r"1\.png: label 3 of 3 classes"),
        ([0, 1], [[0, 1, 0, 0], [0, 1]], r"0\.png: 4 logits for 3 classes"),
    ],
)
def test_what_cannot_be_scored_is_named(tmp_path, labels, logits, message):
    with pytest.raises(StageError, match=message):
        classification.scores(predictions(tmp_path, labels, logits))


def only_predicted(folder: Path, labels, predicted, cluster=None, items=None) -> Predictions:
    from harness.formats import predictions as table

    folder.mkdir(exist_ok=True)
    items = items or [f"{i}.png" for i in range(len(labels))]
    rows = table.Rows(items, np.array(labels), prediction=np.array(predicted), cluster=cluster)
    table.write(folder, rows)
    return Predictions(folder, facts={"classes": CLASSES})


@draws(30)
@given(pairs=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40))
def test_accuracies_are_the_scores_without_the_loss(tmp_path, pairs):
    """From logits, and from the predictions alone."""
    labels, predicted = zip(*pairs, strict=True)
    with_logits = predictions(tmp_path / "a", labels, one_hot(predicted))
    scores = classification.scores(with_logits)
    for made in (with_logits, only_predicted(tmp_path / "b", labels, predicted)):
        found = classification.accuracies(made)
        fields = [*classification.MACRO, "overall_accuracy", "f1_micro"]
        assert {f: getattr(found, f) for f in fields} == {f: getattr(scores, f) for f in fields}
        assert not hasattr(found, "loss")
        assert found.items.item == scores.items.item
        assert {**found.items.columns, "loss": scores.items.columns["loss"]} == scores.items.columns
        assert found.steps == scores.steps
        assert {n: found.details[n] for n in scores.details} == scores.details
        assert found.conditions["n"] == len(pairs)


def test_clusters_are_passed_on(tmp_path):
    made = only_predicted(tmp_path / "a", [0, 1, 2], [0, 1, 1], cluster=["x", "x", "y"])
    assert classification.accuracies(made).items.cluster == ["x", "x", "y"]
    assert classification.accuracies(only_predicted(tmp_path / "b", [0], [0])).items.cluster is None


def test_the_test_set_is_a_condition(tmp_path):
    """Its items and labels, in any order; predictions do not count."""

    def condition(name, *arguments, **more):
        return classification.accuracies(only_predicted(tmp_path / name, *arguments, **more)).conditions[
            "test_set"
        ]

    first = condition("a", [0, 1], [0, 1], items=["p", "q"])
    assert condition("b", [1, 0], [0, 0], items=["q", "p"]) == first
    assert condition("c", [0, 0], [0, 1], items=["p", "q"]) != first
    assert condition("d", [0, 1], [0, 1], items=["p", "r"]) != first


@pytest.mark.parametrize(
    ("labels", "predicted", "told"),
    [
        ([0, 3], [0, 1], "1.png: label 3 of 3 classes"),
        ([0, 1], [0, -1], "1.png: prediction -1 of 3 classes"),
        ([], [], "no predictions to score"),
    ],
)
def test_predictions_that_cannot_be_scored_are_refused(tmp_path, labels, predicted, told):
    with pytest.raises(StageError, match=told):
        classification.accuracies(only_predicted(tmp_path / "a", labels, predicted))


def test_a_loss_needs_logits(tmp_path):
    with pytest.raises(StageError, match=r"^0\.png: 0 logits for 3 classes$"):
        classification.scores(only_predicted(tmp_path / "a", [0], [0]))
