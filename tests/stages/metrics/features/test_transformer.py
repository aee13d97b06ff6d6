"""Vision models and dual encoders of transformers: no weight made up, no code run, the library's own features."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from jobs import FolderJob
from rounding import assert_same
from tiny_land_cover import found
from transformers import (
    BertConfig,
    BertModel,
    BitImageProcessor,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    Dinov2Config,
    Dinov2Model,
    ViTConfig,
    ViTModel,
)

from harness.artifact import Extractor
from harness.errors import StageError
from harness.stages.metrics import features
from harness.stages.metrics.features.families import Architecture
from harness.stages.metrics.features.networks import restore
from harness.stages.systems.land_cover.weights import Weights

pytestmark = pytest.mark.numeric

TINY = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As their libraries save them."""
    root = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    Dinov2Model(Dinov2Config(**TINY, image_size=42, patch_size=14)).save_pretrained(root / "dino")
    dino = BitImageProcessor(
        size={"shortest_edge": 40},
        crop_size={"height": 28, "width": 28},
        image_mean=[0.4, 0.5, 0.6],
        image_std=[0.2, 0.2, 0.4],
    )
    dino.save_pretrained(root / "dino")
    texts = {**TINY, "vocab_size": 99, "bos_token_id": 1, "eos_token_id": 2}
    vision = {**TINY, "image_size": 32, "patch_size": 16}
    clip = CLIPConfig(text_config=texts, vision_config=vision, projection_dim=16)
    CLIPModel(clip).save_pretrained(root / "clip")
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(
        root / "clip"
    )
    return root


def load(folder: Path, job: Path, layer: str = "pooled") -> Extractor:
    weights = found(Weights.from_text(f"path:{folder}"))
    return features.load(
        architecture=Architecture.from_text(f"transformers:{layer}"), weights=weights, job=FolderJob(job)
    )


def seen(extractor: Extractor, batch: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return restore(extractor.path)[1](batch)


def test_dinov2_gives_its_pooled_output_and_is_shown_pictures_as_its_processor_says(
    folders: Path, tmp_path: Path
) -> None:
    extractor = load(folders / "dino", tmp_path)
    batch = torch.randn(2, 3, 28, 28)
    with torch.inference_mode():
        expected = Dinov2Model.from_pretrained(folders / "dino").eval()(batch).pooler_output
    assert_same(seen(extractor, batch), expected, terms=3 * 14 * 14, layers=7)
    assert extractor.facts["size"] == 28
    assert extractor.facts["mean"] == pytest.approx([102, 127.5, 153])
    assert extractor.facts["std"] == pytest.approx([51, 51, 102])


def test_clip_gives_its_tower_s_output_or_the_one_that_it_shares_with_texts(
    folders: Path, tmp_path: Path
) -> None:
    batch = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        model = CLIPModel.from_pretrained(folders / "clip").eval()
        tower = model.vision_model(batch)
        expected = {
            "pooled": tower.pooler_output,
            "cls": tower.last_hidden_state[:, 0],
            "projected": model.visual_projection(tower.pooler_output),
        }
    for layer, values in expected.items():
        found = seen(load(folders / "clip", tmp_path / layer, layer), batch)
        assert_same(found, values, terms=3 * 16 * 16, layers=7)


def test_an_extractor_is_known_by_what_it_is_not_by_where_it_lay(folders: Path, tmp_path: Path) -> None:
    shutil.copytree(folders / "dino", tmp_path / "copy")
    config = json.loads((tmp_path / "copy/config.json").read_text())
    (tmp_path / "copy/config.json").write_text(json.dumps({**config, "transformers_version": "4.0.0"}))
    one, other = load(folders / "dino", tmp_path / "a"), load(tmp_path / "copy", tmp_path / "b")
    assert one.facts["extractor"] == other.facts["extractor"]
    (tmp_path / "copy/config.json").write_text(json.dumps({**config, "layer_norm_eps": 0.1}))
    assert load(tmp_path / "copy", tmp_path / "c").facts["extractor"] != one.facts["extractor"]


def test_a_checkpoint_without_a_pooler_has_a_first_token_and_no_pooled_output(tmp_path: Path) -> None:
    """The library would make one up, with a warning."""
    config = ViTConfig(**TINY, image_size=32, patch_size=16)
    ViTModel(config, add_pooling_layer=False).save_pretrained(tmp_path / "vit")
    CLIPImageProcessor(size={"height": 32, "width": 32}, do_center_crop=False).save_pretrained(
        tmp_path / "vit"
    )
    with pytest.raises(StageError, match=r"no weights for pooler.* transformers:cls needs no pooler"):
        load(tmp_path / "vit", tmp_path / "a")
    assert load(tmp_path / "vit", tmp_path / "b", "cls").facts["dim"] == 32


def test_what_is_no_vision_model_of_transformers_is_one_line(folders: Path, tmp_path: Path) -> None:
    with pytest.raises(StageError, match="Dinov2Model is no dual encoder; transformers:projected needs one"):
        load(folders / "dino", tmp_path / "a", "projected")
    shutil.copytree(folders / "dino", tmp_path / "unprepared")
    (tmp_path / "unprepared/preprocessor_config.json").unlink()
    with pytest.raises(
        StageError,
        match=r"unprepared for .* image processor that transformers reads: no preproc.*set size, resize",
    ):
        load(tmp_path / "unprepared", tmp_path / "b")
    shutil.copytree(folders / "dino", tmp_path / "pickled")
    state = Dinov2Model.from_pretrained(folders / "dino").state_dict()
    torch.save(state, tmp_path / "pickled/pytorch_model.bin")
    (tmp_path / "pickled/model.safetensors").unlink()
    with pytest.raises(
        StageError, match=r"pickled for .*: a Dinov2Model of transformers, not opened .*safetensors"
    ):
        load(tmp_path / "pickled", tmp_path / "c")
    BertModel(BertConfig(**TINY, vocab_size=99)).save_pretrained(tmp_path / "text")
    shutil.copy(folders / "dino/preprocessor_config.json", tmp_path / "text")
    with pytest.raises(
        StageError, match=r"a BertModel of transformers; expected a vision model or a dual encoder"
    ):
        load(tmp_path / "text", tmp_path / "d")


def test_code_of_the_folder_is_not_run(folders: Path, tmp_path: Path) -> None:
    shutil.copytree(folders / "dino", tmp_path / "foreign")
    config = json.loads((tmp_path / "foreign/config.json").read_text())
    foreign = {"model_type": "foreign", "auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"}}
    (tmp_path / "foreign/config.json").write_text(json.dumps({**config, **foreign}))
    trace = tmp_path / "it ran"
    (tmp_path / "foreign/own.py").write_text(f"open({str(trace)!r}, 'w')\n")
    with pytest.raises(StageError, match="a Dinov2Model of transformers, not opened"):
        load(tmp_path / "foreign", tmp_path / "a")
    assert not trace.exists()


def test_a_folder_is_needed(tmp_path: Path) -> None:
    architecture = Architecture.from_text("transformers")
    with pytest.raises(StageError, match="transformers:pooled needs a folder with config"):
        features.load(architecture=architecture, weights=None, job=FolderJob(tmp_path))
