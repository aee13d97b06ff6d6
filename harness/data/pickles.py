"""Files of weights that are opened by running them: told by their names, and never opened."""

from __future__ import annotations

PICKLED = frozenset({".bin", ".ckpt", ".pt", ".pth", ".pkl"})
"""Endings of files that Python's pickle wrote."""


def refusal(file: str, convert: str) -> str:
    """Why a pickle is not opened, and the command that makes safetensors of it."""
    return (
        f"{file} is a pickle, which can run code when it is opened; convert it where it is trusted: {convert}"
    )
