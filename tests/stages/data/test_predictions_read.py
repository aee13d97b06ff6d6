"""Predictions from tables: every form gives the same artifact, and every fault is one line with file and row."""

from __future__ import annotations

import csv
import json
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import Project
from image_files import parquet as hub_parquet
from image_files import source
from jobs import FolderJob
from toy_suites import BY_SEED, write_suite

from harness.artifact import Predictions
from harness.errors import StageError
from harness.stages.data import predictions

CLASSES = ("Crop Land", "Forest", "Water Body")
LABELS = ["Forest", "Crop Land", "Water Body", "Forest"]
PROBABILITIES = [[0.1, 0.7, 0.2], [0.5, 0.25, 0.25], [0.0, 0.0, 1.0], [0.6, 0.4, 0.0]]
ITEMS = [f"{i}.png" for i in range(4)]


def write(file: Path, columns: dict[str, list[Any]]) -> Path:
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    if file.suffix == ".parquet":
        pq.write_table(pa.table(columns), file)
    elif file.suffix == ".jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with file.open("w", newline="") as out:
            writer = csv.DictWriter(out, list(columns))
            writer.writeheader()
            for row in rows:
                writer.writerow({k: json.dumps(v) if isinstance(v, list) else v for k, v in row.items()})
    return file


def read(file: Path, job: Path, **parameters: Any) -> Predictions:
    return predictions.read(source=source(file), job=FolderJob(job), **parameters)


def table(made: Predictions) -> dict[str, list[Any]]:
    return pq.read_table(made.path / "predictions.parquet").to_pydict()


def refused(folder: Path, columns: dict[str, list[Any]], suffix: str = ".csv", **parameters: Any) -> str:
    """The one line that a table is refused with."""
    file = write(folder / f"own{suffix}", columns)
    with pytest.raises(StageError) as e:
        read(file, folder / "job", **parameters)
    assert "\n" not in str(e.value)
    return str(e.value).replace(str(file), "FILE")


FORMATS = [".csv", ".jsonl", ".parquet"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_probabilities_become_log_probabilities_in_every_form(tmp_path: Path, suffix: str) -> None:
    listed = write(
        tmp_path / f"list{suffix}", {"item": ITEMS, "label": LABELS, "probabilities": PROBABILITIES}
    )
    by_class = {f"probabilities.{n}": [row[i] for row in PROBABILITIES] for i, n in enumerate(CLASSES)}
    wide = write(tmp_path / f"wide{suffix}", {"item": ITEMS, "label": LABELS, **by_class})
    one, other = read(listed, tmp_path / "a", classes=CLASSES), read(wide, tmp_path / "b")
    assert table(one) == table(other)
    assert one.facts == other.facts
    assert one.facts["classes"] == list(CLASSES)
    assert one.facts["clipped"] == {"at": 1e-12, "values": 3, "of_the_label": 0}
    found = table(one)
    assert (found["item"], found["label"]) == (ITEMS, [1, 0, 2, 1])
    expected = [[math.log(max(p, 1e-12)) for p in row] for row in PROBABILITIES]
    np.testing.assert_allclose(found["logits"], expected, rtol=1e-6)


@pytest.mark.parametrize("suffix", FORMATS)
def test_predictions_alone_have_no_logits(tmp_path: Path, suffix: str) -> None:
    predicted = ["Forest", "Crop Land", "Forest", "Crop Land"]
    names = {"item": ITEMS, "label": LABELS, "prediction": predicted}
    order = ["Crop Land", "Forest", "Water Body"]
    numbers = {
        "item": ITEMS,
        "label": [order.index(n) for n in LABELS],
        "prediction": [order.index(n) for n in predicted],
    }
    one = read(write(tmp_path / f"a{suffix}", names), tmp_path / "a")
    other = read(write(tmp_path / f"b{suffix}", numbers), tmp_path / "b", classes=tuple(order))
    assert table(one) == table(other)
    assert table(one)["logits"] == [[]] * 4
    assert table(one)["prediction"] == [1, 0, 1, 0]
    assert one.facts == {"classes": order, "count": 4, "read": "prediction"}
    plain = read(write(tmp_path / f"c{suffix}", numbers), tmp_path / "c")
    assert plain.facts["classes"] == ["0", "1", "2"]


def test_logits_are_kept_and_columns_may_have_other_names(tmp_path: Path) -> None:
    columns = {
        "name": ITEMS,
        "truth": [1, 0, 1, 1],
        "z_0": [1.5, 2, -1, 0],
        "z_1": [0.5, 1, 1, 0.25],
        "scene": [7, 7, 8, 8],
    }
    made = read(
        write(tmp_path / "own.csv", columns), tmp_path / "a",
        item="name", label="truth", logits="z_{class}", cluster="scene",
    )  # fmt: skip
    assert table(made) == {
        "item": ITEMS,
        "label": [1, 0, 1, 1],
        "logits": [[1.5, 0.5], [2.0, 1.0], [-1.0, 1.0], [0.0, 0.25]],
        "cluster": ["7", "7", "8", "8"],
    }


def test_decimals_of_a_database_are_numbers(tmp_path: Path) -> None:
    columns: dict[str, list[Any]] = {"item": ITEMS, "label": [0, 1, 1, 0]}
    halves = [Decimal("0.25"), Decimal("0.5"), Decimal("0.75"), Decimal(1)]
    columns |= {"probabilities.0": halves, "probabilities.1": [1 - p for p in halves]}
    made = read(write(tmp_path / "own.parquet", columns), tmp_path / "a")
    assert table(made)["logits"][1] == pytest.approx([math.log(0.5)] * 2)


def test_digits_are_names_where_a_class_is_called_so(tmp_path: Path) -> None:
    columns = {"item": ITEMS, "label": ["1", "2", "3", "2"], "prediction": ["1", "2", "2", "2"]}
    file = write(tmp_path / "own.csv", columns)
    assert table(read(file, tmp_path / "a", classes=("1", "2", "3")))["label"] == [0, 1, 2, 1]
    assert table(read(file, tmp_path / "b"))["label"] == [1, 2, 3, 2]
    in_json = write(tmp_path / "own.jsonl", {**columns, "label": [0, 1, 2, 1]})
    assert table(read(in_json, tmp_path / "c", classes=("1", "2", "3")))["label"] == [0, 1, 2, 1]


def test_the_classes_that_a_data_set_declares_are_taken(tmp_path: Path) -> None:
    rows = [
        {"item": i, "label": n, "logits": [0.0, 1.0, n]} for i, n in zip(ITEMS, (2, 0, 1, 1), strict=True)
    ]
    features = {"label": {"names": ["b", "a", "c"], "_type": "ClassLabel"}}
    made = read(hub_parquet(tmp_path / "own.parquet", rows, features), tmp_path / "a")
    assert made.facts["classes"] == ["b", "a", "c"]
    assert table(made)["label"] == [2, 0, 1, 1]


@pytest.mark.proves("predictions.read", "seed seed_column")
def test_the_seed_chooses_the_rows(tmp_path: Path) -> None:
    columns = {
        "item": ["a", "b", "a", "b"], "label": ["x", "y"] * 2, "prediction": ["x", "x", "y", "y"],
        "run": [0, 0, 5, 5],
    }  # fmt: skip
    file = write(tmp_path / "own.csv", columns)
    made = [read(file, tmp_path / str(s), seed_column="run", seed=s) for s in (0, 5)]
    assert [table(m)["prediction"] for m in made] == [[0, 0], [1, 1]]
    with pytest.raises(StageError, match=r"own\.csv: no row with run 1, only 0, 5"):
        read(file, tmp_path / "c", seed_column="run", seed=1)
    with pytest.raises(StageError, match=r"own\.csv:4: the item 'a' a second time, first at .*own\.csv:2"):
        read(file, tmp_path / "d")


def test_a_folder_may_hold_the_one_table(tmp_path: Path) -> None:
    columns = {"item": ITEMS, "label": LABELS, "prediction": LABELS}
    (tmp_path / "out").mkdir()
    write(tmp_path / "out" / "own.csv", columns)
    (tmp_path / "out" / "log.txt").write_text("done")
    assert read(tmp_path / "out", tmp_path / "a").facts["count"] == 4
    write(tmp_path / "out" / "more.jsonl", columns)
    with pytest.raises(StageError, match="2 tables"):
        read(tmp_path / "out", tmp_path / "b")


GOOD = {"item": ITEMS, "label": LABELS, "prediction": LABELS}
LOGITS = {"item": ITEMS, "label": [0, 1, 0, 1], "logits": [[0.0, 1.0]] * 4}


@pytest.mark.parametrize(
    ("columns", "parameters", "told"),
    [
        ({**GOOD, "item": ["a", "b", "b", "c"]}, {}, "FILE:4: the item 'b' a second time, first at FILE:3"),
        ({**GOOD, "item": ["a", "", "b", "c"]}, {}, "FILE:3: item is '', expected the name of the item"),
        ({**GOOD, "label": ["Forest", "", "Forest", "x"]}, {}, "FILE:3: label is '', expected a class"),
        (
            GOOD,
            {"classes": ("Forrest", "Crop Land", "Water Body")},
            "FILE:2: label is 'Forest', which is none of the classes; did you mean 'Forrest'?",
        ),
        (GOOD, {"label": "lable"}, "FILE:2: no 'lable', only item, label, prediction; did you mean 'label'?"),
        (
            GOOD,
            {"prediction": "predicted"},
            "FILE:2: no 'predicted', only item, label, prediction; did you mean 'prediction'?",
        ),
        (GOOD, {"cluster": "scene"}, "FILE:2: no 'scene', only item, label, prediction"),
        (GOOD, {"classes": ("a", "a")}, "classes: the class 'a' stands twice"),
        (GOOD, {"classes": ()}, "classes: expected the names of the classes"),
        (
            {**GOOD, "logits": [[1.0]] * 4},
            {},
            "FILE:2: prediction and logits; name the one to read, as in prediction: prediction",
        ),
        (GOOD, {"prediction": "prediction", "logits": "logits"}, "prediction and logits are both set"),
        (
            {"item": ITEMS, "label": LABELS},
            {},
            "FILE:2: none of prediction, logits, probabilities, only item, label; name",
        ),
        (
            {**GOOD, "label": ["0", "1", "2", "Forest"]},
            {},
            "FILE:2: the class is 0, others are names ('Crop Land')",
        ),
        ({k: [] for k in GOOD}, {}, "FILE: no rows"),
        ({**LOGITS, "label": [0, 1, 2, 1]}, {}, "FILE:4: label is 2, but there are 2 classes"),
        ({**LOGITS, "label": [0, 1, -1, 1]}, {}, "FILE:4: label is '-1', expected a class"),
        ({**GOOD, "label": ["a", "nan", "a", "a"]}, {}, "FILE:3: label is 'nan', expected a class"),
        (
            {**LOGITS, "logits": [[0.0, 1.0], [0.0], [0.0, 1.0], [0.0, 1.0]]},
            {},
            "FILE:3: logits has 1 values for 2 classes",
        ),
        (
            {**LOGITS, "logits": [[0.0, 1.0], "0.5 0.1", [0.0, 1.0], [0.0, 1.0]]},
            {},
            "FILE:3: logits is '0.5 0.1', expected a list like [0.2, 0.8]",
        ),
        (
            {**LOGITS, "logits": [[0.0, 1.0], "[NaN, 1]", [0.0, 1.0], [0.0, 1.0]]},
            {},
            "FILE:3: logits is '[NaN, 1]', expected a list",
        ),
        (
            {**LOGITS, "logits": [[0.0, 1.0], [1e39, 0.0], [0.0, 1.0], [0.0, 1.0]]},
            {},
            "FILE:3: 1e+39 is too large for a logit",
        ),
        (
            {**LOGITS, "label": ["a", "b", "a", "b"]},
            {},
            "FILE:2: label is 'a'; the order of the values in 'logits' is not in the file",
        ),
        (
            {"item": ITEMS, "label": LABELS, "logits.a": [1.0] * 4, "logits.b": ["nan"] * 4},
            {"classes": ("a", "b")},
            "FILE:2: label is 'Forest', which is none",
        ),
        (
            {"item": ITEMS, "label": ["a"] * 4, "logits.a": [1.0] * 4, "logits.b": ["nan"] * 4},
            {},
            "FILE:2: logits.b is nan, expected a finite number",
        ),
        (
            {"item": ITEMS, "label": ["a"] * 4, "logits.a": [1.0] * 4, "logits.b": ["x"] * 4},
            {},
            "FILE:2: logits.b is 'x', expected a number",
        ),
        (
            {"item": ITEMS, "label": ["a"] * 4, "logits.a": [1.0] * 4, "logits.c": [1.0] * 4},
            {"classes": ("a",)},
            "FILE:2: the column 'logits.c' is of none of the classes",
        ),
        (
            {"item": ITEMS, "label": ["a"] * 4, "logits.a": [1.0] * 4},
            {"classes": ("a", "b")},
            "FILE:2: no 'logits.b'",
        ),
        (
            {"item": ITEMS, "label": ["forêt"] * 4, "prediction": ["fore\u0302t"] * 4},
            {"classes": ("forêt", "lac")},
            r"FILE:2: prediction is 'fore\u0302t', and the class is 'for\xeat': write both in one way",
        ),
        (GOOD, {"logits": "{class}"}, "'{class}' could be any column; name the classes"),
        (GOOD, {"logits": "z_{class}"}, "FILE:2: no column like 'z_{class}'"),
        (GOOD, {"prediction": "p_{class}"}, "a prediction is one column"),
        ({**GOOD, "run": [0, 0, "x", 0]}, {"seed_column": "run"}, "FILE:4: run is 'x', expected a seed"),
    ],
)
def test_each_fault_is_one_line_with_file_and_row(
    tmp_path: Path, columns: dict[str, list[Any]], parameters: dict[str, Any], told: str
) -> None:
    assert told in refused(tmp_path, columns, **parameters)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ([0.5, 0.6], "FILE row 1: probabilities that sum to 1.1, expected 1 within 0.001 (1 of 4 items)"),
        ([1.2, -0.2], "FILE row 1: a probability of 1.2; are these logits?"),
        ([float("nan"), 1.0], "FILE row 1: probabilities is nan, expected a finite number"),
        ([None, 1.0], "FILE row 1: probabilities is None, expected a number"),
        ([], "FILE row 1: probabilities is [], expected a list"),
        (None, "FILE row 1: probabilities is None, expected a list"),
    ],
)
def test_probabilities_that_are_none_are_refused(tmp_path: Path, row: Any, told: str) -> None:
    columns = {**LOGITS, "probabilities": [[0.5, 0.5], row, [1.0, 0.0], [0.4996, 0.4996]]}
    del columns["logits"]
    assert told in refused(tmp_path, columns, ".parquet")


def test_items_whose_prediction_depends_on_rounding_are_counted(tmp_path: Path) -> None:
    columns = {**LOGITS, "logits": [[1.0, 1.0 + 1e-12], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]]}
    made = read(write(tmp_path / "own.jsonl", columns), tmp_path / "a")
    assert made.facts["ties_by_rounding"] == 1


@pytest.mark.proves("predictions.read", "source item label prediction logits probabilities cluster classes")
@pytest.mark.parametrize(
    "change",
    [
        {"item": "b"}, {"label": "b"}, {"prediction": "b"}, {"logits": "l"}, {"probabilities": "p"},
        {"cluster": "b"}, {"classes": ("y", "x")}, {"source": "other"},
    ],
    ids=str,
)  # fmt: skip
def test_every_parameter_changes_what_is_read(tmp_path: Path, change: dict[str, Any]) -> None:
    columns = {
        "a": ["x", "y"], "b": ["y", "x"], "item": ["1", "2"], "label": ["x", "y"],
        "l": [[0.0, 3.0]] * 2, "p": [[0.25, 0.75]] * 2,
    }  # fmt: skip
    write(tmp_path / "own.jsonl", columns)
    write(tmp_path / "other.jsonl", {**columns, "label": ["y", "y"]})
    plain: dict[str, Any] = {"prediction": "a", "classes": ("x", "y")}
    changed = {n: v for n, v in {**plain, **change}.items() if n != "source"}
    if "logits" in change or "probabilities" in change:
        del changed["prediction"]
    before = read(tmp_path / "own.jsonl", tmp_path / "1", **plain)
    after = read(tmp_path / f"{change.get('source', 'own')}.jsonl", tmp_path / "2", **changed)
    assert table(before) != table(after)


def write_seeds(folder: Path, right: float) -> None:
    (folder / "out").mkdir(exist_ok=True)
    for seed in range(3):
        rng = np.random.default_rng([seed, round(right * 100)])
        labels = [CLASSES[i % 3] for i in range(60)]
        predicted = [label if rng.random() < right else CLASSES[0] for label in labels]
        columns = {"item": [f"{i}.png" for i in range(60)], "label": labels, "prediction": predicted}
        write(folder / "out" / f"seed-{seed}.csv", columns)


def test_a_team_that_trains_elsewhere_gets_verdicts_about_its_recipe(project: Project) -> None:
    write_suite(project.folder, BY_SEED, "own.yaml")
    write_seeds(project.folder, 0.9)
    assert project.harness("run", "own").code == 4
    project.accept("own")
    write_seeds(project.folder, 0.91)
    assert project.harness("run", "own").code == 0
    assert project.states() == {"predictions": {"executed"}, "accuracy": {"executed"}}
    write_seeds(project.folder, 0.3)
    said = project.harness("run", "own")
    assert said.code == 6
    (finding,) = (f for f in project.latest["comparison"]["findings"] if f["gated"])
    assert finding["verdict"] == "regressed"
    assert finding["claim"]["text"] == "the recipe of `predictions`"
    assert "verdicts are about the recipe of `predictions`" in said.out


def test_a_loss_of_predictions_without_logits_is_refused_in_one_line(project: Project) -> None:
    write_suite(project.folder, BY_SEED.replace("accuracies", "scores"), "own.yaml")
    write_seeds(project.folder, 0.9)
    said = project.harness("run", "own")
    assert said.code == 5
    assert "0.png: 0 logits for 3 classes" in said.out + said.err
    assert "Traceback" not in said.out + said.err
