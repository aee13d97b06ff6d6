"""Models and adapters opened as they were left: the same numbers, on the right base, or one line that says why not."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_adapter import NF4, scores, tiny_adapter
from tiny_language_model import tiny_model
from transformers import AutoModelForCausalLM

from harness.artifact import LanguageModel
from harness.errors import StageError
from harness.stages.systems.language_model import checks
from harness.stages.systems.language_model.opening import open_model

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def adapter(base, tmp_path_factory):
    return tiny_adapter(tmp_path_factory.mktemp("adapter"), base)


def opened(model, base=None, precision="fp32"):
    return open_model(model.path, base and base.path, precision=precision, device="cpu")


def refused(model, base=None):
    with pytest.raises(StageError) as e:
        opened(model, base)
    assert len(str(e.value).splitlines()) == 1
    return str(e.value)


def copied(artifact, tmp_path, name="copy"):
    return LanguageModel(shutil.copytree(artifact.path, tmp_path / name))


def test_a_model_gives_the_numbers_that_transformers_gives(base):
    own = opened(base)
    theirs = AutoModelForCausalLM.from_pretrained(base.path, dtype=torch.float32).eval()
    assert torch.equal(scores(own.network), scores(theirs))
    assert not own.network.training
    assert own.context == 64
    assert own.tokenizer.decode(own.tokenizer("Snow is bright.").input_ids) == "Snow is bright."


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_precision_is_that_of_all_weights(base, precision, dtype):
    assert {p.dtype for p in opened(base, precision=precision).network.parameters()} == {dtype}


def test_an_adapter_does_on_its_base_what_it_did_when_it_was_trained(base, adapter):
    trained, expected = adapter
    found = scores(opened(trained, base).network)
    assert torch.equal(found, expected)
    assert not torch.allclose(found, scores(opened(base).network), atol=1e-3)


def test_an_adapter_of_a_quantised_base_is_opened_on_the_same_four_bits(base, tmp_path):
    trained, expected = tiny_adapter(tmp_path / "a", base, quantisation=NF4)
    assert torch.equal(scores(opened(trained, base).network), expected)
    plain, _ = tiny_adapter(tmp_path / "b", base)
    assert not torch.equal(scores(opened(plain, base).network), expected)
    half = opened(trained, base, precision="bf16").network
    assert scores(half).dtype == torch.bfloat16
    torch.testing.assert_close(
        scores(half).float(), expected, rtol=0, atol=0.05 * float(expected.abs().max())
    )


def test_a_base_is_known_by_its_weights_wherever_and_in_how_many_files_it_lies(base, adapter, tmp_path):
    trained, expected = adapter
    network = opened(base).network
    network.save_pretrained(tmp_path / "sharded", max_shard_size="20KB")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(base.path / name, tmp_path / "sharded")
    assert len(list((tmp_path / "sharded").glob("model-*.safetensors"))) > 1
    assert torch.equal(scores(opened(trained, LanguageModel(tmp_path / "sharded")).network), expected)


def test_another_base_is_refused(adapter, tmp_path):
    other = tiny_model(tmp_path, seed=1)
    assert "the adapter: trained on another base" in refused(adapter[0], other)


def test_a_base_of_which_one_bit_differs_is_another(base, tmp_path):
    other = copied(base, tmp_path)
    file = other.path / "model.safetensors"
    state = load_file(file)
    weight = state["lm_head.weight"]
    weight.view(torch.int32)[0, 0] ^= 1
    save_file(state, file)
    assert checks.weights_digest(other.path, "x") != checks.weights_digest(base.path, "x")


def test_what_is_no_pair_is_refused(base, adapter):
    trained, _ = adapter
    assert "set base to the model that it was trained on" in refused(trained)
    assert "a base would do nothing" in refused(base, base)
    assert "an adapter itself" in refused(trained, trained)


def test_an_adapter_says_what_it_was_trained_on(base, adapter, tmp_path):
    trained = copied(adapter[0], tmp_path)
    training = trained.path / "training.json"
    said = json.loads(training.read_text())
    training.write_text(
        json.dumps({**said, "quantisation": {"type": "int3", "double": True, "compute": "fp32"}})
    )
    assert "expected type nf4" in refused(trained, base)
    training.write_text(json.dumps({"quantisation": None}))
    assert "training.json: does not say what its base is (weights, tokenizer and settings)" in refused(
        trained, base
    )
    training.unlink()
    assert "an adapter without training.json" in refused(trained, base)


def change(folder, edit):
    file = folder / "adapter_model.safetensors"
    state = load_file(file)
    edit(state)
    save_file(state, file)


def test_adapter_weights_that_match_nothing_are_refused(base, adapter, tmp_path):
    trained = copied(adapter[0], tmp_path)
    change(
        trained.path, lambda s: s.update({"base_model.model.model.layers.7.lora_A.weight": torch.ones(2, 2)})
    )
    assert "the base has no place for base_model.model.model.layers.7" in refused(trained, base)


def test_adapter_weights_that_are_missing_are_refused(base, adapter, tmp_path):
    trained = copied(adapter[0], tmp_path)
    change(trained.path, lambda s: s.pop(sorted(s)[0]))
    assert "no weights for base_model.model.model.layers.0.self_attn.q_proj.lora_A" in refused(trained, base)


def test_adapter_weights_of_another_shape_are_refused(base, adapter, tmp_path):
    trained = copied(adapter[0], tmp_path)
    change(trained.path, lambda s: s.update({n: torch.ones(2, 16) for n in s if "lora_A" in n}))
    assert "does not fit the base" in refused(trained, base)


def test_adapter_weights_that_are_not_finite_are_refused(base, adapter, tmp_path):
    trained = copied(adapter[0], tmp_path)
    change(trained.path, lambda s: s[sorted(s)[0]].fill_(torch.nan))
    assert "128 of 128 values that are not finite" in refused(trained, base)


def test_an_adapter_of_another_sort_or_pickled_is_refused(base, adapter, tmp_path):
    trained = copied(adapter[0], tmp_path)
    file = trained.path / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "peft_type": "PROMPT_TUNING"}))
    assert "an adapter of type PROMPT_TUNING; expected LORA" in refused(trained, base)
    (trained.path / "adapter_model.safetensors").rename(trained.path / "adapter_model.bin")
    message = refused(trained, base)
    assert "adapter_model.bin is a pickle" in message
    assert "python -c" in message
