"""LoRA adapters are merged into the weights that they were made for: ``W + scale · alpha / rank · B A``."""

import shutil

import pytest
import torch
from image_files import source
from jobs import FolderJob
from pipeline_files import (
    WEIGHTS,
    diffusers_adapter,
    kohya_adapter,
    merged_by_hand,
    peft_adapter,
    rewrite,
    saved,
    state,
)
from safetensors.torch import load_file, save_file

from harness.errors import StageError
from harness.stages.systems.text_to_image.components import quiet, read_pipeline
from harness.stages.systems.text_to_image.foreign_formats import merge_adapter
from harness.stages.systems.text_to_image.pipelines import load

pytestmark = pytest.mark.numeric

FILE = "pytorch_lora_weights.safetensors"


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("original") / "pipeline")


@pytest.fixture(scope="module")
def peft(tmp_path_factory):
    return peft_adapter(tmp_path_factory.mktemp("peft"))


@pytest.fixture
def adapter(peft, tmp_path):
    return diffusers_adapter(peft, tmp_path / "adapter")


def loaded(original, adapter, tmp_path, **parameters):
    return load(
        source=source(original), adapter=source(adapter), job=FolderJob(tmp_path / "load"), **parameters
    )


def refused(original, adapter, tmp_path):
    with pytest.raises(StageError) as e:
        loaded(original, adapter, tmp_path)
    message = str(e.value)
    assert len(message.splitlines()) == 1
    return message


def close(a, b):
    assert a.keys() == b.keys()
    return all(torch.allclose(a[name].float(), b[name].float(), atol=1e-6) for name in a)


@pytest.mark.proves("text_to_image.load", "adapter")
@pytest.mark.parametrize("form", ["peft", "diffusers", "diffusers file", "kohya"])
def test_every_format_is_the_sum_computed_by_hand(original, peft, adapter, tmp_path, form):
    place = {
        "peft": peft,
        "diffusers": adapter,
        "diffusers file": adapter / FILE,
        "kohya": kohya_adapter(peft, tmp_path / "kohya.safetensors"),
    }[form]
    pipeline = loaded(original, place, tmp_path)
    after = state(pipeline.path)
    assert close(after, merged_by_hand(state(original), peft, 2.0))  # alpha 4, rank 2
    assert not close(after, state(original))
    assert pipeline.facts["adapter"] == {"tensors": 58, "scale": 1.0}


def test_peft_folder_of_the_unet_alone(original, peft, tmp_path):
    after = state(loaded(original, peft / "unet", tmp_path).path)
    before, expected = state(original), merged_by_hand(state(original), peft, 2.0)
    assert close(
        {n: w for n, w in after.items() if n.startswith("unet.")},
        {n: w for n, w in expected.items() if n.startswith("unet.")},
    )
    assert close(
        {n: w for n, w in after.items() if not n.startswith("unet.")},
        {n: w for n, w in before.items() if not n.startswith("unet.")},
    )


def test_an_adapter_of_an_older_transformers_reaches_the_text_encoder(original, peft, tmp_path):
    older = shutil.copytree(peft, tmp_path / "older")

    def rename(tensors):
        for name in list(tensors):
            tensors[name.replace("base_model.model.", "base_model.model.text_model.")] = tensors.pop(name)

    rewrite(older / "text_encoder" / "adapter_model.safetensors", rename)
    assert close(state(loaded(original, older, tmp_path).path), merged_by_hand(state(original), peft, 2.0))


@pytest.mark.parametrize("scale", [-0.5, 0.0, 0.3])
def test_adapter_scale_is_how_much_is_added(original, peft, scale):
    with quiet():
        pipeline = read_pipeline(original, "base", None)
        merge_adapter(pipeline, peft, "adapter", scale)
    expected = merged_by_hand(state(original), peft, 2.0 * scale)
    after = {f"unet.{name}": weight for name, weight in pipeline.unet.state_dict().items()}
    assert close(after, {name: weight for name, weight in expected.items() if name.startswith("unet.")})


@pytest.mark.proves("text_to_image.load", "adapter_scale")
def test_adapter_scale_changes_the_output(original, adapter, tmp_path):
    whole = loaded(original, adapter, tmp_path / "whole")
    half = loaded(original, adapter, tmp_path / "half", adapter_scale=0.5)
    assert not close(state(whole.path), state(half.path))


def test_adapter_scale_without_an_adapter_is_refused(original, tmp_path):
    with pytest.raises(StageError, match="adapter_scale without an adapter changes nothing"):
        load(source=source(original), adapter_scale=0.5, job=FolderJob(tmp_path))


def test_weights_in_half_precision_are_merged_in_single_and_rounded_once(original, adapter, peft, tmp_path):
    half = shutil.copytree(original, tmp_path / "half")
    for file in WEIGHTS.values():
        rewrite(half / file, lambda tensors: tensors.update({k: t.half() for k, t in tensors.items()}))
    expected = merged_by_hand({name: w.float() for name, w in state(half).items()}, peft, 2.0)
    after = state(loaded(half, adapter, tmp_path).path)
    assert {w.dtype for w in after.values()} == {torch.float16}
    for name, weight in after.items():
        assert torch.allclose(weight.float(), expected[name], rtol=2**-11, atol=1e-6), name


def test_a_merged_pipeline_has_the_same_parts_as_a_plain_one(original, adapter, tmp_path):
    merged = loaded(original, adapter, tmp_path)
    assert state(merged.path).keys() == state(original).keys()
    assert not [file for file in merged.path.rglob("*") if "adapter" in file.name or "lora" in file.name]


def test_an_adapter_with_weights_for_elsewhere_is_refused(original, adapter, tmp_path):
    """Diffusers would load the rest and warn."""

    def add(tensors):
        for kind in ("A", "B"):
            tensors[f"unet.nowhere.to_q.lora_{kind}.weight"] = torch.ones(2, 2)

    rewrite(adapter / FILE, add)
    assert "2 of its 60 tensors have no place in the pipeline" in refused(original, adapter, tmp_path)


def test_weights_that_diffusers_loses_on_the_way_are_missed(original, peft, tmp_path):
    """It takes kohya's names of the text encoder's attention for another format's unless the output is there."""
    file = kohya_adapter(peft, tmp_path / "kohya.safetensors")
    rewrite(file, lambda tensors: [tensors.pop(name) for name in list(tensors) if "out_proj" in name])
    assert "6 of its 56 tensors have no place in the pipeline" in refused(original, file, tmp_path)


def test_an_adapter_for_another_network_altogether_is_refused(original, adapter, tmp_path):
    """Diffusers would load nothing of it and warn."""

    def rename(tensors):
        for name in list(tensors):
            tensors[f"transformer.{name.partition('.')[2]}"] = tensors.pop(name)

    rewrite(adapter / FILE, rename)
    assert "58 of its 58 tensors have no place" in refused(original, adapter, tmp_path)


def test_an_adapter_for_a_wider_network_is_refused(original, adapter, tmp_path):
    def widen(tensors):
        name = next(n for n in tensors if n.endswith("attn1.to_q.lora_A.weight"))
        tensors[name] = torch.ones(2, 320)

    rewrite(adapter / FILE, widen)
    assert "does not fit the pipeline" in refused(original, adapter, tmp_path)


def test_an_adapter_that_is_not_finite_is_refused(original, adapter, tmp_path):
    rewrite(adapter / FILE, lambda tensors: next(iter(tensors.values())).fill_(float("nan")))
    assert "not finite" in refused(original, adapter, tmp_path)


def test_a_dora_adapter_is_refused(original, adapter, tmp_path):
    rewrite(adapter / FILE, lambda tensors: tensors.update({"unet.conv_in.dora_scale": torch.ones(1)}))
    assert "a DoRA adapter" in refused(original, adapter, tmp_path)


def test_a_folder_with_two_adapters_is_a_question(original, adapter, tmp_path):
    tensors = load_file(adapter / FILE)
    (adapter / FILE).unlink()
    for name in ("one.safetensors", "two.safetensors"):
        save_file(tensors, adapter / name)
    assert "2 files that may be the adapter; expected pytorch_lora_weights" in refused(
        original, adapter, tmp_path
    )


def test_a_pipeline_in_the_place_of_an_adapter_is_refused(original, tmp_path):
    assert "no files that may be the adapter" in refused(original, original, tmp_path)
    weights = original / WEIGHTS["unet"]
    assert f"{weights.name} has no LoRA weights" in refused(original, weights, tmp_path)


@pytest.mark.parametrize("name", ["pytorch_lora_weights.bin", "adapter_model.bin"])
def test_a_pickled_adapter_is_refused(original, adapter, tmp_path, name):
    (adapter / FILE).unlink()
    (adapter / name).write_bytes(b"never opened")
    assert f"{name} is a pickle, which can run code when it is opened" in refused(original, adapter, tmp_path)
