"""The network at work: what reaches the vocabulary, and what happens when memory runs out."""

import pytest
import torch
from rounding import rounded
from transformers import BloomConfig, BloomForCausalLM

from harness.errors import ResourceError, StageError
from harness.stages.systems.language_model.scorer import Scorer, arranged
from harness.stages.systems.language_model.windows import Window, windows

pytestmark = pytest.mark.numeric

NEAR = rounded(terms=64, layers=12)
"""The minute Phi: sums of 64 products in two layers of six matrices."""


def planned(lengths=(40, 20, 7)) -> list[Window]:
    return [
        window
        for length in lengths
        for window in windows(range(1, 1 + length), context=16, stride=4, prefix=0, repeat=False)
    ]


def sums(network, made, job, *, batch_size=4, precision="fp32") -> list[float]:
    scorer = Scorer(network, precision=precision, batch_size=batch_size, padding="right", job=job)
    found = {}
    for members, values in scorer.scored(made):
        found.update(zip(members, values.tolist(), strict=True))
    return [found[i] for i in range(len(made))]


@pytest.fixture
def small_memory(network):
    """The network on a device that cannot take more than two windows at once."""

    def refuse(_module, arguments):
        if len(arguments[0]) > 2:
            raise torch.OutOfMemoryError("more than two")

    hook = network.model.embed_tokens.register_forward_pre_hook(refuse)
    yield network
    hook.remove()


def test_only_positions_that_are_asked_for_reach_the_vocabulary(network, jobs):
    seen = []
    hook = network.lm_head.register_forward_hook(lambda _m, _i, logits: seen.append(tuple(logits.shape)))
    made = planned()
    sums(network, made, next(jobs))
    hook.remove()
    asked = sum(len(window.targets) for window in made)
    assert asked == 40 + 20 + 7 < sum(len(window.inputs) for window in made)
    assert sum(rows for rows, _ in seen) == asked


def test_out_of_memory_in_fp32_the_batch_halves_itself_and_the_result_stays(network, request, jobs):
    made, job = planned(), next(jobs)
    expected = sums(network, made, next(jobs), batch_size=1)
    assert len(expected) > 8
    small = request.getfixturevalue("small_memory")
    assert sums(small, made, job, batch_size=8) == pytest.approx(expected, rel=NEAR)
    assert job.lines == [
        "out of memory with 8 windows at once; going on with 4",
        "out of memory with 4 windows at once; going on with 2",
    ]


def test_out_of_memory_at_half_precision_names_the_batch_size_to_set(small_memory, jobs):
    with pytest.raises(ResourceError, match=r"4 windows at bf16, .*; set batch_size: 2"):
        sums(small_memory, planned(), next(jobs), precision="bf16")


def test_out_of_memory_with_one_window_asks_for_a_smaller_context(network, jobs):
    def refuse(_module, _arguments):
        raise torch.OutOfMemoryError("none at all")

    hook = network.model.embed_tokens.register_forward_pre_hook(refuse)
    with pytest.raises(ResourceError, match="a single window; set a smaller context"):
        sums(network, planned(), next(jobs))
    hook.remove()


def test_other_errors_of_the_network_are_not_taken_for_a_full_device(network, jobs):
    with pytest.raises(IndexError):
        sums(network, [Window([10_000], [1])], next(jobs))


def test_padding_and_what_counts_are_told_by_place():
    batch = [Window([5, 6, 7], [6, 7, 8]), Window([9, 0], [3])]
    tokens, mask, keep = arranged(batch, "right")
    assert tokens.tolist() == [[5, 6, 7], [9, 0, 0]]
    assert mask.tolist() == [[1, 1, 1], [1, 1, 0]]
    assert keep.tolist() == [[True, True, True], [False, True, False]]
    tokens, mask, keep = arranged(batch, "left")
    assert tokens.tolist() == [[5, 6, 7], [0, 9, 0]]
    assert mask.tolist() == [[1, 1, 1], [0, 1, 1]]
    assert keep.tolist() == [[True, True, True], [False, False, True]]


def test_padding_on_the_left_needs_a_network_that_takes_positions(jobs):
    bloom = BloomForCausalLM(BloomConfig(vocab_size=64, hidden_size=16, n_layer=1, n_head=2)).eval()
    with pytest.raises(StageError, match="padding: left, but BloomForCausalLM takes no positions"):
        Scorer(bloom, precision="fp32", batch_size=2, padding="left", job=next(jobs))
    made = planned()
    assert sums(bloom, made, next(jobs), batch_size=8) == pytest.approx(
        sums(bloom, made, next(jobs), batch_size=1), rel=NEAR
    )
