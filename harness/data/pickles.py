"""Files of weights that are opened by running them: told by their names, and never opened."""

from __future__ import annotations

PICKLED = frozenset({".bin", ".ckpt", ".pt", ".pth", ".pkl"})
"""Endings of files that Python's pickle wrote."""


def conversion(pickle: str, made: str) -> str:
    """The command that writes a pickled file of weights as safetensors: the tensors in it, or in its ``state_dict``.

    Args:
        pickle: the file, without quotes in its name.
        made: the file that is written.
    """
    return (
        'python -c "import torch, safetensors.torch as s; '
        f"w = torch.load('{pickle}', map_location='cpu', weights_only=True); w = w.get('state_dict', w); "
        "s.save_file({k: v.clone(memory_format=torch.contiguous_format) for k, v in w.items() "
        f"if torch.is_tensor(v)}}, '{made}')\""
    )


def refusal(file: str, convert: str) -> str:
    """Why a pickle is not opened, and the command that makes safetensors of it."""
    return (
        f"{file} is a pickle, which can run code when it is opened; convert it where it is trusted: {convert}"
    )
