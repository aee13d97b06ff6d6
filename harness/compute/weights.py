"""Weight files from elsewhere: found, opened in silence, read by their headers, and checked for what is missing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open

from harness.errors import HarnessError, StageError
from harness.formats.strict_json import read
from harness.sources.content import PICKLED, conversion, refusal
from harness.sources.snapshots import malformed


@contextmanager
def hushed(*loggings: Any) -> Iterator[None]:
    """Silence libraries inside the block.

    Args:
        loggings: ``transformers.utils.logging``, ``diffusers.utils.logging``; both have the same functions.
    """
    before = [(library, library.get_verbosity(), library.is_progress_bar_enabled()) for library in loggings]
    for library in loggings:
        library.set_verbosity(library.CRITICAL)
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library, level, bar in before:
            library.set_verbosity(level)
            if bar:
                library.enable_progress_bar()


UNREADABLE = (
    OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, ImportError, RuntimeError, AssertionError,
    ArithmeticError, SafetensorError, malformed(),
)  # fmt: skip
"""What the libraries raise for an invalid or damaged file, or for a model of another kind."""

_DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def header(file: Path, what: str) -> dict[str, str]:
    """Maps each tensor's name to its element type, as in ``F32``.

    Raises:
        StageError: the file is not safetensors, or is truncated.
    """
    try:
        with safe_open(file, "pt") as tensors:
            return {name: tensors.get_slice(name).get_dtype() for name in tensors.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as e:
        raise StageError(f"{what}: {file.name} is damaged or no safetensors ({one_line(e)})") from None


def stored_dtype(files: Iterable[Path], what: str, prefix: str = "") -> torch.dtype:
    """The narrowest type that holds all floating-point tensors of safetensors files; reads headers only.

    Args:
        files: the files of one network.
        what: the network's name in messages.
        prefix: only tensors whose name starts with it are considered.

    Raises:
        StageError: a damaged file, a tensor in 8 bits or fewer, or no tensors at all.
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


def complete(info: Mapping[str, Iterable[Any]], what: str) -> None:
    """Check that the stored weights and the network's parameters match one to one.

    Args:
        info: as ``from_pretrained(output_loading_info=True)`` gives it.
        what: the network's name in messages.

    Raises:
        StageError: a weight is missing, unexpected or of another shape.
    """
    if mismatched := sorted(info["mismatched_keys"]):
        name, stored, expected = mismatched[0]
        raise StageError(
            f"{what}: {name} has shape {tuple(stored)} where the configuration says {tuple(expected)}"
        )
    if missing := sorted(info["missing_keys"]):
        raise StageError(f"{what}: no weights for {some(missing)}")
    # CLIP's position ids are 0, 1, 2, …: older versions of transformers stored them.
    if unexpected := sorted(k for k in info["unexpected_keys"] if not k.endswith("position_ids")):
        raise StageError(f"{what}: the configuration has no place for {some(unexpected)}")


def finite(state: Mapping[str, torch.Tensor], what: str) -> None:
    """Raises StageError if a weight is missing, or is NaN or infinite in the type it is stored in."""
    for name, tensor in state.items():
        if tensor.is_meta:
            raise StageError(f"{what}: no weights for {name}")
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            count = int((~tensor.isfinite()).sum())
            kind = str(tensor.dtype).removeprefix("torch.")
            raise StageError(
                f"{what}: {name} has {count} of {tensor.numel()} values that are not finite in {kind}"
            )


_PACKAGE = re.compile(r"requires (?:the )?`?([\w.-]+)`? (?:library|package)|No module named '([\w.-]+)'")
_LISTS = re.compile(
    r"(?:Unrecognized (?:configuration class|model|image processor|processing class)|should have a)", re.I
)


def one_line(error: BaseException) -> str:
    """A library's error message on one line, cut to 400 characters.

    Of an optional package that is missing only the name is told, and the lists of all classes that transformers has are
    left out.
    """
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, ImportError) and (found := _PACKAGE.search(text)):
        return f"it needs the package {found[1] or found[2]}, which is not installed"
    if _LISTS.search(text):
        return "transformers has no class of that use for it"
    return text if len(text) <= 400 else f"{text[:399]}…"


def held(place: Path) -> str:
    """What a file or folder is, by the words of the library that wrote it: ``a BertForMaskedLM of transformers``."""
    if place.is_file():
        return f"the file {place.name}"
    if said := _said(place / "model_index.json").get("_class_name"):
        return f"{article(str(said))} of diffusers"
    if (place / "modules.json").is_file():
        return "a model of sentence-transformers"
    config = _said(place / "config.json")
    architectures = config.get("architectures")
    named = (
        architectures[0] if isinstance(architectures, list) and architectures else config.get("model_type")
    )
    for name, library in ((config.get("_class_name"), "diffusers"), (config.get("architecture"), "timm")):
        if isinstance(name, str):
            return f"{article(name)} of {library}"
    if isinstance(named, str):
        return f"{article(named)} of transformers"
    if (place / "adapter_config.json").is_file():
        return "an adapter of PEFT"
    names = sorted(path.name for path in place.iterdir()) if place.is_dir() else []
    return (
        f"a folder with {', '.join(names[:3])}{', …' if len(names) > 3 else ''}"
        if names
        else "an empty folder"
    )


def article(name: str) -> str:
    """A name with its indefinite article."""
    return f"{'an' if name[:1] in 'AEIOaeio' else 'a'} {name}"


def _said(file: Path) -> dict[str, Any]:
    try:
        found = read(file)
    except HarnessError:
        return {}
    return found if isinstance(found, dict) else {}


def some(names: list[str]) -> str:
    """The first of several names, and how many more there are."""
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


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
