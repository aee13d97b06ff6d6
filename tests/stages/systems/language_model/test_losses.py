"""Losses in slices: those of torch in one piece, gradients included, and nothing large kept in float32."""

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from harness.stages.systems.language_model.scorer import SLICE, losses

pytestmark = pytest.mark.numeric


def drawn(rows, vocabulary, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(rows, vocabulary, generator=generator).to(dtype).requires_grad_()
    return logits, torch.randint(vocabulary, (rows,), generator=generator)


@pytest.mark.parametrize("rows", [1, 3, 7])
def test_slices_have_the_losses_and_gradients_of_the_whole(rows):
    logits, targets = drawn(rows, SLICE // 3)
    losses(logits, targets).sum().backward()
    found, logits.grad = logits.grad, None
    whole = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
    assert torch.equal(losses(logits, targets), whole)
    whole.sum().backward()
    torch.testing.assert_close(found, logits.grad, rtol=1e-5, atol=1e-7)


def test_no_more_than_a_slice_is_kept_in_float32_for_the_way_back():
    logits, targets = drawn(8, SLICE // 2, torch.bfloat16)
    kept = []

    def note(tensor):
        kept.append((tensor.dtype, tensor.numel()))
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        found = losses(logits, targets)
    assert found.dtype == torch.float32
    assert kept
    assert not [size for dtype, size in kept if dtype == torch.float32 and size > SLICE]
    found.sum().backward()
    assert logits.grad.dtype == torch.bfloat16
