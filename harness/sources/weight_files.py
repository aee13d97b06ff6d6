"""Check folders of weights as downloaded: they may not refer to files outside the folder, and pickles are refused."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from harness.errors import UsageError

SHARDS = ".index.json"
"""Files with this ending list which weights are in which file of their folder."""
TOKENIZER = "tokenizer_config.json"
"""May contain the path of its vocabulary."""


def refuse_outside(folder: Path, files: Mapping[str, Path]) -> None:
    """Check the two descriptions that make libraries open other files.

    Args:
        folder: the folder, named in messages.
        files: all files in it, by relative path.

    Raises:
        UsageError: a description names a file outside the folder that a library would open.
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
    """Whether a name is an existing file outside ``folder``; paths on the author's machine do not exist here."""
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
    """The file's content as a mapping; a damaged file gives an empty one and is left for its reader to refuse."""
    try:
        body = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


PICKLED = frozenset({".bin", ".ckpt", ".pt", ".pth", ".pkl"})
"""Endings of files written by Python's pickle."""


def conversion(pickle: str, made: str) -> str:
    """The command that writes the tensors of a pickled file, or of its ``state_dict``, as safetensors.

    Args:
        pickle: the file; its name has no quotes.
        made: the file to write.
    """
    return (
        'python -c "import torch, safetensors.torch as s; '
        f"w = torch.load('{pickle}', map_location='cpu', weights_only=True); w = w.get('state_dict', w); "
        "s.save_file({k: v.clone(memory_format=torch.contiguous_format) for k, v in w.items() "
        f"if torch.is_tensor(v)}}, '{made}')\""
    )


def refusal(file: str, convert: str) -> str:
    """Why a pickle is not opened, and the command that converts it to safetensors."""
    return (
        f"{file} is a pickle, which can run code when it is opened; convert it where it is trusted: {convert}"
    )
