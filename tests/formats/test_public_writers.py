"""Readers and writers for stages of other packages: what is written is read again, and damage is one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from harness.artifact import Captions, Texts
from harness.errors import StageError
from harness.formats import captions, data_set, encoded_prompts, texts
from harness.formats.encoded_prompts import Encoded
from harness.formats.image_folder import rows
from harness.formats.texts import Text
from harness.sources.parquet_set import ParquetSet
from harness.stages.metrics import repetition


def test_captions_are_read_as_those_of_an_image_folder(tmp_path: Path) -> None:
    captions.write(tmp_path, {"a.png": ["a lake", "ein See"], "b.png": ["a tówn"]}, {"b.png": "town"})
    found = list(rows(Captions(tmp_path)))
    assert [(r.name, r.captions, r.label) for r in found] == [
        ("a.png", ("a lake", "ein See"), None),
        ("b.png", ("a tówn",), "town"),
    ]
    with pytest.raises(StageError, match=r"c\.png: no caption"):
        captions.write(tmp_path, {"c.png": []})


def test_texts_are_read_again_and_by_the_metric(tmp_path: Path) -> None:
    given = [Text("a lake", 0, "is wide is wide is wide", 6), Text("a town", 1, "", 0)]
    texts.write(tmp_path, given)
    assert texts.read(tmp_path) == given
    assert repetition.rate(Texts(tmp_path), n=2).rate > 0.5
    (tmp_path / "metadata.jsonl").write_text('{"prompt": "a lake", "text": "is wide"}\n')
    with pytest.raises(StageError, match=r"metadata\.jsonl:1: not a text"):
        texts.read(tmp_path)


def test_encoded_prompts_are_read_again(tmp_path: Path) -> None:
    lines = [{"file_name": f"{i}.png", "captions": ["a lake"], "row": i % 2} for i in range(3)]
    values = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    encoded_prompts.write(tmp_path, Encoded(lines, values, values[:1]))
    found = encoded_prompts.read(tmp_path)
    assert found.rows == lines
    assert (found.prompts == values).all()
    assert found.negative.shape == (1, 3, 2)


@pytest.mark.parametrize("row", [2, -1, None, True, "0"])
def test_a_row_without_its_embedding_is_refused(tmp_path: Path, row: object) -> None:
    values = np.zeros((2, 3, 2), np.float32)
    line = {"file_name": "0.png", "captions": ["a lake"], "row": row}
    with pytest.raises(StageError, match=r"0\.png: row is .*; expected an index into 2 prompts"):
        encoded_prompts.write(tmp_path, Encoded([line], values, values[:1]))  # type: ignore[list-item]
    encoded_prompts.write(tmp_path, Encoded([], values, values[:1]))
    (tmp_path / "metadata.jsonl").write_text(json.dumps(line) + "\n")
    with pytest.raises(StageError, match=r"metadata\.jsonl:1: row is"):
        encoded_prompts.read(tmp_path)


def test_damaged_embeddings_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="cannot be read as encoded prompts"):
        encoded_prompts.read(tmp_path)
    (tmp_path / "embeddings.safetensors").write_bytes(b"{}")
    with pytest.raises(StageError, match=r"embeddings\.safetensors: cannot be read as encoded prompts"):
        encoded_prompts.read(tmp_path)


def test_a_data_set_is_read_again_and_found_by_its_split(tmp_path: Path) -> None:
    table = pa.table({"text": ["a lake", "a town"], "label": [0, 1]})
    data_set.write(tmp_path, table, "---\nlicense: cc-by-4.0\n---\n", split="test")
    assert data_set.read(tmp_path).equals(table)
    assert [f.name for f in ParquetSet.open(tmp_path).files("test")] == ["test-00000-of-00001.parquet"]
    assert (tmp_path / "README.md").read_text().startswith("---\nlicense")
    (tmp_path / "data" / "test-00000-of-00001.parquet").write_bytes(b"PAR1")
    with pytest.raises(StageError, match="not readable as a data set"):
        data_set.read(tmp_path)
    with pytest.raises(StageError, match=r"no data/\*\.parquet"):
        data_set.read(tmp_path / "nowhere")
