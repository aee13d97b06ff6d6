"""Extractors: everything that decides about features is in the digest, and every parameter decides."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jobs import FolderJob
from rounding import assert_same
from safetensors.torch import load_file, save_file
from tiny_land_cover import folder, found, three_folders, train

from harness.artifact import Classifier, Extractor, LabelledImages
from harness.errors import StageError
from harness.formats.features import read
from harness.sources.content import conversion
from harness.sources.hub import Found
from harness.stages.metrics import features
from harness.stages.metrics.features.families import Architecture
from harness.stages.metrics.features.networks import MODEL, Description, build
from harness.stages.systems import land_cover
from harness.stages.systems.land_cover.weights import Weights

pytestmark = pytest.mark.numeric

SQUEEZENET = Architecture.from_text("torchvision:squeezenet1_1")


def load(job: Path, **changed: Any) -> Extractor:
    settings: dict[str, Any] = {"architecture": SQUEEZENET, "weights": None, "size": 64} | changed
    return features.load(**settings, job=FolderJob(job))


def weights(file: Path, seed: int) -> Weights:
    torch.manual_seed(seed)
    save_file(build(SQUEEZENET, None).module.state_dict(), file)
    return found(Weights.from_text(f"path:{file}"))


def test_a_wrapped_checkpoint_is_loaded_after_the_command_that_converts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = weights(tmp_path / "plain.safetensors", seed=1)
    wrapped = {"state_dict": load_file(tmp_path / "plain.safetensors"), "epoch": 3}
    torch.save(wrapped, tmp_path / "model.pth")
    monkeypatch.chdir(tmp_path)
    _, _, code = shlex.split(conversion("model.pth", "made.safetensors"))
    exec(code)
    converted = found(Weights.from_text(f"path:{tmp_path / 'made.safetensors'}"))
    one, other = load(tmp_path / "a", weights=plain), load(tmp_path / "b", weights=converted)
    before, after = (load_file(made.path / MODEL) for made in (one, other))
    assert before.keys() == after.keys()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> LabelledImages:
    return folder(tmp_path_factory.mktemp("images") / "a", count=1, size=80)


@pytest.mark.proves("features.load", "architecture weights size resize normalisation")
@pytest.mark.parametrize(
    "changed",
    [
        {"architecture": Architecture.from_text("torchvision:squeezenet1_0")},
        {"weights": 1},
        {"size": 80},
        {"resize": "pil-bilinear"},
        {"resize": "pil-lanczos"},
        {"resize": "tensor-bilinear"},
        {"resize": "tensor-bicubic"},
        {"resize": "tensorflow-bilinear"},
        {"normalisation": "unit"},
        {"normalisation": "symmetric"},
        {"normalisation": "inception"},
        {"normalisation": "clip"},
    ],
    ids=lambda changed: "-".join(f"{k}" for k in changed),
)
def test_every_parameter_changes_the_features(
    images: LabelledImages, tmp_path: Path, changed: dict[str, Any]
) -> None:
    if "weights" in changed:
        changed = {"weights": weights(tmp_path / "other.safetensors", seed=changed["weights"])}
    one, other = load(tmp_path / "a"), load(tmp_path / "b", **changed)
    made = [
        read(features.extract(images, e, job=FolderJob(tmp_path / n))) for n, e in (("c", one), ("d", other))
    ]
    assert made[0].values.std() > 0
    assert not np.allclose(made[0].values, made[1].values, rtol=1e-6, atol=0)
    assert made[0].extractor != made[1].extractor


def test_own_is_what_it_stands_for(tmp_path: Path) -> None:
    own = load(tmp_path / "a")
    said = load(tmp_path / "b", resize="pil-bicubic", normalisation="imagenet")
    assert own.facts["extractor"] == said.facts["extractor"]
    assert load(tmp_path / "c", size=None).facts["size"] == 224


def test_random_weights_are_always_the_same_and_are_said_to_be_random(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    one = load(tmp_path / "a")
    assert torch.equal(torch.get_rng_state(), before), "the caller's randomness was used up"
    torch.rand(1)
    assert load(tmp_path / "b").facts["extractor"] == one.facts["extractor"]
    assert one.facts["weights"] == "random"
    assert one.facts["network"] == "torchvision:squeezenet1_1"


def test_the_weights_decide_about_the_digest_and_their_place_does_not(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    files = {"one": (tmp_path / "a.safetensors", 1), "same": (tmp_path / "elsewhere/b.safetensors", 1)}
    files["other"] = tmp_path / "c.safetensors", 2
    digest = {n: load(tmp_path / n, weights=weights(*f)).facts["extractor"] for n, f in files.items()}
    assert digest["one"] == digest["same"] != digest["other"]


def test_half_precision_weights_are_the_same_network_in_fp32(images: LabelledImages, tmp_path: Path) -> None:
    state = {n: t.half() for n, t in build(SQUEEZENET, None).module.state_dict().items()}
    save_file(state, tmp_path / "half.safetensors")
    extractor = load(
        tmp_path / "a", weights=found(Weights.from_text(f"path:{tmp_path / 'half.safetensors'}"))
    )
    kept = load_file(extractor.path / "model.safetensors")
    assert {t.dtype for t in kept.values()} == {torch.float32}
    assert all(torch.equal(kept[n], t.float()) for n, t in state.items())


def test_torchgeo_s_weights_have_pictures_between_0_and_1(tmp_path: Path) -> None:
    named = Weights.from_text("ResNet18_Weights.SENTINEL2_RGB_MOCO")
    architecture = Architecture.from_text("timm:resnet18")
    file = tmp_path / "moco.pth"
    torch.save(build(architecture, None).module.state_dict(), file)
    promised = Found(
        file, f"sha256:{named.source.inside.rpartition('-')[2].removesuffix('.pth')}", "mirror", None
    )
    moco = replace(named, source=replace(named.source, found=promised))
    extractor = load(tmp_path / "a", architecture=architecture, weights=moco)
    assert (extractor.facts["mean"], extractor.facts["std"]) == ([0, 0, 0], [255, 255, 255])
    plain = load(tmp_path / "b", architecture=architecture, weights=moco, normalisation="imagenet")
    assert plain.facts["mean"] == [123.675, 116.28, 103.53]


def test_weights_that_do_not_fit_are_refused_by_name(tmp_path: Path) -> None:
    file = weights(tmp_path / "squeezenet.safetensors", 0)
    with pytest.raises(
        StageError, match=r"squeezenet\.safetensors for timm:resnet18 does not fit: nothing for conv1"
    ):
        load(tmp_path / "a", architecture=Architecture.from_text("timm:resnet18"), weights=file)
    (tmp_path / "torn.safetensors").write_bytes(b"\x08")
    torn = found(Weights.from_text(f"path:{tmp_path / 'torn.safetensors'}"))
    with pytest.raises(StageError, match="not a readable safetensors file"):
        load(tmp_path / "b", weights=torn)


def test_a_damaged_description_is_one_line(tmp_path: Path) -> None:
    extractor = load(tmp_path / "a")
    assert Description.read(extractor.path).dim == 512
    (extractor.path / "extractor.json").write_text('{"dim": 3}')
    with pytest.raises(StageError, match=r"extractor\.json: not the description of an extractor"):
        Description.read(extractor.path)


@pytest.mark.slow
@pytest.mark.parametrize("crop", [None, 24])
def test_a_classifier_s_features_are_what_its_last_layer_classifies(tmp_path: Path, crop: int | None) -> None:
    import pyarrow.parquet as pq

    images = three_folders(tmp_path)
    classifier = train(images, tmp_path / "train", epochs=1, crop=crop)
    extractor = features.from_classifier(classifier, job=FolderJob(tmp_path / "a"))
    vectors = read(features.extract(images["test"], extractor, job=FolderJob(tmp_path / "b")))
    head = load_file(classifier.path / land_cover.MODEL)
    logits = vectors.values @ head["fc.weight"].numpy().T + head["fc.bias"].numpy()
    predictions = land_cover.predict(classifier, images["test"], job=FolderJob(tmp_path / "c"))
    expected = np.array(pq.read_table(predictions.path / "predictions.parquet")["logits"].to_pylist())
    assert expected.std() > 0
    assert_same(logits, expected, terms=512 * 9, layers=18)
    assert vectors.labels[:3] == ["Bare Land", "Water Body", "Woody Vegetation"]


def test_what_is_no_classifier_is_refused(tmp_path: Path) -> None:
    (tmp_path / "classifier.json").write_text("{}")
    with pytest.raises(StageError, match="not a land-cover classifier"):
        features.from_classifier(Classifier(tmp_path), job=FolderJob(tmp_path / "a"))
