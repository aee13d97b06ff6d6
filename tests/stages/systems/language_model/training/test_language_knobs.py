"""Each parameter of a fine-tuning does what it says, and a mistake is one line."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from corpora import corpus
from jobs import FolderJob
from rounding import assert_same_training, rounded
from safetensors.torch import save_file
from tiny_language_model import FULL, LORA, QLORA, RECIPE, far, history, tiny_model, weights

from harness.artifact import Corpus, LanguageModel
from harness.compute.training import train
from harness.errors import ResourceError, StageError
from harness.stages.systems.language_model.models import finetune
from harness.stages.systems.language_model.opening import open_subject
from harness.stages.systems.language_model.training import LanguageLearner, read_rows

pytestmark = pytest.mark.numeric

KNOBS: list[dict[str, Any]] = [
    {"context": 16},
    {"batching": "pack"},
    {"eos": False},
    {"epochs": 1},
    {"max_steps": 3},
    {"batch_size": 3},
    {"accumulate": 2},
    {"lr": 2e-3},
    {"optimiser": "adamw-8bit"},
    {"weight_decay": 0.5},
    {"schedule": "linear"},
    {"schedule": "cosine"},
    {"warm_up": 2},
    {"max_norm": 0.01},
    {"precision": "bf16"},
    {"precision": "fp16"},
    {"seed": 1},
    {"method": "lora"},
]


@pytest.mark.proves(
    "language_model.finetune",
    "method context batching eos epochs max_steps batch_size accumulate lr optimiser weight_decay "
    "schedule warm_up max_norm precision seed",
)
@pytest.mark.slow
@pytest.mark.parametrize("knob", KNOBS, ids=lambda k: "-".join(map(str, k.items())))
def test_every_knob_changes_the_weights(
    base: LanguageModel, data: Corpus, full: LanguageModel, tmp_path: Path, knob: dict[str, Any]
) -> None:
    assert far(full, finetune(base, data, **{**FULL, **knob}, job=FolderJob(tmp_path))) > 0


@pytest.mark.proves("language_model.finetune", "rank alpha targets dropout")
@pytest.mark.parametrize(
    "knob",
    [
        {"rank": 2},
        {"alpha": 64.0},
        {"targets": ("fc1", "k_proj")},
        {"dropout": 0.5},
        {"method": "qlora"},
        {"seed": 1},
    ],
    ids=lambda k: "-".join(map(str, k.items())),
)
def test_every_knob_of_adapters_changes_them(
    base: LanguageModel, data: Corpus, lora: LanguageModel, tmp_path: Path, knob: dict[str, Any]
) -> None:
    assert far(lora, finetune(base, data, **{**LORA, **knob}, job=FolderJob(tmp_path))) > 0


def test_accumulated_batches_are_one_large_batch(base: LanguageModel, data: Corpus, tmp_path: Path) -> None:
    """The texts are of different lengths, so a mean of the batches' means would be another loss."""
    once = finetune(base, data, **{**FULL, "batch_size": 6}, job=FolderJob(tmp_path / "once"))
    for size, accumulate in ((3, 2), (1, 6)):
        how = {**FULL, "batch_size": size, "accumulate": accumulate}
        parted = finetune(base, data, **how, job=FolderJob(tmp_path / str(size)))
        for one, other in zip(history(once), history(parted), strict=True):
            assert one["train_loss"] == pytest.approx(other["train_loss"], rel=rounded(terms=128, layers=12))
        assert_same_training(weights(once), weights(parted), lr=FULL["lr"])


@pytest.mark.proves("language_model.finetune", "gradient_checkpointing")
@pytest.mark.parametrize(
    "method", [FULL, {**LORA, "dropout": 0.5}, {**QLORA, "dropout": 0.5}], ids=["full", "lora", "qlora"]
)
def test_gradient_checkpointing_changes_nothing(
    base: LanguageModel, data: Corpus, tmp_path: Path, method: dict[str, Any]
) -> None:
    """What a layer drops at random is dropped again when it is computed again."""
    plain, saving = (
        finetune(base, data, **method, gradient_checkpointing=on, job=FolderJob(tmp_path / str(on)))
        for on in (False, True)
    )
    assert_same_training(weights(plain), weights(saving), lr=FULL["lr"])


def test_gradient_checkpointing_is_a_condition_at_half_precision(
    base: LanguageModel, data: Corpus, full: LanguageModel, tmp_path: Path
) -> None:
    how = {**FULL, "precision": "bf16", "max_steps": 1, "gradient_checkpointing": True}
    assert finetune(base, data, **how, job=FolderJob(tmp_path)).conditions == {"gradient_checkpointing": True}
    assert full.conditions == {}


@pytest.mark.parametrize("method", ["full", "lora", "qlora"])
@pytest.mark.parametrize(("gradient_checkpointing", "times"), [(False, 1), (True, 2)])
def test_gradient_checkpointing_computes_each_layer_twice(
    base: LanguageModel,
    data: Corpus,
    tmp_path: Path,
    method: Literal["full", "lora", "qlora"],
    gradient_checkpointing: bool,
    times: int,
) -> None:
    how = {"method": method, "gradient_checkpointing": gradient_checkpointing, "max_steps": 1}
    recipe, job, entered = replace(RECIPE, **how), FolderJob(tmp_path), Counter[str]()
    subject = open_subject(recipe, base.path, job.device)
    for name, module in subject.network.named_modules():
        if name.endswith("self_attn"):
            module.register_forward_pre_hook(lambda *_, name=name: entered.update([name]))
    rows = read_rows(data.path, subject.tokenizer, recipe, "training", job).rows
    train(LanguageLearner(recipe, subject, rows, (), job.device), job.scratch, job.progress)
    assert len(entered) == 2
    assert set(entered.values()) == {times}


@pytest.mark.parametrize(
    ("how", "advice"),
    [
        ({"batch_size": 6}, "set batch_size: 3 and accumulate: 2"),
        ({"batch_size": 5, "accumulate": 2}, "set batch_size: 1 and accumulate: 10"),
        ({"batch_size": 1}, "set gradient_checkpointing: true, or a smaller context"),
    ],
)
def test_too_little_memory_is_said_with_what_needs_less(
    base: LanguageModel, data: Corpus, tmp_path: Path, how: dict[str, Any], advice: str
) -> None:
    def fill(done: int, total: int, what: str) -> None:
        raise MemoryError

    with pytest.raises(ResourceError, match=f"out of memory at batch_size .* and context 32; {advice}"):
        finetune(base, data, **{**FULL, **how}, job=FolderJob(tmp_path, fill))


def test_mistakes_are_one_line(
    base: LanguageModel, data: Corpus, lora: LanguageModel, tmp_path: Path
) -> None:
    def refused(message: str, model: LanguageModel = base, texts: Corpus = data, **how: Any) -> None:
        with pytest.raises(StageError, match=message) as caught:
            finetune(model, texts, **how, job=FolderJob(tmp_path / message[:12]))
        assert "\n" not in str(caught.value)

    refused(r"warm_up: 4 of 4 steps leaves nothing", **FULL, warm_up=4)
    refused(r"training loss became (nan|inf) at step \d; lower lr", **{**FULL, "lr": 1e30, "max_norm": 1e30})
    over = {"lr": 1e20, "weight_decay": 1e20, "max_steps": 1}  # the last step, after which there is no loss
    refused(r"the training, after step 1: .* values that are not finite in float32", **{**FULL, **over})
    refused(r"context: 65 tokens; the model has positions for 64", **{**FULL, "context": 65})
    refused(r"model: an adapter, and training starts from a whole model", lora, **FULL)
    refused(r"'q_prj'; there are dense, fc1, .*; did you mean 'q_proj'\?", **{**LORA, "targets": ("q_prj",)})
    refused(r"targets: none", **{**LORA, "targets": ()})
    refused(r"rank: method full has no adapters", **FULL, rank=4)
    refused(r"targets: method full has no adapters", **FULL, targets=("fc1",))
    refused(r"the training corpus is empty", texts=corpus(tmp_path / "empty"), **FULL)
    broken = tiny_model(tmp_path / "broken")
    state = dict(weights(broken))
    state["lm_head.bias"][7] = float("nan")
    save_file(state, broken.path / "model.safetensors", metadata={"format": "pt"})
    for how in (FULL, LORA, QLORA):
        refused(r"lm_head\.bias has 1 of 300 values that are not finite", broken, **how)
