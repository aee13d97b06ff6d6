"""LoRA adapters are merged into the weights that they were made for: ``W + scale · alpha / rank · B A``."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from image_files import source
from jobs import FolderJob
from peft import LoraConfig, get_peft_model
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

import harness
from harness.errors import StageError
from harness.stages.systems.text_to_image.adapters import merge_adapter
from harness.stages.systems.text_to_image.components import quiet, read_pipeline
from harness.stages.systems.text_to_image.pipelines import load

pytestmark = pytest.mark.numeric

CASES = Path(__file__).parents[3] / "cases"
TINY = Path(harness.__file__).parent / "sources" / "assets" / "tiny-pipeline"
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


def test_a_text_encoder_without_its_outputs_is_merged_too(original, peft, tmp_path):
    """Diffusers takes kohya's names of the attention for another format's unless the output is there."""
    file = kohya_adapter(peft, tmp_path / "kohya.safetensors")
    rewrite(file, lambda tensors: [tensors.pop(name) for name in list(tensors) if "out_proj" in name])
    before, expected = state(original), merged_by_hand(state(original), peft, 2.0)
    wanted = {name: before[name] if "out_proj" in name else weight for name, weight in expected.items()}
    assert close(state(loaded(original, file, tmp_path).path), wanted)


def uneven(peft, folder):
    """Kohya's file in which every module has an alpha and a rank of its own, and the sum that it stands for."""
    generator = torch.Generator().manual_seed(3)
    file = kohya_adapter(peft, folder / "uneven.safetensors")
    deltas = {}

    def change(tensors):
        modules = sorted({name.partition(".")[0] for name in tensors})
        for at, module in enumerate(modules):
            rank, alpha = at % 3 + 1, (0.5, 1.0, 4.0, 8.0)[at % 4]
            down, up = (tensors[f"{module}.lora_{side}.weight"] for side in ("down", "up"))
            down = torch.randn((rank, *down.shape[1:]), generator=generator) * 0.2
            up = torch.randn((up.shape[0], rank, *up.shape[2:]), generator=generator) * 0.2
            tensors |= {f"{module}.lora_down.weight": down, f"{module}.lora_up.weight": up}
            tensors[f"{module}.alpha"] = torch.tensor(alpha)
            deltas[module] = alpha / rank * (up.flatten(1) @ down.flatten(1))

    rewrite(file, change)
    return file, deltas


def test_every_module_of_kohya_s_file_has_its_own_alpha_and_rank(original, peft, tmp_path):
    file, deltas = uneven(peft, tmp_path)
    before, after = state(original), state(loaded(original, file, tmp_path).path)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert len(changed) == len(deltas)
    assert {name.partition(".")[0] for name in changed} == {"unet", "text_encoder"}
    assert any(before[name].ndim == 4 for name in changed)
    for name in changed:
        part, _, layer = name.removesuffix(".weight").partition(".")
        prefix = "lora_unet_" if part == "unet" else "lora_te_text_model_"
        delta = deltas[prefix + layer.replace(".", "_")].reshape(before[name].shape)
        assert torch.allclose(after[name], before[name] + delta, atol=1e-6), name


@pytest.mark.parametrize("name", ["k_uniform", "k_vary"])
def test_case_02_has_the_strength_of_its_own_module(tmp_path, name):
    file = CASES / "02" / f"{name}.safetensors"
    tensors = load_file(file)
    before, after = state(TINY), state(loaded(TINY, file, tmp_path).path)
    spelt = {name.replace(".", "_"): name for name in before}
    for module in {name.partition(".")[0] for name in tensors}:
        down, up = tensors[f"{module}.lora_down.weight"], tensors[f"{module}.lora_up.weight"]
        at = spelt[f"unet_{module.removeprefix('lora_unet_')}_weight"]
        expected = float(tensors[f"{module}.alpha"]) / len(down) * up @ down
        ratio = float((after[at] - before[at]).norm() / expected.norm())
        assert ratio == pytest.approx(1.0, abs=1e-3), at


def test_peft_s_patterns_of_ranks_and_alphas_are_followed(original, tmp_path):
    """The sum is PEFT's own, of the same adapter on the same network."""
    with quiet():
        network = read_pipeline(original, "base", None).unet
    config = LoraConfig(
        r=2, lora_alpha=4, target_modules=["to_q", "conv1"], rank_pattern={"conv1": 3}, use_rslora=True,
        alpha_pattern={"attn1.to_q": 8}, init_lora_weights=False,
    )  # fmt: skip
    adapted = get_peft_model(network, config)
    adapted.save_pretrained(tmp_path / "peft")
    expected = {f"unet.{name}": weight for name, weight in adapted.merge_and_unload().state_dict().items()}
    after = state(loaded(original, tmp_path / "peft", tmp_path).path)
    assert not close({n: after[n] for n in expected}, {n: state(original)[n] for n in expected})
    assert close({n: after[n] for n in expected}, expected)


def test_a_module_without_one_of_its_halves_is_named(original, adapter, tmp_path):
    def remove(tensors):
        tensors.pop(next(name for name in tensors if name.endswith("attn1.to_q.lora_B.weight")))

    rewrite(adapter / FILE, remove)
    assert re.search(r"unet\.\S+attn1\.to_q has no up", refused(original, adapter, tmp_path))


def test_two_names_of_one_module_are_refused(original, peft, tmp_path):
    file = kohya_adapter(peft, tmp_path / "kohya.safetensors")

    def repeat(tensors):
        for name in [name for name in tensors if name.startswith("lora_te_") and "fc1" in name]:
            tensors[name.replace("lora_te_text_model_", "lora_te_")] = tensors[name].clone()

    rewrite(file, repeat)
    assert "modules of the pipeline have two names in it" in refused(original, file, tmp_path)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"use_dora": True}, "a DoRA adapter, which also rescales every row of a merged weight"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights pissa also changed the weights below it"),
        ({"peft_type": "LOHA"}, "an adapter of type LOHA"),
    ],
)
def test_a_configuration_that_is_no_plain_sum_is_refused(original, peft, tmp_path, settings, told):
    place = shutil.copytree(peft, tmp_path / "other")
    file = place / "unet" / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **settings}))
    assert told in refused(original, place, tmp_path)


@pytest.mark.parametrize(("name", "kind"), [("hada_w1_a", "LoHa"), ("lokr_w1", "LoKr")])
def test_another_kind_of_adapter_is_called_by_its_name(original, adapter, tmp_path, name, kind):
    rewrite(adapter / FILE, lambda tensors: tensors.update({f"lora_unet_conv_in.{name}": torch.ones(1)}))
    assert f"a {kind} adapter; expected a LoRA adapter" in refused(original, adapter, tmp_path)


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
    assert "2 files that may be the adapter; expected a LoRA adapter" in refused(original, adapter, tmp_path)


def test_a_pipeline_in_the_place_of_an_adapter_is_refused(original, tmp_path):
    assert "no files that may be the adapter" in refused(original, original, tmp_path)
    weights = original / WEIGHTS["unet"]
    assert f"{weights.name} has no LoRA weights" in refused(original, weights, tmp_path)


@pytest.mark.parametrize("name", ["pytorch_lora_weights.bin", "adapter_model.bin"])
def test_a_pickled_adapter_is_refused(original, adapter, tmp_path, name):
    (adapter / FILE).unlink()
    (adapter / name).write_bytes(b"never opened")
    assert f"{name} is a pickle, which can run code when it is opened" in refused(original, adapter, tmp_path)


def test_an_alpha_that_is_no_number_is_one_line(original, peft, tmp_path):
    file = kohya_adapter(peft, tmp_path / "kohya.safetensors")
    tensors = load_file(file)
    name = min(name for name in tensors if name.endswith(".alpha"))
    save_file({**tensors, name: torch.ones(2)}, tmp_path / "two.safetensors")
    assert f"{name} has 2 values, expected one number" in refused(
        original, tmp_path / "two.safetensors", tmp_path / "a"
    )
    save_file({**tensors, name: torch.tensor([4])}, tmp_path / "whole.safetensors")
    after = state(loaded(original, tmp_path / "whole.safetensors", tmp_path / "b").path)
    assert close(after, merged_by_hand(state(original), peft, 2.0))
    config = peft / "unet" / "adapter_config.json"
    folder = shutil.copytree(peft, tmp_path / "peft")
    for alpha in (None, "much"):
        said = {**json.loads(config.read_text()), "lora_alpha": alpha}
        (folder / "unet" / "adapter_config.json").write_text(json.dumps(said))
        told = refused(original, folder, tmp_path / str(alpha))
        assert "its configuration has no number as lora_alpha for unet." in told
