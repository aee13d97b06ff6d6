"""Models with random weights: their published sizes to the last weight, and a tokenizer that can spell anything."""

import math
import string

import pytest
import torch
from corpora import corpus
from hypothesis import given
from hypothesis import strategies as st
from jobs import FolderJob
from safetensors.torch import load_file
from tiny_language_model import SENTENCES
from transformers import AutoModelForCausalLM

from harness.errors import StageError
from harness.stages.systems.language_model.checks import learn
from harness.stages.systems.language_model.models import build, configuration
from harness.stages.systems.language_model.opening import open_model

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    return corpus(tmp_path_factory.mktemp("corpus"), *SENTENCES)


def built(texts, tmp_path, **parameters):
    given = {"architecture": "tiny-phi", "vocabulary": 300, "context": 32, **parameters}
    return build(texts, job=FolderJob(tmp_path), **given)


@pytest.mark.parametrize(
    ("architecture", "parameters"),
    [("tiny-phi", 1_108_304), ("phi-1.5", 1_418_270_720), ("mistral-7b", 7_241_732_096)],
)
def test_every_architecture_has_its_published_number_of_weights(architecture, parameters):
    with torch.device("meta"):
        network = AutoModelForCausalLM.from_config(configuration(architecture, tokens=2000, context=128))
    assert network.num_parameters() == parameters
    assert network.config.max_position_embeddings == 128
    assert getattr(network.config, "sliding_window", None) is None


def test_a_built_model_starts_from_knowing_nothing(texts, tmp_path):
    artifact = built(texts, tmp_path)
    opened = open_model(artifact.path, None, precision="fp32", device="cpu")
    ids = torch.tensor([opened.tokenizer(SENTENCES[0]).input_ids])
    with torch.inference_mode():
        loss = float(opened.network(ids, labels=ids).loss)
    assert loss == pytest.approx(math.log(len(opened.tokenizer)), abs=0.2)
    assert opened.context == 32
    assert artifact.facts == {
        "architecture": "PhiForCausalLM",
        "parameters": sum(w.numel() for w in load_file(artifact.path / "model.safetensors").values()),
        "dtype": "float32",
        "context": 32,
        "vocabulary": len(opened.tokenizer),
    }


def test_weights_are_drawn_as_transformers_draws_them(texts, tmp_path):
    weights = load_file(built(texts, tmp_path).path / "model.safetensors")
    assert weights.keys() >= {"model.embed_tokens.weight", "lm_head.weight", "lm_head.bias"}
    for name, weight in weights.items():
        if "layernorm" in name and name.endswith("weight"):
            assert bool((weight == 1).all()), name
        elif name.endswith("bias"):
            assert bool((weight == 0).all()), name
        else:
            assert float(weight.std()) == pytest.approx(0.02, rel=0.05), name


@pytest.mark.proves("language_model.build", "architecture vocabulary context dtype seed")
def test_every_parameter_of_building_changes_the_model(texts, tmp_path):
    def content(name, **parameters):
        folder = built(texts, tmp_path / name, **parameters).path
        return {file.name: file.read_bytes() for file in folder.iterdir()}

    first = content("first")
    assert content("again") == first
    others = {"vocabulary": 280, "context": 16, "dtype": "bf16", "seed": 1}
    for name, value in others.items():
        assert content(name, **{name: value}) != first, name
    sizes = {  # the large ones are not built here
        architecture: configuration(architecture, tokens=300, context=32).hidden_size
        for architecture in ("tiny-phi", "phi-1.5", "mistral-7b")
    }
    assert sizes == {"tiny-phi": 128, "phi-1.5": 2048, "mistral-7b": 4096}


@given(text=st.text())
def test_any_text_in_any_script_comes_back_as_it_was(text):
    ids = TOKENIZER(text).input_ids
    assert TOKENIZER.decode(ids, skip_special_tokens=False) == text


TOKENIZER = learn(SENTENCES, vocabulary=300, context=16)


def test_one_mark_begins_and_ends_texts_and_nothing_is_for_padding():
    assert (TOKENIZER.bos_token_id, TOKENIZER.eos_token_id, TOKENIZER.pad_token) == (0, 0, None)
    assert TOKENIZER.model_max_length == 16
    assert max(TOKENIZER.get_vocab().values()) == len(TOKENIZER) - 1 < 300
    frequent = len(TOKENIZER(SENTENCES[2]).input_ids)
    assert frequent < len(SENTENCES[2]) < len(TOKENIZER(string.printable[::-1]).input_ids) * 2


def test_what_has_no_text_or_too_many_tokens_is_refused(texts, tmp_path):
    with pytest.raises(StageError, match="no text to learn tokens from"):
        built(corpus(tmp_path / "empty", ""), tmp_path)
    with pytest.raises(
        StageError, match=r"vocabulary: 60000 tokens; phi-1.5 has embeddings for 51200 of them"
    ):
        built(texts, tmp_path, architecture="phi-1.5", vocabulary=60000)
