"""Folders of weights that name files outside of them."""

import json
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.sources.content import DigestCache
from harness.sources.hub import Source
from harness.sources.resolve import resolve


def found(folder: Path) -> Source:
    source = Source.from_text(f"path:{folder}")
    return resolve(source, mirror=None, cache=DigestCache(folder.parent / "cache"), download=False)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "unet").mkdir(parents=True)
    (folder / "unet" / "part.safetensors").write_bytes(b"weights")
    (tmp_path / "other").write_bytes(b"of somebody else")
    return folder


@pytest.mark.parametrize("named", ["../../other", "../../model2/x.safetensors", "/etc/hostname"])
def test_shards_outside_are_refused(model: Path, named: str) -> None:
    index = model / "unet" / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "part.safetensors", "b": named}}))
    with pytest.raises(UsageError, match="which is outside of") as caught:
        found(model)
    assert named in str(caught.value)


@pytest.mark.parametrize("named", ["part.safetensors", "../unet/part.safetensors", "not-downloaded.bin"])
def test_shards_inside_are_not(model: Path, named: str) -> None:
    index = model / "unet" / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": named}}))
    assert found(model).found is not None


def test_a_vocabulary_elsewhere_is_refused_where_there_is_one(model: Path, tmp_path: Path) -> None:
    file = model / "tokenizer_config.json"
    file.write_text(json.dumps({"vocab_file": "/home/author/vocab.json", "merges_file": None}))
    assert found(model).found is not None
    (model / "vocab.json").write_text("{}")
    file.write_text(json.dumps({"vocab_file": str(model / "vocab.json")}))
    assert found(model).found is not None
    file.write_text(json.dumps({"vocab_file": str(tmp_path / "other")}))
    with pytest.raises(UsageError, match="which is outside of"):
        found(model)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"weight_map": 3}'])
def test_damage_is_left_to_the_reader(model: Path, content: str) -> None:
    (model / "model.safetensors.index.json").write_text(content)
    assert found(model).found is not None
