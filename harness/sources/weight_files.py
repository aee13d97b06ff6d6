"""Folders of weights as they come: no file outside of the folder, and no pickle."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from harness.errors import UsageError

SHARDS = ".index.json"
"""Files that end so say which weights are in which file beside them."""
TOKENIZER = "tokenizer_config.json"
"""May say where its vocabulary is."""


def refuse_outside(folder: Path, files: Mapping[str, Path]) -> None:
    """Look at the two descriptions that libraries follow to other files.

    Args:
        folder: names it in messages.
        files: all that is in it, by relative path.

    Raises:
        UsageError: a description names a file that is not in the folder, but that a library would open.
    """
    for name, path in files.items():
        if name.endswith(SHARDS):
            outside = [f for f in _shards(path) if _leads_out(PurePosixPath(name).parent / f)]
        elif PurePosixPath(name).name == TOKENIZER:
            outside = [f for f in _vocabularies(path) if _is_elsewhere(f, folder)]
        else:
            continue
        if outside:
            raise UsageError(f"{path}: names {outside[0]}, which is outside of {folder}")


def _leads_out(relative: PurePosixPath) -> bool:
    inside = os.path.normpath(relative)
    return os.path.isabs(inside) or inside.split("/")[0] == ".."


def _is_elsewhere(name: str, folder: Path) -> bool:
    """Whether a name is a file here that is not in ``folder``; paths of the author's machine are not."""
    return os.path.isfile(name) and not Path(os.path.abspath(name)).is_relative_to(folder.absolute())


def _shards(file: Path) -> Iterator[str]:
    table = _mapping(file).get("weight_map")
    if isinstance(table, dict):
        yield from (value for value in table.values() if isinstance(value, str))


def _vocabularies(file: Path) -> Iterator[str]:
    for name, value in _mapping(file).items():
        if name.endswith("_file") and isinstance(value, str):
            yield value


def _mapping(file: Path) -> dict[str, object]:
    """What a damaged file says is for its reader to refuse."""
    try:
        body = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


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
