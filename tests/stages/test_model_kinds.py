"""Every loader is given a tiny model of every kind: it opens those that are its own, and others are one line each."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from image_files import source
from jobs import FolderJob
from model_kinds import CAUSAL, KINDS, LOOKING_AHEAD, PICTURES, saved

import harness
from harness.compute.weights import one_line
from harness.errors import StageError
from harness.stages.metrics import alignment, features
from harness.stages.metrics.features.families import Architecture
from harness.stages.systems import embeddings, land_cover, language_model, text_to_image
from harness.stages.systems.land_cover.weights import Weights

TINY = Path(harness.__file__).parent / "sources" / "assets" / "tiny-pipeline"

Loader = Callable[[Path, FolderJob], Any]


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("kinds")
    return {kind: saved(kind, root / kind) for kind in KINDS}


def extractor(architecture: str) -> Loader:
    def load(folder: Path, job: FolderJob) -> Any:
        found = source(folder)
        weights = Weights(found.text, found)
        return features.load(architecture=Architecture.from_text(architecture), weights=weights, job=job)

    return load


def adapter(folder: Path, job: FolderJob) -> Any:
    return text_to_image.load(source=source(TINY), adapter=source(folder), job=job)


MASKED = {"vit_mae", "vit_mae_training"}
"""They mask other patches in each forward."""
SEEN = set(PICTURES) - MASKED | {"clip", "siglip"}
MAPS = {"convnext", "resnet", "segformer", "swin", "siglip"}
"""They have no class token; the first token, where there is one, is of a corner of the picture."""

LOADERS: dict[str, tuple[Loader, set[str]]] = {
    "language_model": (lambda f, job: language_model.load(source=source(f), job=job), set(CAUSAL)),
    "transformers": (extractor("transformers"), SEEN - {"segformer", "vit_classes"}),
    "transformers:cls": (extractor("transformers:cls"), SEEN - MAPS),
    "transformers:projected": (extractor("transformers:projected"), {"clip", "siglip"}),
    "timm": (extractor("timm:resnet18"), set()),
    "torchvision": (extractor("torchvision:squeezenet1_1"), set()),
    "land_cover": (lambda f, job: land_cover.load(source=source(f), job=job), set()),
    "embeddings": (lambda f, job: embeddings.load(source=source(f), job=job), set()),
    "alignment": (lambda f, job: alignment.load(source=source(f), job=job), {"clip", "siglip"}),
    "text_to_image": (lambda f, job: text_to_image.load(source=source(f), job=job), set()),
    "adapter": (adapter, set()),
}
"""By name: the loader, and the kinds that it opens."""


@pytest.mark.parametrize("name", LOADERS)
def test_a_model_of_another_kind_is_one_line(folders: dict[str, Path], tmp_path: Path, name: str) -> None:
    """Without a path of this machine but the source's, a list of all classes, or what a user cannot do."""
    load, own = LOADERS[name]
    opened = set()
    for kind, folder in folders.items():
        try:
            load(folder, FolderJob(tmp_path / kind))
        except StageError as e:
            told = str(e)
            assert "\n" not in told, told
            assert str(folder) not in told.replace(f"path:{folder}", ""), told
            assert len(told.replace(str(folder), "")) < 300, told
            assert "did you mean" not in told, told
            assert kind in told, told
        else:
            opened.add(kind)
    assert opened == own


def test_models_that_look_ahead_are_called_so(folders: dict[str, Path], tmp_path: Path) -> None:
    for kind in LOOKING_AHEAD:
        with pytest.raises(
            StageError, match="is not causal: another last token changes the scores of earlier"
        ):
            language_model.load(source=source(folders[kind]), job=FolderJob(tmp_path / kind))


@pytest.mark.parametrize("layer", ["transformers", "transformers:cls"])
@pytest.mark.parametrize("kind", sorted(MASKED))
def test_a_masked_autoencoder_is_called_random_and_no_other_layer_is_recommended(
    folders: dict[str, Path], tmp_path: Path, kind: str, layer: str
) -> None:
    with pytest.raises(StageError, match="a ViTMAEModel is random at inference") as e:
        extractor(layer)(folders[kind], FolderJob(tmp_path))
    assert "takes its class token" not in str(e.value)


@pytest.mark.parametrize(
    ("name", "kind", "part"),
    [
        ("language_model", "llama", None),
        ("transformers", "dinov2", None),
        ("alignment", "clip", "vision_config"),
    ],
)
def test_a_configuration_of_wrong_types_is_one_line(
    folders: dict[str, Path], tmp_path: Path, name: str, kind: str, part: str | None
) -> None:
    folder = shutil.copytree(folders[kind], tmp_path / kind)
    config = json.loads((folder / "config.json").read_text())
    (config[part] if part else config)["hidden_size"] = "wide"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(StageError, match=r"hidden_size.* expected int, got str") as e:
        LOADERS[name][0](folder, FolderJob(tmp_path / "job"))
    assert "\n" not in str(e.value)


def test_a_missing_package_is_named_and_nothing_else() -> None:
    told = "\nMambaModel requires the mamba_ssm library but it was not found in your environment.\nYou can install"
    assert one_line(ImportError(told)) == "it needs the package mamba_ssm, which is not installed"


CASES = Path(__file__).parents[1] / "cases"


def test_cases_21_and_22_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="is random at inference"):
        extractor("transformers:cls")(CASES / "21" / "vit_mae", FolderJob(tmp_path / "a"))
    with pytest.raises(StageError, match="is random at inference"):
        extractor("transformers")(CASES / "21" / "vit_mae", FolderJob(tmp_path / "b"))
    with pytest.raises(StageError, match="is not causal"):
        language_model.load(source=source(CASES / "22" / "roberta"), job=FolderJob(tmp_path / "c"))
