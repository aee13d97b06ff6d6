"""Feature vectors on disk: what is written is read, and nothing is compared that cannot be."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.artifact import Features
from harness.errors import StageError
from harness.formats.features import Writer, chunks, pair, read

pytestmark = pytest.mark.numeric


def written(
    folder: Path, values: np.ndarray, extractor: str = "sha256:one", network: str = "torchvision:resnet18"
) -> Features:
    folder.mkdir()
    with Writer(folder, values.shape[1], extractor) as out:
        out.add([f"{i}.png" for i in range(len(values))], [None] * len(values), values)
    return out.features({"network": network})


def noise(count: int, dim: int = 5) -> np.ndarray:
    return np.random.default_rng(count).normal(size=(count, dim)).astype(np.float32)


@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=6), dim=st.integers(1, 9))
def test_what_is_written_batch_by_batch_is_read_whole(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], dim: int
) -> None:
    values, folder, start = noise(sum(sizes), dim), tmp_path_factory.mktemp("features"), 0
    labels = [("lake", None, "Forêt")[i % 3] for i in range(len(values))]
    with Writer(folder, dim, "sha256:one") as out:
        for size in sizes:
            part = slice(start, start + size)
            out.add([f"é{i}.png" for i in range(start, start + size)], labels[part], values[part])
            start += size
    vectors = read(out.features({"network": "timm:resnet18"}))
    assert np.array_equal(vectors.values, values)
    assert vectors.items == [f"é{i}.png" for i in range(len(values))]
    assert vectors.labels == labels
    assert (vectors.count, vectors.dim, vectors.extractor) == (sum(sizes), dim, "sha256:one")
    assert np.array_equal(np.load(folder / "features.npy"), values), "not a file of NumPy's"


def test_values_stay_on_disk_while_they_are_checked(tmp_path: Path) -> None:
    """64 MB on each side; only a part of one is looked at at any time."""
    features = written(tmp_path / "a", noise(8000, 2048))
    tracemalloc.start()
    real, generated = pair(features, features)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(real.values, np.memmap)
    assert not real.values.flags.writeable
    assert generated.count == 8000
    assert peak < 2**24


def test_chunks_cover_every_row_once() -> None:
    values = noise(5000, 2048)
    found = list(chunks(values))
    assert len(found) > 1
    assert np.array_equal(np.concatenate([rows for _, rows in found]), values)
    assert all(np.array_equal(values[start], rows[0]) for start, rows in found)


def test_features_of_two_extractors_are_not_compared(tmp_path: Path) -> None:
    one = written(tmp_path / "one", noise(4))
    other = written(tmp_path / "other", noise(4), "sha256:other", network="inception-v3:2048")
    expected = (
        r"torchvision:resnet18 \(one, 5 features\) \(real\) against inception-v3:2048 \(other, 5 features\)"
    )
    with pytest.raises(StageError, match=expected):
        pair(one, other)
    with pytest.raises(StageError, match=r"5 features\) \(real\) against .* 6 features\) \(generated\)"):
        pair(one, written(tmp_path / "wide", noise(4, 6)))
    assert pair(one, one)[0].count == 4


def test_a_single_vector_is_too_few(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="1 generated feature vectors; at least 2 are needed"):
        pair(written(tmp_path / "two", noise(2)), written(tmp_path / "one", noise(1)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_named(tmp_path: Path, value: float) -> None:
    whole, broken = noise(6), noise(6)
    broken[4, 2] = value
    with pytest.raises(StageError, match=r"4\.png: features that are not finite numbers"):
        written(tmp_path / "refused", broken)
    features = written(tmp_path / "edited", whole)
    np.save(features.path / "features.npy", broken)
    with pytest.raises(StageError, match=r"real features of 4\.png: values that are not finite"):
        pair(features, features)


def test_damaged_files_are_refused_in_one_line(tmp_path: Path) -> None:
    short = written(tmp_path / "short", noise(3))
    (short.path / "metadata.jsonl").write_text('{"item": "0.png"}\n')
    with pytest.raises(StageError, match=r"float32 of shape \(3, 5\) for 1 items"):
        read(short)
    torn = written(tmp_path / "torn", noise(3))
    (torn.path / "features.npy").write_bytes((torn.path / "features.npy").read_bytes()[:-4])
    with pytest.raises(StageError, match="not readable as features"):
        read(torn)
    pickled = written(tmp_path / "pickled", noise(3))
    np.save(pickled.path / "features.npy", np.array([{}, {}, {}], dtype=object), allow_pickle=True)
    with pytest.raises(StageError, match="not readable as features"):
        read(pickled)
    wide = written(tmp_path / "wide", noise(3))
    np.save(wide.path / "features.npy", noise(3).astype(np.float64))
    with pytest.raises(StageError, match="float64 of shape"):
        read(wide)
