"""Features that were extracted elsewhere: every form gives the same vectors, and one line for each fault."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from image_files import source
from jobs import FolderJob

from harness.artifact import Features
from harness.errors import StageError
from harness.formats.features import read as stored
from harness.stages.metrics import features, frechet

NAMES = ["a.png", "b.png", "c.png"]
VALUES = np.random.default_rng(0).normal(size=(3, 4))


def write(folder: Path, names: str = "names.txt", values: Any = VALUES, items: list[str] = NAMES) -> Path:
    folder.mkdir()
    np.save(folder / "features.npy", values)
    lines = {
        "names.txt": items,
        "names.csv": ["item,kind", *(f"{n},x" for n in items)],
        "metadata.jsonl": [json.dumps({"item": n, "file_name": f"{n}!", "kind": "x"}) for n in items],
    }[names]
    (folder / names).write_text("\n".join(lines) + "\n")
    return folder


def read(place: Path, job: Path, **parameters: Any) -> Features:
    return features.read(source=source(place), job=FolderJob(job), **{"extractor": "mine", **parameters})


def test_every_form_has_the_same_vectors(tmp_path: Path) -> None:
    table = pa.table({"item": NAMES, "features": VALUES.tolist(), "kind": ["x"] * 3})
    pq.write_table(table, tmp_path / "own.parquet")
    places = [write(tmp_path / str(i), n) for i, n in enumerate(("names.txt", "names.csv", "metadata.jsonl"))]
    made = [read(p, tmp_path / f"job{i}") for i, p in enumerate([*places, tmp_path / "own.parquet"])]
    for one in made:
        vectors = stored(one)
        assert (vectors.items, vectors.labels, vectors.extractor) == (NAMES, [None] * 3, "mine")
        np.testing.assert_array_equal(vectors.values, VALUES.astype(np.float32))
    labelled = read(tmp_path / "own.parquet", tmp_path / "labelled", label="kind")
    assert stored(labelled).labels == ["x"] * 3


def test_distances_are_those_of_the_vectors_and_extractors_must_agree(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=(64, 2))
    items = [f"{i}.png" for i in range(64)]
    one = read(write(tmp_path / "1", values=values, items=items), tmp_path / "a")
    other = read(write(tmp_path / "2", values=values + np.array([3, 4]), items=items), tmp_path / "b")
    assert frechet.distance(one, other).distance == pytest.approx(25, rel=1e-4)
    third = read(tmp_path / "2", tmp_path / "c", extractor="another")
    with pytest.raises(StageError, match="features of different extractors: mine"):
        frechet.distance(one, third)


@pytest.mark.proves("features.read", "source extractor item label features")
@pytest.mark.parametrize(
    "change",
    [{"source": "other"}, {"extractor": "b"}, {"item": "kind"}, {"label": "kind"}, {"features": "more"}],
    ids=str,
)
def test_every_parameter_changes_what_is_read(tmp_path: Path, change: dict[str, Any]) -> None:
    columns = {
        "item": NAMES,
        "features": VALUES.tolist(),
        "kind": ["x", "y", "z"],
        "more": VALUES[::-1].tolist(),
    }
    pq.write_table(pa.table(columns), tmp_path / "own.parquet")
    pq.write_table(pa.table({**columns, "item": ["d", "e", "f"]}), tmp_path / "other.parquet")
    changed = {n: v for n, v in change.items() if n != "source"}
    before = stored(read(tmp_path / "own.parquet", tmp_path / "1"))
    after = stored(read(tmp_path / f"{change.get('source', 'own')}.parquet", tmp_path / "2", **changed))
    sides = [(v.items, v.labels, v.extractor, v.values.tolist()) for v in (before, after)]
    assert sides[0] != sides[1]


def broken(folder: Path, fault: str) -> Path:
    match fault:
        case "fewer names":
            write(folder, items=NAMES[:2])
        case "twice":
            write(folder, items=["a.png", "b.png", "a.png"])
        case "not finite":
            write(folder, values=np.array([[1.0], [np.nan], [1.0]]))
        case "too large":
            write(folder, values=np.array([[1.0], [1e39], [1.0]]))
        case "shape":
            write(folder, values=np.zeros(3))
        case "empty":
            write(folder, values=np.zeros((0, 3)), items=[])
        case "pickle":
            write(folder, values=np.array([[{}]], dtype=object))
        case "no names":
            (write(folder) / "names.txt").unlink()
        case "two names":
            (write(folder) / "names.csv").write_text("item\n")
        case "npz":
            np.savez(write(folder) / "x.npz", a=VALUES)
            (folder / "x.npz").rename(folder / "features.npy")
        case "no array":
            (write(folder) / "features.npy").write_bytes(b"")
        case "encoding":
            (write(folder) / "names.txt").write_bytes(b"a\nb\xff\nc\n")
    return folder


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("fewer names", "names.txt: 2 names for 3 vectors in features.npy"),
        ("twice", "names.txt:3: the item 'a.png' a second time, first at "),
        ("not finite", "names.txt:2: features that are not finite numbers"),
        ("too large", "names.txt:2: features that are not finite numbers"),
        ("shape", "features.npy: float64 of shape (3,); expected numbers, N × D"),
        ("empty", "features.npy: shape (0, 3); there is no vector"),
        ("pickle", "features.npy: cannot be read as a NumPy array (Array can"),
        ("no names", "expected a file with names (.txt, .csv, .jsonl, .ndjson), and one only, not none"),
        ("two names", "and one only, not names.csv, names.txt"),
        ("npz", "features.npy: several arrays; expected one"),
        ("no array", "features.npy: cannot be read as a NumPy array"),
        ("encoding", "names.txt:2: not UTF-8 (byte 0xff)"),
    ],
)
def test_each_fault_is_one_line(tmp_path: Path, fault: str, told: str) -> None:
    with pytest.raises(StageError) as e:
        read(broken(tmp_path / "own", fault), tmp_path / "a")
    assert told in str(e.value)
    assert "\n" not in str(e.value)


def test_vectors_of_other_lengths_in_a_table_are_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"item": ["a", "b"], "features": [[1.0, 2.0], [1.0]]}), tmp_path / "own.parquet")
    with pytest.raises(StageError, match=r"own\.parquet row 1: 1 features, the first row has 2"):
        read(tmp_path / "own.parquet", tmp_path / "a")
    with pytest.raises(StageError, match=r"own\.parquet row 0: no 'vector', only item, features"):
        read(tmp_path / "own.parquet", tmp_path / "b", features="vector")
    with pytest.raises(StageError, match=r"names\.txt: a text file has no columns"):
        read(write(tmp_path / "own"), tmp_path / "c", label="kind")
