"""Encoded prompts: ``metadata.jsonl`` with a row for each image to be made, and ``embeddings.safetensors``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.artifact import Json
from harness.errors import StageError
from harness.formats.captions import write_lines
from harness.formats.image_folder import METADATA
from harness.formats.strict_json import objects

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EMBEDDINGS = "embeddings.safetensors"


@dataclass(frozen=True, eq=False)
class Encoded:
    """The prompts of N images, P of them different, of T tokens and D features each."""

    rows: Sequence[Mapping[str, Json]]
    """N rows: ``file_name``, ``captions``, ``row`` (the index of its prompt), and the further columns of
    ``artifact.EncodedPrompts``."""
    prompts: NDArray[np.float32]
    """(P, T, D)."""
    negative: NDArray[np.float32]
    """(1, T, D)."""


def write(folder: Path, encoded: Encoded) -> None:
    """Write both files into ``folder``. Needs safetensors.

    Raises:
        StageError: a row whose ``row`` is not the index of a prompt.
    """
    from safetensors.numpy import save_file

    for row in encoded.rows:
        _check_row(str(row.get("file_name")), row, len(encoded.prompts))
    save_file({"prompts": encoded.prompts, "negative": encoded.negative}, folder / EMBEDDINGS)
    write_lines(folder / METADATA, encoded.rows)


def read(folder: Path) -> Encoded:
    """What is in ``folder``. Needs safetensors.

    Raises:
        StageError: a file is missing or damaged, or a row has no prompt among the embeddings.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    file = folder / EMBEDDINGS
    try:
        held = load_file(file)
        prompts, negative = held["prompts"], held["negative"]
    except (OSError, SafetensorError, KeyError) as e:
        raise StageError(f"{file}: cannot be read as encoded prompts ({e})") from None
    rows = []
    for where, row in objects(folder / METADATA):
        _check_row(where, row, len(prompts))
        rows.append(row)
    return Encoded(rows, prompts, negative)


def _check_row(where: str, row: Mapping[str, Json], count: int) -> None:
    index = row.get("row")
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < count:
        raise StageError(f"{where}: row is {index!r:.40}; expected an index into {count} prompts")
