"""Texts from prompts: the tokens that a model alone would take, whatever stands beside them in a batch."""

import json
import shutil

import pytest
import torch
from jobs import FolderJob
from safetensors.torch import load_file, save_file
from tiny_adapter import NF4, tiny_adapter
from tiny_language_model import tiny_model
from tokenizers.processors import TemplateProcessing
from transformers import GPT2Config, GPT2LMHeadModel

from harness.artifact import LanguageModel
from harness.errors import ResourceError, StageError
from harness.stages.systems.language_model import generate
from harness.stages.systems.language_model.checks import learn
from harness.stages.systems.language_model.decoding import Choice, Prompt, Sampling, encoded
from harness.stages.systems.language_model.opening import open_model

pytestmark = pytest.mark.numeric

PROMPTS = ("Snow", "Radar sees through clouds, and", "", "A field of wheat is green in May and", "Roofs")


@pytest.fixture(scope="module")
def phi(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("phi"))


@pytest.fixture(scope="module")
def gpt2(phi, tmp_path_factory):
    """Learnt positions: a pad that moved a token would be seen at once."""
    folder = tmp_path_factory.mktemp("gpt2")
    config = GPT2Config(
        vocab_size=300, n_embd=16, n_layer=2, n_head=2, n_positions=64, initializer_range=0.5,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        GPT2LMHeadModel(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(phi.path / name, folder)
    return LanguageModel(folder)


def rows(texts):
    return [json.loads(line) for line in (texts.path / "metadata.jsonl").open(encoding="utf-8")]


def generated(model, tmp_path, base=None, **parameters):
    given = {"prompts": PROMPTS, "max_tokens": 12, **parameters}
    return generate(model, base, job=FolderJob(tmp_path), **given)


@pytest.mark.parametrize("name", ["phi", "gpt2"])
def test_greedy_texts_are_those_of_the_network_alone_without_pads_and_cache(name, request, tmp_path):
    model = request.getfixturevalue(name)
    opened = open_model(model.path, None, precision="fp32", device="cpu")
    written = rows(generated(model, tmp_path))
    assert [row["prompt"] for row in written] == list(PROMPTS)
    for row in written:
        prompt = opened.tokenizer(row["prompt"]).input_ids or [0]
        ids = list(prompt)
        with torch.inference_mode():
            for _ in range(12):
                ids.append(int(opened.network(torch.tensor([ids])).logits[0, -1].argmax()))
                if ids[-1] == 0:
                    break
        new = [token for token in ids[len(prompt) :] if token != 0]
        assert row["text"] == opened.tokenizer.decode(new)
        assert row["tokens"] == len(new)
        assert row["ended"] == (ids[-1] == 0)


@pytest.mark.proves("language_model.generate", "batch_size")
@pytest.mark.parametrize("temperature", [0, 1.0])
@pytest.mark.parametrize("name", ["phi", "gpt2"])
def test_a_text_does_not_depend_on_batch_size(name, temperature, request, tmp_path):
    model = request.getfixturevalue(name)
    first, *others = (
        rows(generated(model, tmp_path / str(n), temperature=temperature, batch_size=n, seed=3))
        for n in (1, 2, 5)
    )
    assert sum(row["tokens"] for row in first) > 20
    assert all(other == first for other in others)


@pytest.mark.proves("language_model.generate", "prompts max_tokens temperature top_p samples seed precision")
def test_every_parameter_of_generating_changes_the_texts(phi, gpt2, tmp_path):
    def texts(name, **parameters):
        given = {"temperature": 1.0, "samples": 2, **parameters}
        return [row["text"] for row in rows(generated(gpt2, tmp_path / name, **given))]

    first = texts("first")
    assert texts("again") == first
    others = {
        "prompts": PROMPTS[::-1],
        "max_tokens": 5,
        "temperature": 2.0,
        "top_p": 0.3,
        "samples": 3,
        "seed": 1,
    }
    for name, value in others.items():
        assert texts(name, **{name: value}) != first, name
    assert texts("samples-again", samples=3)[:2] == first[:2]
    half = generated(gpt2, tmp_path / "half", precision="bf16")
    assert half.conditions == {"batch_size": 8}
    assert generated(gpt2, tmp_path / "full").conditions == {}


def out_of_memory(times):
    """What a full device does to the first few batches."""
    left = [torch.OutOfMemoryError("CUDA out of memory")] * times

    def on_progress(*_):
        if left:
            raise left.pop()

    return on_progress


def test_out_of_memory_in_fp32_halves_the_batch_and_the_texts_stay(phi, tmp_path):
    job = FolderJob(tmp_path / "full", out_of_memory(2))
    halved = generate(phi, prompts=PROMPTS, max_tokens=12, batch_size=5, job=job)
    assert rows(halved) == rows(generated(phi, tmp_path / "room"))
    assert halved.facts["cost"]["batch_size"] == 1
    assert job.lines == [f"out of memory with {n} texts at once; going on with {n // 2}" for n in (5, 2)]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"batch_size": 1}, "with a single text"),
        ({"precision": "bf16"}, "with 5 texts at bf16.* batch_size: 2"),
    ],
)
def test_out_of_memory_that_nothing_can_be_done_about_says_what_to_set(phi, tmp_path, parameters, message):
    with pytest.raises(ResourceError, match=message):
        generate(phi, prompts=PROMPTS, max_tokens=9, job=FolderJob(tmp_path, out_of_memory(1)), **parameters)


def test_an_adapter_writes_on_its_base(phi, tmp_path):
    adapter, _ = tiny_adapter(tmp_path / "adapter", phi, targets=("q_proj", "fc1", "fc2"))
    tuned = rows(generated(adapter, tmp_path / "tuned", base=phi))
    assert [row["text"] for row in tuned] != [row["text"] for row in rows(generated(phi, tmp_path / "base"))]
    with pytest.raises(StageError, match="set base"):
        generated(adapter, tmp_path / "alone")


@pytest.mark.proves("language_model.generate", "quantisation")
def test_a_base_writes_in_four_bits_as_below_an_adapter_that_has_learnt_nothing(phi, tmp_path):
    state = load_file(phi.path / "model.safetensors")
    loud = LanguageModel(shutil.copytree(phi.path, tmp_path / "loud"))
    large = {name: weight * 10 if weight.ndim > 1 else weight for name, weight in state.items()}
    save_file(large, loud.path / "model.safetensors", metadata={"format": "pt"})
    adapter, _ = tiny_adapter(tmp_path / "adapter", loud, quantisation=NF4)
    learnt = load_file(adapter.path / "adapter_model.safetensors")
    nothing = {name: torch.zeros_like(weight) for name, weight in learnt.items()}
    save_file(nothing, adapter.path / "adapter_model.safetensors")
    rounded = rows(generated(loud, tmp_path / "rounded", quantisation="nf4"))
    assert rounded == rows(generated(adapter, tmp_path / "below", base=loud))
    assert rounded != rows(generated(loud, tmp_path / "whole"))


def test_a_text_goes_on_after_its_prompt_with_its_space(tmp_path, phi):
    """A tokenizer of whole words, which begins each text with a space of its own and loses it when decoding."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    from harness.stages.systems.language_model.decoding import written

    words = Tokenizer(models.WordLevel({"</s>": 0, "▁snow": 1, "▁is": 2, "▁bright": 3}, unk_token="</s>"))
    words.pre_tokenizer = pre_tokenizers.Metaspace()
    words.decoder = decoders.Metaspace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="</s>")
    assert tokenizer("snow is").input_ids == [1, 2]
    assert written(tokenizer, [1, 2], [3, 0, 0], stops=[0]) == (" bright", 1, True)
    assert written(tokenizer, [1, 2], [3, 1], stops=[0]) == (" bright snow", 2, False)


@pytest.mark.parametrize(
    ("template", "begins"),
    [("$A", []), ("$A <|endoftext|>", []), ("<|endoftext|> $A <|endoftext|>", [0])],
)
def test_a_prompt_does_not_end_where_the_tokenizer_ends_texts(template, begins):
    tokenizer = learn(["Snow is bright."], vocabulary=300, context=64)
    snow = tokenizer("Snow").input_ids
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=template, special_tokens=[("<|endoftext|>", 0)]
    )
    assert encoded(tokenizer, "Snow") == [*begins, *snow]
    assert encoded(tokenizer, "") == [0]
    assert encoded(tokenizer, "Snow<|endoftext|>")[-1] == 0


def choices(sampling, scores, texts=2000):
    choice = Choice([Prompt(i, 0, [0]) for i in range(texts)], sampling)
    left = choice(torch.zeros(texts, 1, dtype=torch.long), scores.expand(texts, -1))
    assert bool((left.isfinite().sum(dim=1) == 1).all())
    return torch.bincount(left.argmax(dim=1), minlength=scores.shape[-1]) / texts


def test_tokens_are_drawn_with_the_probability_that_the_model_gives_them():
    scores = torch.tensor([[0.0, 2.0, 1.0, -3.0]])
    shares = scores[0].softmax(dim=-1)
    torch.testing.assert_close(choices(Sampling(1.0, 1.0, 0), scores), shares, rtol=0, atol=0.04)
    colder = (scores[0] / 0.5).softmax(dim=-1)
    torch.testing.assert_close(choices(Sampling(0.5, 1.0, 0), scores), colder, rtol=0, atol=0.04)
    almost_greedy = choices(Sampling(1e-12, 1.0, 0), scores)
    assert almost_greedy.tolist() == [0, 1, 0, 0]


def test_top_p_draws_from_the_fewest_likeliest_tokens_that_reach_it():
    shares = torch.tensor([[0.5, 0.3, 0.15, 0.05]])
    drawn = choices(Sampling(1.0, 0.7, 0), shares.log())
    torch.testing.assert_close(drawn, torch.tensor([0.625, 0.375, 0, 0]), rtol=0, atol=0.04)
    assert choices(Sampling(1.0, 0.0, 0), shares.log()).tolist() == [1, 0, 0, 0]


def test_scores_that_are_not_finite_are_refused():
    with pytest.raises(StageError, match="not finite"):
        choices(Sampling(0.0, 1.0, 0), torch.tensor([[0.0, torch.nan]]))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"prompts": ()}, "prompts: none"),
        (
            {"max_tokens": 60},
            r"prompt 2 has \d+ tokens, and 60 more are to be written; the model reads 64 at once",
        ),
        ({"prompts": ("snow " * 80,)}, r"prompt 1 has \d+ tokens"),
    ],
)
def test_what_cannot_be_written_is_refused(phi, tmp_path, parameters, message):
    with pytest.raises(StageError, match=message):
        generated(phi, tmp_path, **parameters)


def test_what_it_cost_is_known(phi, tmp_path):
    job = FolderJob(tmp_path)
    texts = generate(phi, prompts=PROMPTS, max_tokens=4, batch_size=2, job=job)
    cost = texts.facts["cost"]
    assert (cost["texts"], cost["batch_size"]) == (5, 2)
    assert cost["tokens"] == sum(row["tokens"] for row in rows(texts)) > 0
    assert cost["wall_s"] > 0
    assert cost["peak_bytes"] > 1e6
    assert {"device", "threads"} <= cost.keys()
    assert job.reports[-1] == (5, 5, "texts")
    assert texts.facts["count"] == 5
