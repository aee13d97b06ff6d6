"""Pipelines in one safetensors file, with the configuration of a folder."""

import shlex
import shutil

import pytest
import torch
from image_files import source
from jobs import FolderJob
from pipeline_files import as_single_file, diffusers_adapter, peft_adapter, rewrite, saved, state
from safetensors.torch import load_file

from harness.errors import StageError
from harness.stages.systems.text_to_image.pipelines import load

UNET = "model.diffusion_model."


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("original") / "pipeline")


@pytest.fixture
def file(original, tmp_path):
    return as_single_file(original, tmp_path / "model.safetensors")


@pytest.fixture
def config(original, tmp_path):
    """The configuration alone, as a small download."""
    return shutil.copytree(original, tmp_path / "config", ignore=shutil.ignore_patterns("*.safetensors"))


def loaded(file, tmp_path, config, **parameters):
    return load(source=source(file), config=source(config), job=FolderJob(tmp_path / "load"), **parameters)


def refused(file, tmp_path, config):
    with pytest.raises(StageError) as e:
        loaded(file, tmp_path, config)
    message = str(e.value)
    assert len(message.splitlines()) == 1
    return message


def test_one_file_and_a_configuration_are_the_pipeline_that_they_were(original, file, config, tmp_path):
    before, after = state(original), state(loaded(file, tmp_path, config).path)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.proves("text_to_image.load", "config")
def test_the_config_decides_what_the_network_predicts(file, tmp_path):
    config = saved(tmp_path / "other", prediction_type="epsilon")
    assert loaded(file, tmp_path, config).facts["prediction_type"] == "epsilon"


def test_each_network_stays_in_the_type_that_the_file_has(file, config, tmp_path):
    rewrite(
        file, lambda tensors: tensors.update({k: t.half() for k, t in tensors.items() if k.startswith(UNET)})
    )
    pipeline = loaded(file, tmp_path, config)
    assert pipeline.facts["dtype"] == {"vae": "float32", "text_encoder": "float32", "unet": "float16"}
    stored = load_file(file)
    assert torch.equal(state(pipeline.path)["unet.conv_in.weight"], stored[f"{UNET}input_blocks.0.0.weight"])


def test_without_a_config_it_says_what_is_needed(file, tmp_path):
    with pytest.raises(StageError, match="one file has no tokenizer and no noise schedule; set config to"):
        load(source=source(file), job=FolderJob(tmp_path / "load"))


def test_a_config_beside_a_folder_is_refused(original, config, tmp_path):
    assert "config is for a single file" in refused(original, tmp_path, config)


def test_a_config_of_another_architecture_is_refused(file, config, tmp_path):
    text = (config / "unet" / "config.json").read_text()
    (config / "unet" / "config.json").write_text(
        text.replace('"cross_attention_dim": 16', '"cross_attention_dim": 24')
    )
    assert "does not fit its config" in refused(file, tmp_path, config)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (f"{UNET}out.2.bias", "it lacks weights that the vae or the unet of its config has"),
        (
            "first_stage_model.decoder.conv_in.bias",
            "it lacks weights that the vae or the unet of its config has",
        ),
        (
            "cond_stage_model.transformer.text_model.final_layer_norm.bias",
            "no weights for final_layer_norm.bias",
        ),
    ],
)
def test_a_missing_weight_is_refused(file, config, tmp_path, name, message):
    rewrite(file, lambda tensors: tensors.pop(name))
    assert message in refused(file, tmp_path, config)


def test_a_file_without_a_text_encoder_is_refused(file, config, tmp_path):
    rewrite(
        file, lambda tensors: [tensors.pop(k) for k in list(tensors) if k.startswith("cond_stage_model.")]
    )
    assert "text_encoder: no weights (cond_stage_model.…)" in refused(file, tmp_path, config)


def test_a_weight_that_is_not_finite_is_named(file, config, tmp_path):
    rewrite(file, lambda tensors: tensors[f"{UNET}out.2.bias"].fill_(float("nan")))
    assert "unet: conv_out.bias has 4 of 4 values that are not finite in float32" in refused(
        file, tmp_path, config
    )


def test_an_adapter_in_the_place_of_a_pipeline_is_told_so(config, tmp_path):
    adapter = diffusers_adapter(peft_adapter(tmp_path / "peft"), tmp_path / "adapter")
    message = refused(adapter / "pytorch_lora_weights.safetensors", tmp_path, config)
    assert "an adapter: give it as adapter, and the pipeline it was made for as source" in message


def test_a_file_of_something_else_is_refused(original, config, tmp_path):
    message = refused(original / "unet" / "diffusion_pytorch_model.safetensors", tmp_path, config)
    assert "a file of other weights" in message


@pytest.mark.parametrize("suffix", [".ckpt", ".pt", ".pth", ".bin"])
def test_a_pickle_is_refused_with_a_command_that_converts_it(
    original, file, config, tmp_path, suffix, monkeypatch
):
    pickle = tmp_path / f"pickle{suffix}"
    torch.save({"state_dict": load_file(file), "global_step": 3}, pickle)
    message = refused(pickle, tmp_path, config)
    assert f"pickle{suffix} is a pickle, which can run code when it is opened" in message

    monkeypatch.chdir(tmp_path)
    _, _, code = shlex.split(message[message.index("python -c") :])
    exec(code)
    after = state(loaded(tmp_path / "pickle.safetensors", tmp_path, config).path)
    before = state(original)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_file_cut_short_is_refused(file, config, tmp_path):
    file.write_bytes(file.read_bytes()[:5000])
    assert "model.safetensors is damaged or no safetensors" in refused(file, tmp_path, config)
