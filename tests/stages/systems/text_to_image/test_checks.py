"""What is wrong with a pipeline from elsewhere is one line that names it."""

import json
import os
import shutil

import pytest
import torch
from image_files import source
from jobs import FolderJob
from pipeline_files import WEIGHTS, rewrite, saved

from harness.errors import StageError
from harness.stages.systems.text_to_image.components import open_pipeline
from harness.stages.systems.text_to_image.pipelines import load


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("original") / "pipeline")


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original, tmp_path / "pipeline")


def loaded(path, tmp_path):
    return load(source=source(path), job=FolderJob(tmp_path / "load"))


def edit(file, **changes):
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def refused(path, tmp_path):
    with pytest.raises(StageError) as e:
        loaded(path, tmp_path)
    message = str(e.value)
    assert len(message.splitlines()) == 1
    return message


def nan(tensors):
    tensors["conv_in.bias"][1] = float("nan")


def infinite(tensors):
    tensors["encoder.conv_in.bias"][:] = float("inf")


def shape(tensors):
    tensors["conv_in.weight"] = torch.zeros(8, 9, 3, 3)


def narrow(tensors):
    tensors["embeddings.token_embedding.weight"] = torch.zeros(54, 8)


def eighths(tensors):
    tensors["conv_in.bias"] = tensors["conv_in.bias"].to(torch.float8_e4m3fn)


@pytest.mark.parametrize(
    ("part", "fault", "message"),
    [
        ("unet", nan, "unet: conv_in.bias has 1 of 8 values that are not finite in float32"),
        ("vae", infinite, "vae: encoder.conv_in.bias has 8 of 8 values that are not finite in float32"),
        (
            "unet",
            shape,
            "unet: conv_in.weight has shape (8, 9, 3, 3) where the configuration says (8, 4, 3, 3)",
        ),
        (
            "text_encoder",
            narrow,
            "token_embedding.weight has shape (54, 8) where the configuration says (54, 16)",
        ),
        ("unet", lambda t: t.pop("conv_in.bias"), "unet: no weights for conv_in.bias"),
        ("text_encoder", lambda t: t.pop("final_layer_norm.bias"), "no weights for final_layer_norm.bias"),
        ("vae", lambda t: t.update(extra=torch.zeros(1)), "vae: the configuration has no place for extra"),
        ("unet", eighths, "unet: conv_in.bias is stored as F8_E4M3; expected F64, F32, F16, BF16"),
    ],
)
def test_weights_that_are_wrong_are_refused_by_name(folder, tmp_path, part, fault, message):
    rewrite(folder / WEIGHTS[part], fault)
    assert message in refused(folder, tmp_path)


def test_numbers_too_large_for_half_precision_are_refused_when_it_is_asked_for(folder, tmp_path):
    rewrite(folder / WEIGHTS["unet"], lambda tensors: tensors["conv_in.bias"].fill_(1e5))
    pipeline = loaded(folder, tmp_path)
    with pytest.raises(
        StageError, match=r"the pipeline: unet: conv_in\.bias has 8 of 8 .* not finite in float16"
    ):
        open_pipeline(pipeline, dtype=torch.float16, device="cpu")


@pytest.mark.parametrize("part", WEIGHTS)
def test_a_file_cut_short_is_refused_by_name(folder, tmp_path, part):
    file = folder / WEIGHTS[part]
    os.truncate(file, file.stat().st_size - 100)
    assert f"{part}: {file.name} is damaged or no safetensors" in refused(folder, tmp_path)


@pytest.mark.parametrize("part", ["vae", "text_encoder", "tokenizer", "unet", "scheduler"])
def test_a_missing_part_is_named(folder, tmp_path, part):
    shutil.rmtree(folder / part)
    assert f": no {part}/" in refused(folder, tmp_path)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("tokenizer/tokenizer.json", "no tokenizer/tokenizer.json or tokenizer/vocab.json + merges.txt"),
        ("text_encoder/config.json", "no text_encoder/config.json"),
        ("scheduler/scheduler_config.json", "no scheduler/scheduler_config.json"),
        (WEIGHTS["unet"], "unet: no safetensors in unet/"),
    ],
)
def test_a_missing_file_is_named_and_nothing_is_made_up_for_it(folder, tmp_path, file, message):
    (folder / file).unlink()
    assert message in refused(folder, tmp_path)


@pytest.mark.parametrize("part", ["unet/config", "text_encoder/config", "tokenizer/tokenizer", "model_index"])
def test_a_damaged_configuration_is_refused(folder, tmp_path, part):
    (folder / f"{part}.json").write_text('{"_class_name"')
    assert f"{part.partition('/')[0]}" in refused(folder, tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"_class_name": "StableDiffusionXLPipeline"},
            "a StableDiffusionXLPipeline; expected a StableDiffusionPipe",
        ),
        ({"unet": None}, "model_index.json has no unet"),
        (
            {"vae": ["diffusers", "AutoencoderTiny"]},
            "vae is of class AutoencoderTiny; expected AutoencoderKL",
        ),
        ({"scheduler": ["diffusers", "PDNMScheduler"]}, "did you mean 'PNDMScheduler'?"),
        ({"scheduler": ["diffusers", "load_image"]}, "scheduler load_image is not one of diffusers'"),
        ({"unet": ["my_unet", "MyUNet"]}, "unet is ['my_unet', 'MyUNet'], not of diffusers or transformers"),
    ],
)
def test_other_pipelines_and_other_parts_are_refused(folder, tmp_path, changes, message):
    edit(folder / "model_index.json", **changes)
    assert message in refused(folder, tmp_path)


def test_code_beside_the_weights_is_not_run(folder, tmp_path):
    mine = f"open({str(tmp_path / 'ran')!r}, 'w')\nclass MyUNet: pass\n"
    (folder / "unet" / "my_unet.py").write_text(mine)
    (folder / "pipeline.py").write_text(mine)
    edit(folder / "model_index.json", _class_name=["pipeline", "MyUNet"], unet=["my_unet", "MyUNet"])
    refused(folder, tmp_path)
    assert not (tmp_path / "ran").exists()


def test_parts_that_do_not_fit_one_another_are_refused(folder, tmp_path):
    file = folder / "tokenizer" / "tokenizer_config.json"
    edit(file, model_max_length=512)
    assert "the tokenizer allows 512 tokens, the text encoder has 77 positions" in refused(folder, tmp_path)


@pytest.mark.parametrize("size", [None, [8, 16]])
def test_a_network_without_a_side_of_its_images_is_refused(folder, tmp_path, size):
    edit(folder / "unet" / "config.json", sample_size=size)
    assert f"the unet's sample_size is {size}; expected" in refused(folder, tmp_path)


def test_an_inpainting_network_is_refused(folder, tmp_path):
    edit(folder / "unet" / "config.json", in_channels=9)
    rewrite(folder / WEIGHTS["unet"], lambda t: t.update({"conv_in.weight": torch.zeros(8, 9, 3, 3)}))
    assert "the vae makes 4 latent channels, the unet takes 9" in refused(folder, tmp_path)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "something").mkdir()
    (tmp_path / "something" / "notes.txt").write_text("hello")
    said = refused(tmp_path / "something", tmp_path)
    assert (
        "no model_index.json in a folder with notes.txt; expected a StableDiffusionPipeline's folder" in said
    )
