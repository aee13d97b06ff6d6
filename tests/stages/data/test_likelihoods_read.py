"""Likelihoods from tables: the perplexity that was computed elsewhere, and one line for each fault."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from image_files import source
from jobs import FolderJob

from harness.artifact import Likelihoods
from harness.errors import StageError
from harness.formats.likelihoods import read as stored
from harness.stages.data import likelihoods
from harness.stages.metrics import perplexity

ROWS = [
    {"item": "a:0", "document": "a", "tokens": 10, "bytes": 40, "nll": 21.5},
    {"item": "a:1", "document": "a", "tokens": 5, "bytes": 22, "nll": 9.25},
    {"item": "b:0", "document": "b", "tokens": 20, "bytes": 83, "nll": 50.0},
]


def write(file: Path, rows: list[dict[str, Any]]) -> Path:
    if file.suffix == ".csv":
        lines = [",".join(rows[0]), *(",".join(str(v) for v in row.values()) for row in rows)]
        file.write_text("\n".join(lines) + "\n")
    else:
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def read(file: Path, job: Path, **parameters: Any) -> Likelihoods:
    return likelihoods.read(source=source(file), job=FolderJob(job), **parameters)


@pytest.mark.parametrize("name", ["own.csv", "own.jsonl"])
def test_perplexity_is_that_of_all_tokens(tmp_path: Path, name: str) -> None:
    made = read(write(tmp_path / name, ROWS), tmp_path / "a", protocol="context=1024, stride=512")
    scores = perplexity.scores(made)
    assert scores.perplexity == pytest.approx(math.exp(80.75 / 35))
    assert scores.bits_per_byte == pytest.approx(80.75 / math.log(2) / 145)
    assert scores.details["name"] == "ppl[context=1024, stride=512]"
    assert scores.items is not None
    assert scores.items.cluster == ["a", "a", "b"]
    assert perplexity.per_byte(made).details["unknown_tokens"] is None


@pytest.mark.proves("likelihoods.read", "source item document tokens bytes nll protocol seed_column")
@pytest.mark.parametrize(
    "change",
    [
        {"item": "other"}, {"document": "other"}, {"tokens": "more"}, {"bytes": "more"}, {"nll": "more"},
        {"protocol": "stride=1"}, {"seed_column": "run"}, {"source": "own.csv"},
    ],
    ids=str,
)  # fmt: skip
def test_every_parameter_changes_what_is_read(tmp_path: Path, change: dict[str, Any]) -> None:
    rows = [{**row, "other": f"x{i}", "more": 7 + i, "run": i // 2} for i, row in enumerate(ROWS)]
    write(tmp_path / "own.jsonl", rows)
    write(tmp_path / "own.csv", rows[:2])
    before = read(tmp_path / "own.jsonl", tmp_path / "1")
    changed = {n: v for n, v in change.items() if n != "source"}
    after = read(tmp_path / change.get("source", "own.jsonl"), tmp_path / "2", **changed)
    assert (stored(before.path), before.facts) != (stored(after.path), after.facts)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"tokens": 0}, ":2: tokens is 0, expected a whole number, at least 1"),
        ({"tokens": 1.5}, ":2: tokens is 1.5, expected a whole number, at least 1"),
        ({"bytes": -1}, ":2: bytes is -1, expected a whole number, at least 0"),
        ({"nll": -3.5}, ":2: nll is -3.5; a negative log-likelihood is not below 0"),
        ({"nll": None}, ":2: nll is None, expected a number"),
        ({"nll": "inf"}, ":2: nll is inf, expected a finite number"),
        ({"item": "a:0"}, ":2: the item 'a:0' a second time"),
        ({"document": None}, ":2: document is None, expected the name of the document"),
    ],
)
def test_each_fault_is_one_line_with_file_and_row(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    file = write(tmp_path / "own.jsonl", [ROWS[0], {**ROWS[1], **change}, ROWS[2]])
    with pytest.raises(StageError) as e:
        read(file, tmp_path / "a")
    assert f"{file}{told}" in str(e.value)
