"""Files of weights: safetensors, by their headers. Pickles are told apart and never opened."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open

from harness.errors import StageError
from harness.systems.text_to_image.pipelines.checks import one_line

PICKLED = frozenset({".bin", ".ckpt", ".pt", ".pth", ".pkl"})
_WEIGHTS = re.compile(
    r"(?:diffusion_pytorch_model|model)(?:\.(\w+))?(?:-\d+-of-\d+)?(?:\.(\w+))?\.safetensors"
)
_DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


class Weights(NamedTuple):
    """A network's files."""

    variant: str | None
    """``fp16`` in ``model.fp16.safetensors``; None for the plain name."""
    dtype: torch.dtype
    """That all the floating-point numbers fit into."""


def weights(folder: Path, what: str) -> Weights:
    """The safetensors of a network: those of the plain name, else the only variant that there is.

    Raises:
        StageError: none, pickles only, a choice of variants, a damaged file, a format that cannot be computed in.
    """
    names = sorted(path.name for path in folder.iterdir())
    variants: dict[str | None, list[str]] = {}
    for name in names:
        if match := _WEIGHTS.fullmatch(name):
            variants.setdefault(match[1] or match[2], []).append(name)
    if not variants:
        if pickles := [name for name in names if Path(name).suffix in PICKLED]:
            raise StageError(f"{what}: {_refused(pickles[0])}: {_convert_folder(folder.parent)}")
        raise StageError(
            f"{what}: no safetensors in {folder.name}/" if names else f"{what}: no {folder.name}/"
        )
    if None not in variants and len(variants) > 1:
        raise StageError(
            f"{what}: only variants ({', '.join(map(str, variants))}); expected one, or one without a suffix"
        )
    variant = None if None in variants else next(iter(variants))
    return Weights(variant, stored_dtype([folder / name for name in variants[variant]], what))


def stored_dtype(files: Iterable[Path], what: str, prefix: str = "") -> torch.dtype:
    """The type that the floating-point tensors of safetensors files fit into; reads headers only.

    Args:
        files: of one network.
        what: what messages call it.
        prefix: only the tensors whose name begins so.

    Raises:
        StageError: a damaged file, a tensor in 8 bits or fewer, or none at all.
    """
    found: set[torch.dtype] = set()
    for file in files:
        for name, code in header(file, what).items():
            if name.startswith(prefix) and code.startswith(("F", "BF")):
                if code not in _DTYPES:
                    raise StageError(f"{what}: {name} is stored as {code}; expected {', '.join(_DTYPES)}")
                found.add(_DTYPES[code])
    if not found:
        raise StageError(f"{what}: no weights" + (f" ({prefix}…)" if prefix else ""))
    widest = found.pop()
    for dtype in found:
        widest = torch.promote_types(widest, dtype)
    return widest


def header(file: Path, what: str) -> dict[str, str]:
    """Tensor name → element type, as in ``F32``.

    Raises:
        StageError: not safetensors, or cut short.
    """
    try:
        with safe_open(file, "pt") as tensors:
            return {name: tensors.get_slice(name).get_dtype() for name in tensors.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as e:
        raise StageError(f"{what}: {file.name} is damaged or no safetensors ({one_line(e)})") from None


def refuse_pickle(file: Path, what: str) -> None:
    """Raises StageError for a file that is opened by running it, with the command that converts it."""
    if file.suffix in PICKLED:
        safe = f"{file.stem}.safetensors"
        raise StageError(
            f'{what}: {_refused(file.name)}: python -c "import torch, safetensors.torch as s; '
            f"w = torch.load('{file.name}', map_location='cpu', weights_only=True); w = w.get('state_dict', w); "
            f"s.save_file({{k: v.clone() for k, v in w.items() if torch.is_tensor(v)}}, '{safe}')\""
        )


def _refused(name: str) -> str:
    return f"{name} is a pickle, which can run code when it is opened; convert it where it is trusted"


def _convert_folder(folder: Path) -> str:
    return (
        'python -c "from diffusers import StableDiffusionPipeline as P; '
        f"P.from_pretrained('{folder.name}', safety_checker=None).save_pretrained('{folder.name}-safe')\""
    )
