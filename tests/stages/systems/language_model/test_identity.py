"""A base is recognised wherever it lies, and anything else that has its weights is not it."""

import json
import shutil

import pytest
from tiny_adapter import scores, tiny_adapter
from tiny_language_model import SENTENCES, tiny_model

from harness.artifact import LanguageModel
from harness.errors import StageError
from harness.stages.systems.language_model.adapters import Identity
from harness.stages.systems.language_model.checks import learn
from harness.stages.systems.language_model.opening import open_model


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
