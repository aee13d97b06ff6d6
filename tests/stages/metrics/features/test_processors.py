"""``own`` prepares pictures as the library's own processor does, or says which word it does not follow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from image_files import source
from jobs import FolderJob
from numpy.typing import NDArray
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, Dinov2Config, Dinov2Model

from harness.errors import StageError
from harness.stages.metrics import features
from harness.stages.metrics.features.families import Architecture
from harness.stages.metrics.features.networks import restore
from harness.stages.metrics.features.processors import of_timm, of_transformers
from harness.stages.metrics.features.view import View
from harness.stages.systems.land_cover.weights import Weights

CASES = Path(__file__).parents[3] / "cases" / "28"
SIZES = ((32, 32), (61, 40), (33, 90), (57, 58), (100, 35))


def pictures() -> list[Image.Image]:
    """Smooth and sharp, of odd margins."""
    made = []
    for at, (width, height) in enumerate(SIZES):
        small = np.random.default_rng(at).integers(0, 256, size=(5, 6, 3), dtype=np.uint8)
        made.append(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))
    return made


def shown(view: View, picture: Image.Image) -> NDArray[Any]:
    pixels = torch.from_numpy(view.pixels(picture).copy()).permute(2, 0, 1)[None]
    made: NDArray[Any] = view.normalised(pixels).numpy()
    return made


def folder_of(place: Path, **words: Any) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    (place / "preprocessor_config.json").write_text(json.dumps(words))
    return place


def load(folder: Path, job: Path, **parameters: Any) -> Any:
    found = source(folder)
    return features.load(
        architecture=Architecture.from_text("transformers"),
        weights=Weights(found.text, found),
        job=FolderJob(job),
        **parameters,
    )


@pytest.mark.parametrize("name", ["nonorm", "offset", "rescale"])
def test_case_28_has_the_features_of_transformers_own_processor(tmp_path: Path, name: str) -> None:
    description, network = restore(load(CASES / name, tmp_path).path)
    processor = AutoImageProcessor.from_pretrained(CASES / name)
    model = AutoModel.from_pretrained(CASES / name).eval()
    with torch.inference_mode():
        for picture in pictures():
            wanted = model(**processor(picture, return_tensors="pt")).pooler_output
            made = network(torch.from_numpy(shown(description.view, picture)))
            assert torch.allclose(made, wanted, rtol=1e-4, atol=1e-5)


BIT: dict[str, Any] = {
    "image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 36},
    "crop_size": {"height": 32, "width": 32}, "do_center_crop": True, "do_resize": True,
}  # fmt: skip
SQUARE = {"height": 32, "width": 32}
WORDS: dict[str, dict[str, Any]] = {
    "resize, then crop": BIT,
    "odd margins": {**BIT, "size": {"shortest_edge": 35}},
    "an edge of the crop": {**BIT, "size": {"shortest_edge": 32}},
    "no resize": {**BIT, "do_resize": False},
    "bilinear": {**BIT, "resample": 2},
    "nearest": {**BIT, "resample": 0},
    "lanczos": {**BIT, "resample": 1},
    "no normalisation": {**BIT, "do_normalize": False},
    "neither": {**BIT, "do_normalize": False, "do_rescale": False},
    "no rescaling": {**BIT, "do_rescale": False},
    "another factor": {**BIT, "rescale_factor": 1 / 127.5},
    "one mean": {**BIT, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4]},
    "stretched": {"image_processor_type": "ViTImageProcessor", "size": SQUARE},
    "stretched, then cropped": {**BIT, "size": {"height": 40, "width": 40}},
    "crop_pct": {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 32}, "crop_pct": 0.8},
    "crop_pct of a large size": {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 384}},
    "crop_pct and a crop": {
        "image_processor_type": "PoolFormerImageProcessor", "size": {"shortest_edge": 32}, "crop_pct": 0.9,
        "crop_size": SQUARE,
    },
    "SigLIP": {"image_processor_type": "SiglipImageProcessor", "size": SQUARE},
    "resized before it is rounded": {"image_processor_type": "DINOv3ViTImageProcessor", "size": SQUARE},
    "pillow": {**BIT, "image_processor_type": "BitImageProcessorPil"},
}  # fmt: skip


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS.keys())
def test_every_word_is_followed(tmp_path: Path, words: dict[str, Any]) -> None:
    folder = folder_of(tmp_path, **words)
    processor = AutoImageProcessor.from_pretrained(folder)
    view = of_transformers(folder, "the folder")
    for picture in pictures():
        wanted = np.asarray(processor(picture, return_tensors="np")["pixel_values"])
        np.testing.assert_allclose(shown(view, picture), wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no square": (
        {"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 48}},
        r"size \{.*48.*\}, and pictures here become squares",
    ),
    "no crop": (
        {**BIT, "do_center_crop": False},
        r"size \{'shortest_edge': 36\} without a crop leaves pictures of other shapes",
    ),
    "channels turned": (
        {
            "image_processor_type": "MobileViTImageProcessor",
            "size": {"shortest_edge": 36},
            "crop_size": SQUARE,
        },
        "do_flip_channel_order",
    ),
    "padded crop": ({**BIT, "size": {"shortest_edge": 20}}, "smaller than the crop of 32"),
    "factor": ({**BIT, "rescale_factor": 0}, "rescale_factor 0"),
    "filter": ({**BIT, "resample": 17}, "17 is not a valid"),
    "offset": (
        {"image_processor_type": "EfficientNetImageProcessor", "size": SQUARE, "rescale_offset": True},
        "rescale_offset",
    ),
    "of its class": (
        {"image_processor_type": "LevitImageProcessor", "size": {"shortest_edge": 32}, "crop_size": SQUARE},
        "what its class does beside its words",
    ),
}


@pytest.mark.parametrize(("words", "told"), REFUSED.values(), ids=REFUSED.keys())
def test_a_word_that_is_not_followed_is_named(tmp_path: Path, words: dict[str, Any], told: str) -> None:
    folder = folder_of(tmp_path, **words)
    with pytest.raises(
        StageError, match=rf"^the folder: its \w+ does what own does not follow \(.*{told}"
    ) as e:
        of_transformers(folder, "the folder")
    assert str(e.value).endswith("; set size, resize and normalisation yourself")


def test_a_suite_that_says_all_needs_no_processor(tmp_path: Path) -> None:
    dino = Dinov2Config(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14
    )
    Dinov2Model(dino).save_pretrained(tmp_path / "dino")
    with pytest.raises(
        StageError, match=r"no preprocessor_config\.json; expected one, or set size, resize and"
    ):
        load(tmp_path / "dino", tmp_path / "a")
    made = load(tmp_path / "dino", tmp_path / "b", size=28, resize="pil-bicubic", normalisation="imagenet")
    assert (made.facts["size"], made.facts["resize"]) == (28, "pil-bicubic")


def test_another_size_keeps_the_crop_s_share(tmp_path: Path) -> None:
    whole = of_transformers(folder_of(tmp_path, **BIT), "the folder")
    assert (whole.edge, whole.size) == (36, 32)
    assert (whole.sized(64).edge, whole.sized(64).size) == (72, 64)


@pytest.mark.parametrize(
    "name", ["resnet18", "vit_tiny_patch16_224", "convnext_atto", "beit_base_patch16_224"]
)
@pytest.mark.parametrize(
    "change",
    [{}, {"crop_mode": "squash", "interpolation": "bilinear"}, {"crop_pct": 1.0}],
    ids=["own", "squash", "no margin"],
)
def test_timm_s_settings_are_those_of_its_own_transform(name: str, change: dict[str, Any]) -> None:
    import timm
    from timm.data import create_transform, resolve_data_config

    config = {**timm.get_pretrained_cfg(name).to_dict(), **change}
    told = resolve_data_config(pretrained_cfg=config)
    transform = create_transform(**told)
    view = of_timm(config, name)
    for picture in pictures():
        wanted = transform(picture)[None].numpy()
        np.testing.assert_allclose(shown(view, picture), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"crop_mode": "border"}, "crop_mode 'border'"),
        ({"input_size": (3, 64, 96)}, "its input is 3×64×96"),
        ({"crop_pct": 1.5}, r"crop_pct 1\.5, which pads"),
        ({"mean": (0.5,)}, r"its mean and std \(1 channels, and pictures here have three\)"),
    ],
)
def test_a_setting_of_timm_that_is_not_followed_is_named(change: dict[str, Any], told: str) -> None:
    import timm

    with pytest.raises(StageError, match=told):
        of_timm({**timm.get_pretrained_cfg("resnet18").to_dict(), **change}, "resnet18")
