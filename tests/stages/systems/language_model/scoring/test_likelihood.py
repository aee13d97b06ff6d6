"""The stage on a minute Phi: its windows, against brute force, and what changes its output and what must not."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from rounding import rounded
from transformers import PhiForCausalLM

from harness.artifact import LanguageModel
from harness.errors import StageError
from harness.formats.likelihoods import read
from harness.stages.metrics import perplexity
from harness.stages.systems.language_model.adapters import Identity, Quantisation, Training
from harness.stages.systems.language_model.checks import learn
from harness.stages.systems.language_model.likelihood import likelihood
from harness.stages.systems.language_model.windows import windows

pytestmark = pytest.mark.numeric

PREFIX = -1


@st.composite
def plans(draw):
    """A text of distinct tokens, so that a token tells its place; context, stride, prefix, repeat."""
    context = draw(st.integers(1, 12))
    return {
        "tokens": list(range(draw(st.integers(0, 60)))),
        "context": context,
        "stride": draw(st.integers(1, context)),
        "prefix": draw(st.sampled_from([PREFIX, None])),
        "repeat": draw(st.booleans()),
    }


@given(plans())
def test_every_token_is_predicted_exactly_once_and_in_order(plan):
    predicted = [token for window in windows(**plan) for token in window.targets]
    assert predicted == plan["tokens"][plan["prefix"] is None :]


@given(plans())
def test_every_token_is_predicted_from_the_ones_before_it(plan):
    for inputs, targets in windows(**plan):
        assert 1 <= len(targets) <= len(inputs) <= plan["context"]
        for place, token in enumerate(targets, start=len(inputs) - len(targets)):
            before = list(inputs[: place + 1])
            if plan["prefix"] is not None and before[0] == PREFIX:
                before = before[1:]
            assert before == list(range(token - len(before), token))


@given(plans())
def test_a_window_after_the_first_is_full_and_predicts_a_stride(plan):
    first, *rest = list(windows(**plan)) or [None]
    for inputs, _ in rest:
        assert len(inputs) == plan["context"]
    for _, targets in rest[:-1]:
        assert len(targets) == plan["stride"]
    if rest:
        assert len(first.targets) == plan["context"]


def test_a_prefix_begins_the_first_window_or_every_one():
    def begins(repeat):
        made = windows(list(range(20)), context=5, stride=3, prefix=PREFIX, repeat=repeat)
        return [window.inputs[0] == PREFIX for window in made]

    assert begins(repeat=True) == [True] * 6
    assert begins(repeat=False) == [True] + [False] * 5


def test_windows_of_the_whole_context_with_a_prefix_each_are_texts_of_their_own():
    made = list(windows(list(range(8)), context=4, stride=4, prefix=PREFIX, repeat=True))
    assert made == [([PREFIX, 0, 1, 2], [0, 1, 2, 3]), ([PREFIX, 4, 5, 6], [4, 5, 6, 7])]


@pytest.mark.slow
@given(plans())
def test_they_are_the_rolling_windows_of_the_eleutherai_harness(plan):
    from lm_eval.utils import get_rolling_token_windows

    context, stride = plan["context"], plan["stride"]
    own = windows(plan["tokens"], context=context, stride=stride, prefix=PREFIX, repeat=False)
    theirs = get_rolling_token_windows(plan["tokens"], PREFIX, context, context - stride + 1)
    assert [(list(i), list(t)) for i, t in own] == list(theirs)


NEAR = rounded(terms=64, layers=12)
"""The minute Phi: sums of 64 products in two layers of six matrices."""


def nlls(likelihoods) -> dict[str, float]:
    return {row.item: row.nll for row in read(likelihoods.path)}


def brute_force(network, ids: list[int], prefix: int) -> float:
    """One token at a time, each from everything before it, in float64."""
    total, seen = 0.0, [prefix]
    with torch.inference_mode():
        for token in ids:
            logits = network(torch.tensor([seen])).logits[0, -1].double()
            total -= float(logits.log_softmax(dim=0)[token])
            seen.append(token)
    return total


def test_a_text_within_the_context_is_what_brute_force_finds(model, network, tokenizer, corpus, jobs):
    texts = {"one": "A satellite saw snow.", "two": "in rows;\nin every band", "three": "雪"}
    scored = likelihood(model, corpus(list(texts.items())), job=next(jobs))
    rows = {row.item: row for row in read(scored.path)}
    assert list(rows) == list(texts)
    for name, text in texts.items():
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert (rows[name].tokens, rows[name].bytes) == (len(ids), len(text.encode()))
        assert rows[name].nll == pytest.approx(brute_force(network, ids, prefix=0), rel=NEAR)


def test_a_longer_text_is_predicted_window_by_window(model, network, tokenizer, corpus, jobs):
    """With a stride of 1 a token has the ``context`` inputs before it, and no more: brute force again."""
    text, context = "Crops in rows; forests in patches.", 6
    scored = likelihood(model, corpus([("d", text)]), context=context, stride=1, job=next(jobs))
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert len(ids) > 2 * context
    line = [0, *ids]
    expected = sum(
        brute_force(network, [line[i]], 0) if i == 1 else _last(network, line[max(0, i - context) : i + 1])
        for i in range(1, len(line))
    )
    assert nlls(scored)["d"] == pytest.approx(expected, rel=NEAR)


def _last(network, ids: list[int]) -> float:
    with torch.inference_mode():
        logits = network(torch.tensor([ids[:-1]])).logits[0, -1].double()
    return -float(logits.log_softmax(dim=0)[ids[-1]])


@pytest.mark.proves("language_model.likelihood", "context stride bos eos unit precision quantisation")
@pytest.mark.parametrize(
    "changed",
    [
        {"context": 16},
        {"stride": 16},
        {"bos": "window"},
        {"bos": "none"},
        {"eos": True},
        {"unit": "row"},
        {"precision": "bf16"},
        {"quantisation": "nf4"},
    ],
    ids=str,
)
def test_every_knob_changes_the_likelihoods(model, text, jobs, changed):
    plain = likelihood(model, text, job=next(jobs))
    other = likelihood(model, text, **changed, job=next(jobs))
    assert sum(nlls(other).values()) != pytest.approx(sum(nlls(plain).values()), rel=NEAR)
    assert other.facts["protocol"] != plain.facts["protocol"]


@pytest.mark.proves("language_model.likelihood", "batch_size padding")
@pytest.mark.parametrize(
    "setting", [{}, {"context": 16, "stride": 5}, {"bos": "window", "eos": True}], ids=str
)
def test_neither_batch_size_nor_padding_changes_the_likelihoods(model, text, jobs, setting):
    expected = nlls(likelihood(model, text, batch_size=1, **setting, job=next(jobs)))
    assert len(expected) == 3
    for batch_size in (2, 64):
        for padding in ("left", "right"):
            made = likelihood(model, text, batch_size=batch_size, padding=padding, **setting, job=next(jobs))
            assert nlls(made) == pytest.approx(expected, rel=NEAR)
            assert made.conditions == {
                "context": setting.get("context", 32), "stride": setting.get("stride", 32)
            }  # fmt: skip


def test_batch_size_and_padding_are_conditions_at_half_precision(model, text, jobs):
    made = likelihood(model, text, precision="bf16", batch_size=3, padding="left", job=next(jobs))
    assert made.conditions == {"context": 32, "stride": 32, "batch_size": 3, "padding": "left"}


def test_the_facts_are_an_account_of_what_was_scored(model, corpus, jobs):
    job = next(jobs)
    given = corpus([("a", "Snow."), ("empty", ""), ("b", "Crops in rows"), ("void", "")])
    made = likelihood(model, given, stride=8, job=job)
    rows = read(made.path)
    assert [row.item for row in rows] == ["a", "b"]
    assert made.facts["protocol"] == "context=32, stride=8, bos=text, eos=no, unit=document, fp32"
    assert made.facts["empty"] == {"count": 2, "items": ["empty", "void"]}
    assert job.lines == ["nothing to predict in 2 of 4 texts, which are left out"]
    assert made.facts["texts"] == 2
    assert made.facts["tokens"] == sum(row.tokens for row in rows) == made.facts["cost"]["tokens"]
    assert made.facts["bytes"] == len("Snow.Crops in rows")
    assert made.facts["cost"]["tokens_per_s"] == made.facts["tokens"] / made.facts["cost"]["wall_s"]
    assert job.reports[-1] == (4, 4, "texts")


def test_a_corpus_of_empty_texts_is_refused(model, corpus, jobs):
    with pytest.raises(StageError, match="no tokens to predict in any of 2 texts"):
        likelihood(model, corpus([("a", ""), ("b", "")]), job=next(jobs))


def test_a_context_beyond_the_models_is_refused(model, text, jobs):
    with pytest.raises(StageError, match="context: 33 tokens; this model takes at most 32"):
        likelihood(model, text, context=33, job=next(jobs))
    with pytest.raises(StageError, match="stride: 33 is more than the context of 32"):
        likelihood(model, text, stride=33, job=next(jobs))


def test_likelihoods_that_are_not_finite_name_the_text(network, tokenizer, text, tmp_path, jobs):
    broken = PhiForCausalLM(network.config)
    broken.load_state_dict(network.state_dict())
    with torch.no_grad():
        broken.lm_head.weight.fill_(3e38)
    broken.save_pretrained(tmp_path / "broken")
    tokenizer.save_pretrained(tmp_path / "broken")
    with pytest.raises(
        StageError, match=r"(long|short|rows): a likelihood that is not a finite number in fp32"
    ):
        likelihood(LanguageModel(tmp_path / "broken"), text, job=next(jobs))


def test_a_model_that_knows_nothing_pays_for_every_token_alike(network, corpus, tmp_path, jobs):
    """Uniform logits: ln V nats per token, whatever the text; bits per byte follow from tokens and bytes alone."""
    snow = corpus([("d", "Snow lies on the bare land: it is bright.")])
    found = {}
    for vocabulary in (257, 300):
        speller = learn(["Snow lies on the bare land: it is bright."], vocabulary=vocabulary, context=32)
        config = network.config.__class__(**{**network.config.to_dict(), "vocab_size": len(speller)})
        uniform = PhiForCausalLM(config)
        with torch.no_grad():
            uniform.lm_head.weight.zero_()
        folder = tmp_path / str(vocabulary)
        uniform.save_pretrained(folder)
        speller.save_pretrained(folder)
        made = likelihood(LanguageModel(folder), snow, job=next(jobs))
        scores = perplexity.scores(made)
        assert scores.perplexity == pytest.approx(len(speller), rel=NEAR)
        expected = made.facts["tokens"] * math.log2(len(speller)) / made.facts["bytes"]
        assert scores.bits_per_byte == pytest.approx(expected, rel=NEAR)
        found[vocabulary] = made.facts["tokens"]
    assert found[257] == made.facts["bytes"] > found[300]


@pytest.fixture
def adapted(network):
    """A copy of the network with an adapter that does something."""
    copy = PhiForCausalLM(network.config)
    copy.load_state_dict(network.state_dict())
    torch.manual_seed(1)
    config = LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    return get_peft_model(copy, config).eval()


def test_an_adapter_on_its_base_scores_as_merged_into_it(adapted, model, tokenizer, text, tmp_path, jobs):
    adapted.save_pretrained(tmp_path / "adapter")
    Training(Identity.of(model.path, "the base"), None).write(tmp_path / "adapter")
    adapted.merge_and_unload().save_pretrained(tmp_path / "merged")
    tokenizer.save_pretrained(tmp_path / "merged")
    adapter = LanguageModel(tmp_path / "adapter")

    in_place = nlls(likelihood(adapter, text, model, stride=8, job=next(jobs)))
    merged = nlls(likelihood(LanguageModel(tmp_path / "merged"), text, stride=8, job=next(jobs)))
    bare = nlls(likelihood(model, text, stride=8, job=next(jobs)))
    assert in_place == pytest.approx(merged, rel=NEAR)
    assert min(abs(in_place[name] - bare[name]) for name in bare) > 1e-3
    with pytest.raises(StageError, match="set base"):
        likelihood(adapter, text, job=next(jobs))


def test_on_four_bits_neither_batch_size_nor_padding_changes_the_likelihoods(
    adapted, model, text, tmp_path, jobs
):
    adapted.save_pretrained(tmp_path)
    Training(Identity.of(model.path, "the base"), Quantisation.of_qlora("fp32")).write(tmp_path)
    adapter = LanguageModel(tmp_path)
    alone = nlls(likelihood(adapter, text, model, batch_size=1, job=next(jobs)))
    together = nlls(likelihood(adapter, text, model, batch_size=8, padding="left", job=next(jobs)))
    assert len(alone) == 3
    assert together == pytest.approx(alone, rel=NEAR)


def test_a_base_in_four_bits_scores_as_below_an_adapter_that_has_learnt_nothing(
    network, model, text, tmp_path, jobs
):
    """So what is between the two, once it has learnt, is what it has learnt, and not the rounding."""
    copy = PhiForCausalLM(network.config)
    idle = get_peft_model(copy, LoraConfig(r=2, target_modules=["q_proj", "v_proj"]))
    idle.save_pretrained(tmp_path)
    Training(Identity.of(model.path, "the base"), Quantisation.of_qlora("fp32")).write(tmp_path)
    below = likelihood(LanguageModel(tmp_path), text, model, job=next(jobs))
    rounded = likelihood(model, text, quantisation="nf4", job=next(jobs))
    assert nlls(rounded) == nlls(below)
    assert rounded.facts["protocol"] == below.facts["protocol"]
    assert rounded.facts["protocol"].endswith("unit=document, fp32, nf4")
    with pytest.raises(StageError, match="quantisation: the adapter says itself how its base was quantised"):
        likelihood(LanguageModel(tmp_path), text, model, quantisation="nf4", job=next(jobs))
