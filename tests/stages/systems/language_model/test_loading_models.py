"""Language models from elsewhere: what is kept, what is refused, in which words."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from image_files import source
from jobs import FolderJob
from safetensors.torch import load_file, save_file
from tiny_adapter import NF4, scores, tiny_adapter
from tiny_language_model import tiny_model
from transformers import GPT2Config, GPT2LMHeadModel, RobertaConfig, RobertaForCausalLM

from harness.artifact import LanguageModel
from harness.errors import StageError
from harness.stages.systems.language_model.models import load
from harness.stages.systems.language_model.opening import open_model


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("original"))


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original.path, tmp_path / "model")


def loaded(folder, tmp_path, base=None):
    return load(base, source=source(folder), job=FolderJob(tmp_path / "load"))


def refused(folder, tmp_path, base=None):
    with pytest.raises(StageError) as e:
        loaded(folder, tmp_path, base)
    message = str(e.value)
    assert len(message.splitlines()) == 1
    assert message.startswith(f"path:{folder}")
    return message


def edit(file, **changes):
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def change(folder, edit, name="model.safetensors"):
    state = load_file(folder / name)
    edit(state)
    save_file(state, folder / name, metadata={"format": "pt"})


def test_every_weight_and_every_token_are_kept(original, tmp_path):
    model = loaded(original.path, tmp_path)
    before, after = (load_file(f / "model.safetensors") for f in (original.path, model.path))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    tokens = [json.loads((f / "tokenizer.json").read_text()) for f in (original.path, model.path)]
    assert tokens[0]["model"] == tokens[1]["model"]
    assert model.facts == {
        "architecture": "PhiForCausalLM",
        "parameters": sum(w.numel() for w in before.values()),
        "dtype": "float32",
        "context": 64,
        "vocabulary": 300,
    }


@pytest.mark.proves("language_model.load", "source")
def test_another_source_is_another_model_and_settings_for_sampling_stay_behind(folder, tmp_path):
    change(folder, lambda s: s["lm_head.bias"].fill_(1))
    edit(folder / "generation_config.json", temperature=0.3, do_sample=True, repetition_penalty=1.2)
    model = load(source=source(folder), job=FolderJob(tmp_path / "load"))
    assert bool((load_file(model.path / "model.safetensors")["lm_head.bias"] == 1).all())
    said = json.loads((model.path / "generation_config.json").read_text())
    assert said["eos_token_id"] == 0
    assert not {"temperature", "do_sample", "repetition_penalty"} & said.keys()
    texts = [file.read_text() for file in model.path.glob("*.json")]
    assert texts
    assert not any(str(tmp_path) in text for text in texts)


def test_what_the_settings_leave_out_is_not_made_up(folder, tmp_path):
    """Phi's configuration would begin texts with token 1 and end them with token 2, were it asked."""
    config = json.loads((folder / "config.json").read_text())
    for name in ("bos_token_id", "eos_token_id"):
        del config[name]
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "generation_config.json").unlink()
    model = loaded(folder, tmp_path)
    assert open_model(model.path, None, precision="fp32", device="cpu").network.config.eos_token_id is None
    again = loaded(model.path, tmp_path / "again")
    assert json.loads((again.path / "config.json").read_text())["eos_token_id"] is None


def test_the_stored_type_is_kept(folder, tmp_path):
    change(folder, lambda s: s.update({n: w.bfloat16() for n, w in s.items()}))
    model = loaded(folder, tmp_path)
    assert {w.dtype for w in load_file(model.path / "model.safetensors").values()} == {torch.bfloat16}
    assert model.facts["dtype"] == "bfloat16"


def test_a_model_of_the_mirror_is_loaded(tmp_path):
    mirror = os.environ.get("HARNESS_MIRROR")
    if not mirror:
        pytest.skip("needs karpathy/stories260K of the mirror: set HARNESS_MIRROR")
    model = loaded(Path(mirror) / "karpathy" / "stories260K", tmp_path)
    assert model.facts["context"] == 512
    opened = open_model(model.path, None, precision="fp32", device="cpu")
    ids = opened.tokenizer("Once upon a time, there was a little girl", return_tensors="pt").input_ids
    with torch.inference_mode():
        assert float(opened.network(ids, labels=ids).loss) < 2


def test_pickles_are_refused_with_the_command_that_converts_them(folder, tmp_path):
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    message = refused(folder, tmp_path)
    assert "pytorch_model.bin is a pickle" in message
    assert "save_pretrained('model-safe')" in message


def test_code_beside_the_weights_is_not_run(folder, tmp_path):
    witness = tmp_path / "ran"
    (folder / "own.py").write_text(f"open({str(witness)!r}, 'w')\nclass Own: ...\n")
    code = {"AutoModelForCausalLM": "own.Own", "AutoConfig": "own.Own"}
    edit(folder / "config.json", auto_map=code)
    edit(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["own.Own", "own.Own"]})
    assert loaded(folder, tmp_path).facts["architecture"] == "PhiForCausalLM"
    edit(folder / "config.json", auto_map=code, model_type="own")
    assert "a PhiForCausalLM of transformers (model_type own) cannot be opened as one" in refused(
        folder, tmp_path
    )
    assert not witness.exists()


@pytest.mark.parametrize(
    ("edited", "message"),
    [
        (lambda s: s.pop("model.layers.1.mlp.fc1.bias"), "no weights for model.layers.1.mlp.fc1.bias"),
        (lambda s: s.update(extra=torch.ones(1)), "the configuration has no place for extra"),
        (
            lambda s: s.update({"lm_head.bias": torch.ones(7)}),
            "lm_head.bias has shape (7,) where the configuration says (300,)",
        ),
        (
            lambda s: s["lm_head.bias"][:2].fill_(torch.nan),
            "lm_head.bias has 2 of 300 values that are not finite in float32",
        ),
    ],
)
def test_every_weight_is_accounted_for(folder, tmp_path, edited, message):
    change(folder, edited)
    assert message in refused(folder, tmp_path)


def test_a_file_that_is_cut_short_is_named(folder, tmp_path):
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:-100])
    assert "model.safetensors is damaged" in refused(folder, tmp_path)
    (folder / "model.safetensors").write_bytes(weights)
    (folder / "tokenizer.json").write_text("{")
    assert "tokenizer.json cannot be read" in refused(folder, tmp_path)
    (folder / "config.json").write_text("[]")
    assert "config.json is not a mapping" in refused(folder, tmp_path)


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("config.json", "no config.json in a folder with "),
        ("model.safetensors", "no model.safetensors, nor shards of it"),
        ("tokenizer.json", "no tokenizer.json; expected the tokenizer"),
    ],
)
def test_a_file_that_is_missing_is_named(folder, tmp_path, gone, message):
    (folder / gone).unlink()
    assert message in refused(folder, tmp_path)


def test_a_tokenizer_of_another_model_is_refused(folder, tmp_path):
    tokens = json.loads((folder / "tokenizer.json").read_text())
    words = tokens["model"]["vocab"]
    last = max(words, key=words.get)
    edit(folder / "tokenizer.json", model={**tokens["model"], "vocab": {**words, last: 300}})
    assert "its tokenizer has 301 tokens, the model embeddings for 300" in refused(folder, tmp_path)


def test_a_tokenizer_that_ends_texts_otherwise_than_the_model_is_refused(folder, tmp_path):
    edit(folder / "generation_config.json", eos_token_id=[7, 9])
    edit(folder / "config.json", eos_token_id=None)
    assert "its tokenizer's eos_token is 0, the model's is 7 or 9" in refused(folder, tmp_path)
    edit(folder / "generation_config.json", eos_token_id=[0, 9])
    assert loaded(folder, tmp_path / "both").facts["vocabulary"] == 300
    edit(folder / "tokenizer_config.json", eos_token=None)
    assert "has no token that ends a text" in refused(folder, tmp_path)


def test_what_is_no_plain_model_is_refused(original, folder, tmp_path):
    assert "a base would do nothing" in refused(folder, tmp_path, base=original)
    file = folder / "model.safetensors"
    assert "expected a folder as transformers saves a model" in refused(file, tmp_path)
    edit(folder / "config.json", quantization_config={"quant_method": "gptq"})
    assert "its weights are stored quantised" in refused(folder, tmp_path)


def test_a_model_with_positions_under_another_name_and_tied_weights_is_loaded(original, tmp_path):
    folder = shutil.copytree(
        original.path, tmp_path / "gpt2", ignore=shutil.ignore_patterns("model*", "*config.json")
    )
    config = GPT2Config(
        vocab_size=300, n_embd=16, n_layer=1, n_head=2, n_positions=48, bos_token_id=0, eos_token_id=0
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    shutil.copy(original.path / "tokenizer_config.json", folder)
    assert loaded(folder, tmp_path).facts["context"] == 48


def test_positions_that_begin_behind_the_padding_token_are_fewer_than_the_settings_say(original, tmp_path):
    folder = shutil.copytree(
        original.path, tmp_path / "roberta", ignore=shutil.ignore_patterns("model*", "*config.json")
    )
    config = RobertaConfig(
        vocab_size=300, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=50, pad_token_id=1, bos_token_id=0, eos_token_id=0, is_decoder=True,
    )  # fmt: skip
    RobertaForCausalLM(config).save_pretrained(folder)
    shutil.copy(original.path / "tokenizer_config.json", folder)
    made = loaded(folder, tmp_path)
    assert made.facts["context"] == 48
    opened = open_model(made.path, None, precision="fp32", device="cpu")
    assert opened.network(input_ids=torch.arange(10, 58)[None]).logits.shape == (1, 48, 300)


@pytest.mark.parametrize("quantisation", [None, NF4])
def test_an_adapter_stays_one_and_keeps_what_it_is_for(original, tmp_path, quantisation):
    adapter, expected = tiny_adapter(tmp_path / "adapter", original, quantisation=quantisation)
    model = loaded(adapter.path, tmp_path, base=original)
    opened = open_model(model.path, original.path, precision="fp32", device="cpu")
    assert torch.equal(scores(opened.network), expected)
    assert model.facts["adapter"] == {
        "parameters": 1024,
        "rank": 2,
        "alpha": 4,
        "targets": ["q_proj", "v_proj"],
    }
    assert model.facts["parameters"] == sum(
        w.numel() for w in load_file(original.path / "model.safetensors").values()
    )
    assert model.facts["quantisation"] == (quantisation and quantisation.to_json())
    assert model.facts["base_noted"] is True


def test_the_base_of_an_adapter_from_elsewhere_is_noted(original, tmp_path):
    adapter, expected = tiny_adapter(tmp_path / "adapter", original)
    (adapter.path / "training.json").unlink()
    model = loaded(adapter.path, tmp_path, base=original)
    assert model.facts["base_noted"] is False
    opened = open_model(model.path, original.path, precision="fp32", device="cpu")
    assert torch.equal(scores(opened.network), expected)
    other = tiny_model(tmp_path / "other", seed=1)
    with pytest.raises(StageError, match="trained on another base"):
        open_model(model.path, other.path, precision="fp32", device="cpu")


def test_an_adapter_needs_its_base(original, tmp_path):
    adapter, _ = tiny_adapter(tmp_path / "adapter", original)
    assert "set base to the model that it was trained on" in refused(adapter.path, tmp_path)
    other = tiny_model(tmp_path / "other", seed=1)
    assert "trained on another base" in refused(adapter.path, tmp_path / "1", base=LanguageModel(other.path))
    assert "its base is an adapter itself" in refused(adapter.path, tmp_path / "2", base=adapter)
