"""Fine-tuning learns, by each of its methods, and what it leaves is what was trained."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from bitsandbytes.nn.modules import Linear4bit
from corpora import corpus
from jobs import FolderJob
from rounding import rounded
from tiny_language_model import FULL, RECIPE, SENTENCES, far, history, tiny_model, weights

from harness.artifact import Corpus, LanguageModel
from harness.compute.training import train
from harness.stages.systems.language_model.models import finetune
from harness.stages.systems.language_model.opening import open_model, open_subject
from harness.stages.systems.language_model.training import LanguageLearner, read_rows

pytestmark = pytest.mark.numeric


@torch.inference_mode()
def logits(model: LanguageModel, base: LanguageModel | None) -> torch.Tensor:
    opened = open_model(model.path, base.path if base else None, precision="fp32", device="cpu")
    answer: torch.Tensor = opened.network(input_ids=torch.arange(20)[None]).logits
    return answer


def test_a_full_training_leaves_a_model_all_of_which_has_learnt(
    base: LanguageModel, full: LanguageModel
) -> None:
    before, after = weights(base), weights(full)
    assert before.keys() == after.keys()
    assert all(not torch.equal(before[name], after[name]) for name in before)
    assert (
        full.facts["parameters"] == full.facts["trained_parameters"] == sum(t.numel() for t in after.values())
    )


def test_adapters_leave_the_base_to_itself(
    base: LanguageModel, lora: LanguageModel, qlora: LanguageModel
) -> None:
    """Two layers, three projections each: 2 · 3 · (64 · 4 + 4 · 64) numbers learn."""
    for made in (lora, qlora):
        names = {"adapter_config.json", "adapter_model.safetensors", "training.json"}
        assert {file.name for file in made.path.iterdir()} == names
        assert made.facts["trained_parameters"] == 3072 == sum(t.numel() for t in weights(made).values())
        assert made.facts["parameters"] == sum(t.numel() for t in weights(base).values())
        config = json.loads((made.path / "adapter_config.json").read_text())
        assert config["target_modules"] == ["k_proj", "q_proj", "v_proj"]
    quantised = json.loads((qlora.path / "training.json").read_text())["quantisation"]
    assert quantised == {"type": "nf4", "double": True, "compute": "fp32"}


def test_the_three_methods_learn_three_things(
    base: LanguageModel, full: LanguageModel, lora: LanguageModel, qlora: LanguageModel
) -> None:
    assert far(lora, qlora) > 0
    answers = [logits(base, None), logits(full, None), logits(lora, base), logits(qlora, base)]
    for i, one in enumerate(answers):
        assert all(not torch.allclose(one, other) for other in answers[:i])


@pytest.mark.parametrize("method", ["full", "lora", "qlora"])
def test_what_is_opened_again_is_what_was_trained(
    method: str, base: LanguageModel, data: Corpus, request: pytest.FixtureRequest
) -> None:
    """Its loss is the last one of the training, and no path of this machine is in it."""
    made: LanguageModel = request.getfixturevalue(method)
    opened = open_model(made.path, None if method == "full" else base.path, precision="fp32", device="cpu")
    end = opened.tokenizer.eos_token_id
    ids = [[*opened.tokenizer(text).input_ids, end] for text in SENTENCES]
    summed, count = 0.0, 0
    with torch.inference_mode():
        for row in (torch.tensor(text[:33]) for text in ids):
            answer = opened.network(input_ids=row[None, :-1]).logits[0]
            summed += float(torch.nn.functional.cross_entropy(answer, row[1:], reduction="sum"))
            count += len(row) - 1
    assert history(made)[-1]["validation_loss"] == pytest.approx(
        summed / count, rel=rounded(terms=128, layers=12)
    )
    assert all(str(base.path).encode() not in file.read_bytes() for file in made.path.iterdir())


def test_four_bits_stay_four_bits(base: LanguageModel, data: Corpus, tmp_path: Path) -> None:
    """Through training, evaluation (which packs them on some CPUs) and training again."""
    recipe, job = replace(RECIPE, method="qlora", max_steps=3), FolderJob(tmp_path)
    subject = open_subject(recipe, base.path, "cpu")
    layers = [module for module in subject.network.modules() if isinstance(module, Linear4bit)]
    before = [layer.weight.detach().clone() for layer in layers]
    rows = read_rows(data.path, subject.tokenizer, recipe, "training", job).rows
    learner = LanguageLearner(recipe, subject, rows, rows, job.device)
    learnt = train(learner, job.scratch, job.progress)
    assert len(learnt) == 3
    assert all(row["validation_loss"] is not None for row in learnt)
    assert len(layers) == 12
    assert all(weight.dtype == torch.uint8 for weight in before)
    assert all(torch.equal(layer.weight, weight) for layer, weight in zip(layers, before, strict=True))
    learning = {name.split(".")[-3] for name, p in subject.network.named_parameters() if p.requires_grad}
    assert learning == {"lora_A", "lora_B"}


def test_the_same_training_gives_the_same_weights(
    base: LanguageModel, data: Corpus, full: LanguageModel, tmp_path: Path
) -> None:
    torch.manual_seed(99)
    before = torch.get_rng_state()
    assert far(full, finetune(base, data, **FULL, job=FolderJob(tmp_path))) == 0
    assert torch.equal(before, torch.get_rng_state())


def test_the_history_has_both_losses(full: LanguageModel) -> None:
    rows = history(full)
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert all(row["train_loss"] > 0 and row["validation_loss"] > 0 and row["lr"] == 1e-3 for row in rows)


def test_a_row_of_the_history_has_the_rate_of_its_own_step(
    base: LanguageModel, data: Corpus, tmp_path: Path
) -> None:
    made = finetune(base, data, **FULL, schedule="linear", warm_up=2, job=FolderJob(tmp_path))
    assert [row["lr"] for row in history(made)] == pytest.approx([0, 5e-4, 1e-3, 5e-4])


def test_only_tokens_that_are_learnt_reach_the_vocabulary(
    base: LanguageModel, data: Corpus, tmp_path: Path
) -> None:
    recipe, job = replace(RECIPE, batch_size=6, epochs=1), FolderJob(tmp_path)
    subject = open_subject(recipe, base.path, "cpu")
    rows = read_rows(data.path, subject.tokenizer, recipe, "training", job)
    seen: list[int] = []
    subject.network.lm_head.register_forward_hook(lambda _m, _i, logits: seen.append(len(logits)))
    train(LanguageLearner(recipe, subject, rows.rows, (), job.device), job.scratch, job.progress)
    longest = max(len(row) - 1 for row in rows.rows)
    assert seen == [rows.facts["tokens"]]
    assert seen[0] < 6 * longest


def test_the_cost_is_that_of_the_tokens_trained(full: LanguageModel) -> None:
    """Four steps of two texts are one pass over the six, and two more."""
    cost: Any = full.facts["cost"]
    seen: Any = full.facts["training"]
    assert seen["tokens"] < cost["tokens"] < 2 * seen["tokens"]
    assert cost["tokens_per_s"] == pytest.approx(cost["tokens"] / cost["wall_s"])
    assert cost["peak_bytes"] > 0
    assert cost["batch_size"] == 2
    assert full.facts["steps"] == 4


@pytest.mark.parametrize("method", ["full", "lora", "qlora"])
def test_a_repeated_sentence_is_learnt(method: str, base: LanguageModel, tmp_path: Path) -> None:
    learning = {} if method == "full" else {"targets": ("q_proj", "dense", "fc1", "fc2", "lm_head")}
    more = {**FULL, "method": method, **learning, "max_steps": 40, "epochs": 40, "lr": 1e-2}
    text = corpus(tmp_path, *["Snow is bright."] * 4)
    made = finetune(base, text, text, **more, job=FolderJob(tmp_path / "job"))
    losses = [row["validation_loss"] for row in history(made) if row["validation_loss"] is not None]
    assert len(losses) == 10
    assert losses[-1] < 0.5 * losses[0]
    if method == "full":
        opened = open_model(made.path, None, precision="fp32", device="cpu")
        start = opened.tokenizer("Snow", return_tensors="pt").input_ids
        [written] = opened.network.generate(start, do_sample=False, max_new_tokens=30)
        assert opened.tokenizer.decode(written) == "Snow is bright.<|endoftext|>"  # and there it stops


def test_a_models_own_dropout_is_drawn_anew_at_every_step(data: Corpus, tmp_path: Path) -> None:
    dropping = tiny_model(tmp_path / "model", dropout=0.5)
    how = {**FULL, "lr": 1e-12, "epochs": 2, "max_steps": 2, "batch_size": 6}
    made = finetune(dropping, data, data, **how, job=FolderJob(tmp_path / "one"))
    one, two = history(made)
    near = rounded(terms=128, layers=12)
    assert one["train_loss"] != pytest.approx(two["train_loss"], rel=near)
    assert one["validation_loss"] == pytest.approx(two["validation_loss"], rel=near)
    assert history(made) == history(finetune(dropping, data, data, **how, job=FolderJob(tmp_path / "two")))


def test_the_end_of_a_text_is_learnt_as_an_input_even_where_it_is_the_pad(
    base: LanguageModel, data: Corpus, tmp_path: Path
) -> None:
    """Transformers makes an embedding without gradient of the token that pads."""
    packed = finetune(base, data, **FULL, batching="pack", job=FolderJob(tmp_path))
    before, after = (weights(m)["model.embed_tokens.weight"][0] for m in (base, packed))
    assert not torch.equal(before, after)
