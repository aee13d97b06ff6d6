"""What is refused when a network is opened: random results, rows that change one another, models that look ahead."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertLMHeadModel, LlamaConfig, LlamaForCausalLM

from harness.compute.behaviour import causal, repeatable, tolerance
from harness.errors import StageError

SIZES: dict[str, Any] = {
    "vocab_size": 60, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "max_position_embeddings": 32,
}  # fmt: skip


def layers(*more: nn.Module) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), *more, nn.Linear(16, 4)).eval()


def tried(network: nn.Module) -> Tensor:
    inputs = torch.linspace(-1, 1, 24).reshape(3, 8)
    return repeatable(lambda count: network(inputs[:count]), network, "the network")


def test_a_plain_network_passes_and_its_results_are_returned() -> None:
    network = layers(nn.Dropout(0.5), nn.BatchNorm1d(16))
    assert tried(network).shape == (3, 4)


@pytest.mark.parametrize("strength", [1.0, 1e-3])
def test_random_results_are_refused(strength: float) -> None:
    class Noise(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + strength * torch.randn_like(x)

    with pytest.raises(
        StageError, match=r"^the network: a Sequential is random at inference: one input twice"
    ):
        tried(layers(Noise()))


def test_a_network_left_in_training_mode_is_refused() -> None:
    with pytest.raises(StageError, match="is random at inference"):
        tried(layers(nn.Dropout(0.5)).train())


def test_rows_that_change_one_another_are_refused() -> None:
    class Centred(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x - x.mean(dim=0, keepdim=True)

    with pytest.raises(StageError, match="mixes the inputs of a batch: one input alone gives a result"):
        tried(layers(Centred()))


def test_the_tolerance_follows_from_depth_and_type() -> None:
    shallow, deep = layers(), layers(*(nn.Linear(16, 16) for _ in range(30)))
    assert tolerance(shallow, torch.float32) == pytest.approx(32 * 2**-23 * 2**0.5)
    assert tolerance(deep, torch.float32) == pytest.approx(32 * 2**-23 * 32**0.5)
    assert tolerance(shallow, torch.float64) < 1e-13
    assert tolerance(deep, torch.bfloat16) == 0.25


def test_results_that_are_not_finite_are_left_to_the_stage_that_knows_where() -> None:
    network: Any = layers()
    network[0].weight.data.fill_(torch.nan)
    assert not bool(tried(network).isfinite().any())


def llama(**settings: Any) -> nn.Module:
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**{**SIZES, **settings})).eval()


def bert(**settings: Any) -> nn.Module:
    torch.manual_seed(0)
    return BertLMHeadModel(BertConfig(**{**SIZES, **settings})).eval()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_model_that_reads_left_to_right_passes_and_keeps_its_types(dtype: torch.dtype) -> None:
    network = llama().to(dtype)
    network.model.norm.float()  # type: ignore[union-attr, operator]
    before = {name: (w.dtype, w.clone()) for name, w in network.state_dict().items()}
    state = torch.get_rng_state()
    causal(network, 60, 32, "the model")
    assert torch.equal(torch.get_rng_state(), state)
    for name, weight in network.state_dict().items():
        assert weight.dtype == before[name][0]
        assert torch.equal(weight, before[name][1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_model_that_looks_ahead_is_refused_in_every_type(dtype: torch.dtype) -> None:
    """In half precision, what the last token adds to earlier scores is less than their rounding."""
    with pytest.raises(
        StageError, match=r"^the model: a BertLMHeadModel is not causal: another last token changes"
    ):
        causal(bert().to(dtype), 60, 32, "the model")


def test_the_same_network_with_a_mask_passes() -> None:
    causal(bert(is_decoder=True), 60, 32, "the model")


def test_a_context_of_one_token_has_nothing_to_look_ahead_to() -> None:
    causal(llama(), 60, 1, "the model")


def test_a_network_without_scores_is_one_line() -> None:
    with pytest.raises(
        StageError, match=r"^the model: a Sequential does not score texts \(.*\); expected a causal"
    ):
        causal(layers(), 60, 32, "the model")
