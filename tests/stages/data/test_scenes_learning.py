"""The drawn scenes ask for more than colour: what a histogram can tell, and what a network can."""

from __future__ import annotations

import numpy as np
import pytest

from harness.stages.data.scenes.world import CLASSES, scene

pytestmark = pytest.mark.numeric

BATCH = 32


def pictures(count: int, *, seed: int = 0, region: str = "temperate", size: int = 64) -> np.ndarray:
    """``count`` scenes of each class, shape (7, count, size, size, 3)."""
    return np.stack(
        [[scene(label, i, size=size, region=region, seed=seed)[0] for i in range(count)] for label in CLASSES]
    )


@pytest.fixture(scope="module")
def seen() -> np.ndarray:
    return pictures(70)


@pytest.fixture(scope="module")
def unseen() -> np.ndarray:
    return pictures(40, seed=1)


def colours_of(images: np.ndarray) -> np.ndarray:
    """Square roots of the 8×8×8 colour histogram of each image of (M, H, W, 3), shape (M, 512)."""
    bins = (images.astype(np.int64) // 32) @ np.array([64, 8, 1])
    return np.sqrt([np.bincount(b.ravel(), minlength=512) / b.size for b in bins])


def colour_accuracy(train: np.ndarray, test: np.ndarray) -> float:
    """Accuracy of a logistic regression on colour histograms; both arrays (7, n, H, W, 3)."""
    import torch

    def flat(images: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        features = torch.tensor(colours_of(images.reshape(-1, *images.shape[2:])), dtype=torch.float32)
        return features, torch.arange(7).repeat_interleave(images.shape[1])

    (x, y), (held_out, truth) = flat(train), flat(test)
    weights = torch.zeros(512, 7, requires_grad=True)
    bias = torch.zeros(7, requires_grad=True)
    solver = torch.optim.LBFGS([weights, bias], max_iter=100)

    def loss() -> torch.Tensor:
        solver.zero_grad()
        value = torch.nn.functional.cross_entropy(x @ weights + bias, y) + 1e-3 * weights.square().sum()
        value.backward()
        return value

    solver.step(loss)
    return float(((held_out @ weights + bias).argmax(1) == truth).float().mean())


def network_accuracy(train: np.ndarray, test: np.ndarray, epochs: int) -> float:
    """Accuracy of a small convolutional network from random weights, trained with flips."""
    import torch
    from torch import nn

    def flat(images: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        pixels = torch.tensor(images.reshape(-1, *images.shape[2:])).permute(0, 3, 1, 2).float()
        return (pixels - 110) / 45, torch.arange(7).repeat_interleave(images.shape[1])

    def layer(taken: int, made: int, stride: int) -> list[nn.Module]:
        return [nn.Conv2d(taken, made, 3, stride, 1, bias=False), nn.BatchNorm2d(made), nn.ReLU()]

    (x, y), (held_out, truth) = flat(train), flat(test)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(
            *layer(3, 32, 2), *layer(32, 64, 2), *layer(64, 128, 2), *layer(128, 128, 1),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 7),
        )  # fmt: skip
        solver = torch.optim.AdamW(model.parameters(), 3e-3)
        steps = len(x) // BATCH
        pace = torch.optim.lr_scheduler.OneCycleLR(solver, 3e-3, total_steps=epochs * steps)
        for _ in range(epochs):
            order = torch.randperm(len(x))
            for batch in order[: steps * BATCH].split(BATCH):
                images = x[batch]
                for turn in (lambda i: i.flip(2), lambda i: i.flip(3), lambda i: i.transpose(2, 3)):
                    images = turn(images) if torch.rand(()) < 0.5 else images
                solver.zero_grad()
                torch.nn.functional.cross_entropy(model(images), y[batch]).backward()
                solver.step()
                pace.step()
        model.eval()
        with torch.no_grad():
            return float((model(held_out).argmax(1) == truth).float().mean())


def test_colours_alone_are_some_help_and_not_enough(seen: np.ndarray, unseen: np.ndarray) -> None:
    accuracy = colour_accuracy(seen[:, :60], unseen[:, :30])
    assert 0.35 < accuracy < 0.68


@pytest.mark.slow
def test_a_network_that_sees_structure_beats_colours_by_far(seen: np.ndarray, unseen: np.ndarray) -> None:
    colour, network = colour_accuracy(seen, unseen), network_accuracy(seen, unseen, epochs=20)
    assert network > 0.74
    assert network > colour + 0.1
