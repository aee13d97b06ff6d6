"""Likelihoods beside the EleutherAI harness: the same network, texts, context and batch, in turns."""

from __future__ import annotations

import inspect
import time
from itertools import count
from pathlib import Path
from statistics import median

import pytest
import torch
from jobs import FolderJob
from pytest_benchmark.fixture import BenchmarkFixture

from harness.artifact import Corpus, LanguageModel, Likelihoods
from harness.formats import corpus
from harness.formats.likelihoods import read
from harness.stages.systems.language_model.likelihood import likelihood

CONTEXT, BATCH, COUNT, ROUNDS = 256, 8, 12, 5
EMBEDDINGS = 16_384


def real_texts() -> list[str]:
    """The documentation of torch's modules, of very unequal length, each long enough to have some."""
    found = [
        inspect.getdoc(each) or "" for _, each in sorted(vars(torch.nn).items()) if inspect.isclass(each)
    ]
    return [text for text in found if len(text) > 200][:COUNT]


def a_model(texts: list[str], folder: Path) -> LanguageModel:
    """A Phi with random weights, small beside its vocabulary; it has more embeddings than tokens, as Phi has."""
    from transformers import PhiConfig, PhiForCausalLM

    from harness.stages.systems.language_model.checks import learn

    tokenizer = learn(texts, vocabulary=2048, context=CONTEXT)
    torch.manual_seed(0)
    config = PhiConfig(
        vocab_size=EMBEDDINGS,
        hidden_size=64,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=CONTEXT,
        bos_token_id=0,
        eos_token_id=0,
    )
    PhiForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return LanguageModel(folder)


def test_rolling_log_likelihoods(tmp_path: Path, benchmark: BenchmarkFixture) -> None:
    """Both with the model in memory, from texts to sums.

    ``tokens_per_s_ratio`` is ours by theirs, the median of alternating rounds: at least 1.
    ``whole_stage_ratio`` is the same where our time includes opening the model, and theirs does not.
    """
    pytest.importorskip("lm_eval", reason="a dependency of the tests alone")
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM
    from transformers import AutoModelForCausalLM, AutoTokenizer

    texts = real_texts()
    model = a_model(texts, tmp_path / "model")
    (tmp_path / "corpus").mkdir()
    corpus.write(tmp_path / "corpus", [corpus.Row(text, str(i), 0, 0) for i, text in enumerate(texts)])
    network = HFLM(
        pretrained=AutoModelForCausalLM.from_pretrained(model.path),
        tokenizer=AutoTokenizer.from_pretrained(model.path),
        add_bos_token=False,
        batch_size=BATCH,
        device="cpu",
    )
    asked = [
        Instance(request_type="loglikelihood_rolling", doc={}, arguments=(text,), idx=i)
        for i, text in enumerate(texts)
    ]
    seconds: list[float] = []
    ours: list[float] = []
    stages: list[float] = []
    expected: list[float] = []
    folders = count()

    def their_round() -> None:
        started = time.perf_counter()
        expected[:] = network.loglikelihood_rolling(asked, disable_tqdm=True)
        seconds.append(time.perf_counter() - started)

    def our_round() -> Likelihoods:
        started = time.perf_counter()
        job = FolderJob(tmp_path / str(next(folders)))
        made = likelihood(model, Corpus(tmp_path / "corpus"), batch_size=BATCH, job=job)
        stages.append(time.perf_counter() - started)
        cost = made.facts["cost"]
        assert isinstance(cost, dict)
        ours.append(cost["wall_s"])
        return made

    made = benchmark.pedantic(our_round, setup=their_round, rounds=ROUNDS, warmup_rounds=1)
    assert len(texts) == COUNT
    assert [-row.nll for row in read(made.path)] == pytest.approx(expected, rel=1e-5)
    tokens = made.facts["tokens"]
    assert isinstance(tokens, int)
    ratio, whole = (
        median(theirs / mine for theirs, mine in zip(seconds[1:], times[1:], strict=True))
        for times in (ours, stages)
    )
    benchmark.extra_info["tokens"] = tokens
    benchmark.extra_info["tokens_per_s"] = round(tokens / min(ours[1:]))
    benchmark.extra_info["lm_eval_tokens_per_s"] = round(tokens / min(seconds[1:]))
    benchmark.extra_info["tokens_per_s_ratio"] = round(ratio, 3)
    benchmark.extra_info["whole_stage_ratio"] = round(whole, 3)
    assert ratio >= 1
