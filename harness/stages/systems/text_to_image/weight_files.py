"""The files with a network's weights in a pipeline. Pickles are recognised and never opened."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import torch

from harness.compute.weights import stored_dtype
from harness.errors import StageError
from harness.sources.content import PICKLED, conversion, refusal

_WEIGHTS = re.compile(
    r"(?:diffusion_pytorch_model|model)(?:\.(\w+))?(?:-\d+-of-\d+)?(?:\.(\w+))?\.safetensors"
)


class Weights(NamedTuple):
    """A network's files."""

    variant: str | None
    """``fp16`` in ``model.fp16.safetensors``; None for the plain name."""
    dtype: torch.dtype
    """A type that holds all the floating-point weights."""


def weights(folder: Path, what: str) -> Weights:
    """The safetensors files of a network: those with the plain name, else those of the only variant.

    Raises:
        StageError: no weights, only pickles, several variants, a damaged file, a dtype that cannot be computed in.
    """
    names = sorted(path.name for path in folder.iterdir())
    variants: dict[str | None, list[str]] = {}
    for name in names:
        if match := _WEIGHTS.fullmatch(name):
            variants.setdefault(match[1] or match[2], []).append(name)
    if not variants:
        if pickles := [name for name in names if Path(name).suffix in PICKLED]:
            raise StageError(f"{what}: {refusal(pickles[0], _convert_folder(folder.parent))}")
        raise StageError(
            f"{what}: no safetensors in {folder.name}/" if names else f"{what}: no {folder.name}/"
        )
    if None not in variants and len(variants) > 1:
        raise StageError(
            f"{what}: only variants ({', '.join(map(str, variants))}); expected one, or one without a suffix"
        )
    variant = None if None in variants else next(iter(variants))
    return Weights(variant, stored_dtype([folder / name for name in variants[variant]], what))


def refuse_pickle(file: Path, what: str) -> None:
    """Raises StageError for a pickle, which runs code when opened; the message has the command that converts it."""
    if file.suffix in PICKLED:
        convert = conversion(file.name, f"{file.stem}.safetensors")
        raise StageError(f"{what}: {refusal(file.name, convert)}")


def _convert_folder(folder: Path) -> str:
    return (
        'python -c "from diffusers import StableDiffusionPipeline as P; '
        f"P.from_pretrained('{folder.name}', safety_checker=None).save_pretrained('{folder.name}-safe')\""
    )
