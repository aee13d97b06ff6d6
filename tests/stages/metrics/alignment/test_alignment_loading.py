"""Dual encoders from elsewhere: CLIP and SigLIP as transformers saves them, and everything that is not."""

import json
import os
import shutil

import numpy as np
import pytest
from image_files import source
from jobs import FolderJob
from safetensors.numpy import load_file, save_file
from tiny_alignment import fields, same, train, weights_of
from tiny_pipeline import tiny_tokenizer

from harness.errors import StageError
from harness.stages.metrics import alignment

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return tiny_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return fields(tmp_path_factory.mktemp("images") / "fields")


@pytest.fixture(scope="module")
def trained(images, tokenizer, tmp_path_factory):
    return train(images, tokenizer, tmp_path_factory.mktemp("trained"))


@pytest.fixture
def copy(trained, tmp_path):
    return shutil.copytree(trained.path, tmp_path / "copy")


def load(folder, root):
    return alignment.load(source=source(folder), job=FolderJob(root))


@pytest.mark.proves("alignment.load", "source")
def test_a_stored_model_is_loaded_and_scores_the_same(images, tokenizer, trained, tmp_path):
    loaded = load(trained.path, tmp_path / "load")
    assert same(weights_of(loaded), weights_of(trained))
    assert loaded.facts == {
        "architecture": "clip",
        "parameters": trained.facts["parameters"],
        "size": 32,
        "tokens": 77,
    }
    scores = [
        alignment.score(images, m, job=FolderJob(tmp_path / n)) for n, m in (("a", trained), ("b", loaded))
    ]
    assert scores[0] == scores[1]
    source = train(images, tokenizer, tmp_path / "other", seed=1)
    assert not same(weights_of(load(source.path, tmp_path / "changed")), weights_of(loaded))


def test_half_precision_weights_are_computed_in_fp32(copy, images, tmp_path):
    weights = {
        name: tensor.astype(np.float16) for name, tensor in load_file(copy / "model.safetensors").items()
    }
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    loaded = load(copy, tmp_path / "load")
    assert {tensor.dtype for tensor in weights_of(loaded).values()} == {np.dtype(np.float32)}
    assert alignment.score(images, loaded, job=FolderJob(tmp_path / "score")).conditions == {"n": 16}


def test_siglip_is_a_dual_encoder_too(images, tokenizer, tmp_path):
    from transformers import CLIPTokenizer, SiglipConfig, SiglipImageProcessor, SiglipModel, SiglipProcessor

    words = CLIPTokenizer.from_pretrained(tokenizer.path)
    tower = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = SiglipConfig(
        text_config={**tower, "vocab_size": len(words), "max_position_embeddings": 24},
        vision_config={**tower, "image_size": 32, "patch_size": 16},
    )
    SiglipModel(config).save_pretrained(tmp_path / "siglip")
    shaper = SiglipImageProcessor(size={"height": 32, "width": 32})
    SiglipProcessor(shaper, words).save_pretrained(tmp_path / "siglip")

    model = load(tmp_path / "siglip", tmp_path / "load")
    scores = alignment.score(images, model, job=FolderJob(tmp_path / "score"))

    assert model.facts["architecture"] == "siglip"
    assert scores.details["tokens"] == 24
    assert -1 <= scores.alignment <= 1


def lose(folder):
    weights = load_file(folder / "model.safetensors")
    del weights["visual_projection.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def poison(folder):
    weights = load_file(folder / "model.safetensors")
    weights["visual_projection.weight"][0, 0] = np.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def configure(folder, **changed):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changed))


def narrow(folder):
    processor = json.loads((folder / "processor_config.json").read_text())
    processor["image_processor"]["crop_size"] = {"height": 16, "width": 16}
    (folder / "processor_config.json").write_text(json.dumps(processor))


def extend(folder):
    from transformers import CLIPTokenizer

    words = CLIPTokenizer.from_pretrained(folder)
    words.add_tokens(["supercalifragilistic"])
    words.save_pretrained(folder)


FAULTS = {
    "no config": (
        lambda f: (f / "config.json").unlink(),
        r"no config\.json in .*; expected a CLIP or SigLIP model's folder",
    ),
    "torn config": (lambda f: os.truncate(f / "config.json", 30), r"config\.json cannot be read"),
    "a list": (lambda f: (f / "config.json").write_text("[]"), r"config\.json cannot be read"),
    "other model": (
        lambda f: configure(f, model_type="clap"),
        r"a CLIPModel of transformers \(model_type clap\); expected clip or siglip$",
    ),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "no safetensors"),
    "pickle": (
        lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"),
        r"pytorch_model\.bin is a pickle.*convert it.*python -c .*save_pretrained\('copy-safe'\)",
    ),
    "torn weights": (
        lambda f: os.truncate(f / "model.safetensors", 5000),
        "cannot be opened as an image-text",
    ),
    "weight lost": (lose, r"no weights for visual_projection\.weight \(1 tensors\)"),
    "not finite": (poison, r"visual_projection\.weight has \d+ of \d+ values that are not finite"),
    "other width": (lambda f: configure(f, projection_dim=16), "cannot be opened as an image-text"),
    "no words": (
        lambda f: (f / "tokenizer.json").unlink(),
        r"no tokenizer; expected tokenizer\.json, or merges",
    ),
    "no shaper": (lambda f: (f / "processor_config.json").unlink(), "cannot be opened as an image-text"),
    "new word": (extend, r"the tokenizer has \d+ tokens, the text tower knows \d+"),
    "other images": (narrow, r"does not take an image and a sentence \(Input image size \(16\*16\)"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_folder_that_is_no_usable_model_is_refused(copy, tmp_path, fault):
    spoil, message = FAULTS[fault]
    spoil(copy)
    with pytest.raises(StageError, match=message) as refused:
        load(copy, tmp_path / "load")
    assert "\n" not in str(refused.value)


def test_code_that_comes_with_a_model_is_not_run(copy, tmp_path):
    mark = tmp_path / "run"
    (copy / "own.py").write_text(f"open({str(mark)!r}, 'w')\nclass Own: pass\n")
    configure(copy, auto_map={"AutoConfig": "own.Own", "AutoModel": "own.Own"})
    for name in ("processor_config.json", "tokenizer_config.json"):
        found = json.loads((copy / name).read_text())
        found["auto_map"] = {"AutoProcessor": "own.Own", "AutoTokenizer": ["own.Own", None]}
        (copy / name).write_text(json.dumps(found))
    load(copy, tmp_path / "load")
    assert not mark.exists()
