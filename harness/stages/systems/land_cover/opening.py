"""Opens a stored classifier, tries it, and saves a network as one, for stages of other packages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file

from harness.compute.behaviour import repeatable
from harness.compute.weights import UNREADABLE, one_line
from harness.errors import StageError
from harness.stages.systems import land_cover
from harness.stages.systems.land_cover.loading import Preparation

if TYPE_CHECKING:
    from torch import nn


SMALL = 64
"""Side in pixels of the pictures that classifiers of any size are tried with."""


def open_classifier(folder: Path, what: str = "the classifier") -> tuple[list[str], Preparation, nn.Module]:
    """Class names, how images are prepared, and the network, on the CPU.

    Args:
        folder: of a ``Classifier``.
        what: its name in messages.

    Raises:
        StageError: a file is missing or damaged, or the weights do not fit.
    """
    return land_cover._restore(folder, what)


def save(
    network: nn.Module, architecture: str, classes: Sequence[str], preparation: Preparation, folder: Path
) -> None:
    """Write a classifier's folder.

    Args:
        network: as ``timm.create_model(architecture, num_classes=len(classes))`` makes it.
        architecture: timm's name.
        classes: their names, in the order of the logits.
        preparation: how its images are prepared.
        folder: must exist.
    """
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    save_file(state, folder / land_cover.MODEL)
    described = {"model": architecture, "classes": list(classes), "preparation": preparation.to_json()}
    (folder / land_cover.DESCRIPTION).write_text(json.dumps(described, indent=1), encoding="utf-8")


def try_out(network: Any, crop: int | None, what: str) -> None:
    """Check that a classifier takes pictures and is ``repeatable``.

    Raises:
        StageError: it is not.
    """
    told = network.pretrained_cfg
    side = crop or (told["input_size"][-1] if told.get("fixed_input_size") else SMALL)
    pictures = torch.linspace(-1, 1, 3 * 3 * side * side).reshape(3, 3, side, side)
    try:
        repeatable(lambda count: network(pictures[:count]), network.eval(), what)
    except StageError:
        raise
    except UNREADABLE as e:
        raise StageError(f"{what}: does not take pictures of {side}×{side} pixels ({one_line(e)})") from None
