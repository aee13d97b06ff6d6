"""A base is recognised wherever it lies, and stored in four bits on a CPU too: what is quantised, and what is not."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from bitsandbytes.functional import dequantize_4bit
from bitsandbytes.nn import Linear4bit
from corpora import corpus
from jobs import FolderJob
from safetensors.torch import load_file, save_file
from tiny_adapter import IDS, scores, tiny_adapter
from tiny_language_model import SENTENCES, tiny_model
from transformers import GPT2Config, GPT2LMHeadModel

from harness.artifact import LanguageModel
from harness.compute.precisions import dtype_of
from harness.errors import StageError
from harness.stages.systems.language_model.adapters import Identity, Quantisation, quantised
from harness.stages.systems.language_model.checks import learn
from harness.stages.systems.language_model.models import build
from harness.stages.systems.language_model.opening import open_model

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("base"))


@pytest.fixture
def copy(base, tmp_path):
    return LanguageModel(shutil.copytree(base.path, tmp_path / "copy"))


def edit(file, **changes):
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def of(model):
    return Identity.of(model.path, "the model")


def test_who_wrote_a_copy_and_where_it_lies_do_not_matter(base, copy):
    edit(copy.path / "config.json", transformers_version="9.9.9", use_cache=False, architectures=["Other"])
    edit(copy.path / "tokenizer_config.json", model_max_length=7)
    assert of(base).difference(of(copy)) == ""
    assert of(copy) == of(base)


def test_it_is_the_same_after_a_file(base):
    said = json.loads(json.dumps(of(base).to_json()))
    assert Identity.from_json(said, "x") == of(base)
    assert said["settings"]["rope_parameters.rope_theta"] == 10000.0


def test_a_setting_that_is_changed_is_named_with_both_values(base, copy):
    theta = {"rope_theta": 500000.0, "rope_type": "default", "partial_rotary_factor": 0.5}
    edit(copy.path / "config.json", rope_parameters=theta)
    assert of(base).difference(of(copy)) == (
        "it has the same weights, but other settings: rope_parameters.rope_theta (10000.0, given 500000.0)"
    )


def test_a_setting_that_only_one_library_knows_is_no_difference(base):
    known = of(base)
    newer = Identity(known.weights, known.tokenizer, {**known.settings, "a_new_one": 1})
    assert newer.difference(known) == known.difference(newer) == ""


def test_other_tokens_and_the_same_tokens_divided_otherwise_are_another_tokenizer(base, copy):
    other = learn([text[::-1] for text in SENTENCES], vocabulary=300, context=64)
    other.save_pretrained(copy.path)
    assert of(base).difference(of(copy)) == "it has the same weights, but another tokenizer"
    tokens = json.loads((base.path / "tokenizer.json").read_text())
    (copy.path / "tokenizer.json").write_text(json.dumps({**tokens, "normalizer": {"type": "Lowercase"}}))
    assert of(base).difference(of(copy)) == "it has the same weights, but another tokenizer"


def test_an_adapter_on_the_weights_of_its_base_but_with_other_tokens_or_positions_is_refused(
    base, copy, tmp_path
):
    adapter, expected = tiny_adapter(tmp_path / "adapter", base)

    def opened():
        return open_model(adapter.path, copy.path, precision="fp32", device="cpu").network

    assert (scores(opened()) == expected).all()
    tokens = (copy.path / "tokenizer.json").read_text()
    learn([text[::-1] for text in SENTENCES], vocabulary=300, context=64).save_pretrained(copy.path)
    with pytest.raises(StageError, match=r"the adapter: trained on another base \(.*another tokenizer\)"):
        opened()
    (copy.path / "tokenizer.json").write_text(tokens)
    edit(copy.path / "config.json", layer_norm_eps=0.1)
    with pytest.raises(StageError, match=r"other settings: layer_norm_eps \(1e-05, given 0.1\)\)"):
        opened()


def test_what_is_no_identity_is_one_line():
    with pytest.raises(StageError, match="its note: does not say what its base is"):
        Identity.from_json("sha256:00", "its note")


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """With 128 and 512 inputs to its layers."""
    folder = tmp_path_factory.mktemp("base")
    texts = corpus(folder / "corpus", *SENTENCES)
    return build(texts, architecture="tiny-phi", vocabulary=300, job=FolderJob(folder))


def network(base, double=True, compute="fp32"):
    return quantised(base.path, Quantisation("nf4", double, compute), dtype_of(compute), "cpu")


def layers(network):
    return {name: m for name, m in network.named_modules() if isinstance(m, Linear4bit)}


def test_linear_layers_have_four_bits_and_the_rest_is_as_it_was(wide):
    four = network(wide)
    plain = open_model(wide.path, None, precision="fp32", device="cpu").network
    held = layers(four)
    expected = {n for n, m in plain.named_modules() if isinstance(m, torch.nn.Linear)} - {"lm_head"}
    assert held.keys() == expected
    for name, layer in held.items():
        assert layer.weight.dtype == torch.uint8
        exact = plain.get_submodule(name).weight
        assert layer.weight.numel() == exact.numel() // 2
        error = dequantize_4bit(layer.weight.data, layer.weight.quant_state) - exact
        assert 0.08 < float((error.norm() / exact.norm()).detach()) < 0.1  # NF4 of normal numbers: 0.092
    for name in ("lm_head", "model.embed_tokens"):
        assert torch.equal(four.get_submodule(name).weight, plain.get_submodule(name).weight)


def test_layers_with_rows_that_are_no_whole_blocks_stay_as_they_are(tmp_path):
    """On a CPU bitsandbytes would unpack them with the scales of other blocks: 0.2 to 0.4 off instead of 0.09."""
    narrow = tiny_model(tmp_path, width=32)  # 32 inputs, and 64 to fc2
    four = network(narrow)
    assert {name.rpartition(".")[2] for name in layers(four)} == {"fc2"}
    plain = open_model(narrow.path, None, precision="fp32", device="cpu").network
    query = "model.layers.0.self_attn.q_proj"
    assert torch.equal(four.get_submodule(query).weight, plain.get_submodule(query).weight)


def test_a_model_without_a_layer_to_quantise_is_refused(tmp_path):
    narrow = tiny_model(tmp_path)
    config = GPT2Config(
        vocab_size=300, n_embd=16, n_layer=1, n_head=2, n_inner=32, bos_token_id=0, eos_token_id=0
    )
    GPT2LMHeadModel(config).save_pretrained(narrow.path)
    with pytest.raises(StageError, match="GPT2LMHeadModel has no linear layer that can be quantised"):
        network(narrow)


def test_quantising_the_scales_too_is_another_rounding(wide):
    once, twice = network(wide, double=False), network(wide, double=True)
    assert not torch.equal(scores(once), scores(twice))
    assert all(layer.weight.quant_state.nested for layer in layers(twice).values())


def test_the_bits_do_not_depend_on_what_is_computed_in(wide):
    full, half = network(wide), network(wide, compute="bf16")
    pairs = list(zip(layers(full).values(), layers(half).values(), strict=True))
    assert pairs
    assert all(torch.equal(a.weight.data, b.weight.data) for a, b in pairs)
    assert scores(full).dtype == torch.float32
    assert scores(half).dtype == torch.bfloat16
    assert half.model.embed_tokens.weight.dtype == torch.bfloat16


def test_it_can_be_trained_on_after_it_was_evaluated(wide):
    """The library packs weights for a bf16 kernel in evaluation mode, where the processor has one."""
    four = network(wide)
    before = scores(four)
    assert not any(layer.support_avx512bf16_for_cpu for layer in layers(four).values())
    four.train().requires_grad_(False)
    four.lm_head.weight.requires_grad_(True)
    four(IDS, labels=IDS).loss.backward()
    assert float(four.lm_head.weight.grad.abs().max()) > 0
    assert torch.equal(scores(four.eval()), before)


def test_a_weight_that_is_not_finite_is_refused_before_it_is_rounded_away(tmp_path):
    base = tiny_model(tmp_path)
    file = base.path / "model.safetensors"
    state = load_file(file)
    state["model.layers.0.mlp.fc1.weight"][0, 0] = torch.inf
    save_file(state, file, metadata={"format": "pt"})
    with pytest.raises(StageError, match=r"fc1.weight has 1 of 8192 values that are not finite in float32"):
        network(base)


def test_how_is_written_and_read():
    how = Quantisation("nf4", double=False, compute="bf16")
    assert how.to_json() == {"type": "nf4", "double": False, "compute": "bf16"}
    assert Quantisation.from_json(how.to_json(), "x") == how
    for wrong in ({}, None, "nf4", {"type": "nf4", "double": 1, "compute": "fp32"}):
        with pytest.raises(StageError, match=r"x: quantisation .*; expected type nf4"):
            Quantisation.from_json(wrong, "x")
