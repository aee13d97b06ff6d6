"""LoRA adapters of diffusers, PEFT and kohya, merged module by module: W + scale · alpha / rank · up · down.

diffusers' own loader (0.42) is not used. It gives one alpha to all modules of a kohya file, takes kohya's names of a
text encoder's attention for another format's, and only warns of tensors for which it finds no place.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from peft import LoraConfig
from peft.utils.other import get_pattern_key
from safetensors import safe_open
from safetensors.torch import load_file

from harness.compute.weights import UNREADABLE, finite, header, held, one_line, refuse_pickle, some
from harness.errors import StageError
from harness.sources.content import PICKLED

EXPECTED = "expected a LoRA adapter of diffusers, PEFT or kohya"
_PEFT_WEIGHTS, _PEFT_CONFIG = "adapter_model.safetensors", "adapter_config.json"
_DIFFUSERS_WEIGHTS = "pytorch_lora_weights.safetensors"
_METADATA = "lora_adapter_metadata"
"""Where diffusers keeps the adapter's configuration in the header of its file."""

_TENSOR = re.compile(
    r"(?P<module>.+?)(?:"
    r"[._]lora(?:_linear_layer)?[._](?P<side>down|up|mid|A|B)(?:\.[^.]+)?\.(?P<what>weight|bias)"
    r"|\.(?P<alpha>alpha))"
)
_OTHERS = {
    "DoRA": re.compile(r"dora_scale|lora_magnitude_vector"),
    "LoHa": re.compile(r"\.hada_"),
    "LoKr": re.compile(r"\.lokr_"),
    "IA³": re.compile(r"\.on_input|\.ia3_"),
}
"""Tensors of other kinds of adapters."""
_WHY = {
    "DoRA": ", which also rescales every row of a merged weight to a learnt length: that is not merged here"
}
_PARTS = {"lora_unet_": "unet", "lora_te_": "text_encoder", "lora_te1_": "text_encoder"}
_CHANGED = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Ways in which PEFT begins a training that also change the weights below the adapter."""


@dataclass
class Piece:
    """What a file has for one module."""

    tensors: dict[str, torch.Tensor] = field(default_factory=dict)
    """``down``, ``up``, for convolutions of LoCon also ``mid``; ``bias`` of ``up``."""
    alpha: float | None = None
    """None: the rank, so that nothing is scaled."""
    root: bool = False
    """Whether alpha is divided by the root of the rank."""

    def delta(self, weight: torch.Tensor) -> torch.Tensor:
        """What is added to a weight, float64 in its shape; ValueError if it does not fit."""
        down, up = (self.tensors[name].double() for name in ("down", "up"))
        rank = down.shape[0]
        if "mid" in self.tensors:
            made = torch.einsum(
                "oi,ijhw,jk->okhw", up.flatten(1), self.tensors["mid"].double(), down.flatten(1)
            )
        else:
            made = up.flatten(1) @ down.flatten(1)
        if made.numel() != weight.numel() or made.shape[0] != weight.shape[0]:
            raise ValueError(f"{tuple(up.shape)} · {tuple(down.shape)} for {tuple(weight.shape)}")
        return self.strength(rank) * made.reshape(weight.shape)

    def strength(self, rank: int) -> float:
        """The factor of up · down."""
        return 1.0 if self.alpha is None else self.alpha / (math.sqrt(rank) if self.root else rank)


def merge_adapter(pipeline: StableDiffusionPipeline, path: Path, what: str, scale: float) -> int:
    """Add ``scale`` times an adapter to the weights of a pipeline, and hold the sums against the file.

    Args:
        pipeline: in fp32, so that the sum is rounded once.
        path: a safetensors file; a folder with one; a folder of PEFT for the UNet; or a folder with ``unet`` and
            ``text_encoder`` in it.
        what: its name in messages.
        scale: 1 for the adapter as it was trained.

    Returns:
        Number of tensors that were merged.

    Raises:
        StageError: not a LoRA adapter, a pickle, a damaged file, an adapter for another pipeline, or a merged weight
            that is not the one that the file says.
    """
    pieces: dict[tuple[str, str], Piece] = {}
    for state, config in _read(path, what):
        finite(state, what)
        _collect(state, config, pieces, what)
    if not pieces:
        raise StageError(f"{what}: no LoRA weights in it; {EXPECTED}")
    places = {at: _module(pipeline, *at) for at in pieces}
    if lost := [at for at, module in places.items() if module is None]:
        count = sum(len(pieces[at].tensors) for at in lost)
        total = sum(len(piece.tensors) for piece in pieces.values())
        named = some([".".join(filter(None, at)) for at in lost])
        raise StageError(f"{what}: {count} of its {total} tensors have no place in the pipeline: {named}")
    if twice := len(places) - len({id(module) for module in places.values()}):
        raise StageError(f"{what}: {twice} modules of the pipeline have two names in it")
    expected = {at: _added(piece, places[at], scale, f"{what}: {at[1]}") for at, piece in pieces.items()}
    with torch.no_grad():
        for (_, name), sums in expected.items():
            for tensor, total_ in sums:
                if not tensor.is_floating_point():
                    raise StageError(f"{what}: {name} is stored as {tensor.dtype}")
                tensor.copy_(total_)
    _hold(expected, what)
    return sum(len(piece.tensors) for piece in pieces.values())


def _added(piece: Piece, module: Any, scale: float, what: str) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The parameters of a module that change, each with what it becomes in float64."""
    try:
        sums = [(module.weight, module.weight.detach().double() + scale * piece.delta(module.weight))]
        if "bias" in piece.tensors:
            added = scale * piece.strength(piece.tensors["down"].shape[0]) * piece.tensors["bias"].double()
            sums.append((module.bias, module.bias.detach().double() + added))
    except (*UNREADABLE,) as e:
        raise StageError(f"{what} does not fit the pipeline ({one_line(e)})") from None
    return sums


def _hold(expected: Mapping[tuple[str, str], list[tuple[torch.Tensor, torch.Tensor]]], what: str) -> None:
    """Check that each merged weight is what the file says, up to its rounding: two modules may share one tensor."""
    for (part, name), sums in expected.items():
        for tensor, total in sums:
            apart = float((tensor.detach().double() - total).abs().max())
            if not apart <= torch.finfo(tensor.dtype).eps * float(total.abs().max()):
                raise StageError(
                    f"{what}: {part}.{name} became another weight than the file says ({apart:.2g} apart)"
                )


def _module(pipeline: Any, part: str, name: str) -> Any:
    """The linear layer or convolution of that name; None if there is none."""
    if part not in ("unet", "text_encoder"):  # early files of diffusers are of the UNet and do not say so
        part, name = "unet", f"{part}.{name}" if part else name
    network = getattr(pipeline, part)
    for spelling in _spellings(name):
        for own, module in network.named_modules():
            if spelling in (own, own.replace(".", "_")) and isinstance(
                module, torch.nn.Linear | torch.nn.Conv2d
            ):
                return module
    return None


def _spellings(name: str) -> Iterator[str]:
    """A module's name as it may be in the network: versions differ in ``text_model.`` and in ``processor``."""
    old = re.compile(r"\.(?:processor\.)?to_(q|k|v|out)$")  # also of text encoders
    for plain in (name, old.sub(r".to_\1", name), old.sub(r".\1_proj", name)):
        ends = plain.removesuffix(".to_out") + ".to_out.0" if plain.endswith(".to_out") else plain
        for prefix in ("text_model.", "text_model_"):
            yield ends.removeprefix(prefix)
            yield f"{prefix}{ends}"
        yield ends


def _collect(
    state: Mapping[str, torch.Tensor],
    config: Mapping[str, Any],
    pieces: dict[tuple[str, str], Piece],
    what: str,
) -> None:
    """Put the tensors of a file under the modules that they are for."""
    for name, tensor in state.items():
        match = _TENSOR.fullmatch(name)
        if match is None:
            raise StageError(f"{what}: {name} is no tensor of a LoRA; {EXPECTED}")
        at = _at(match["module"])
        piece = pieces.setdefault(at, Piece())
        if match["alpha"]:
            if tensor.numel() != 1:
                raise StageError(f"{what}: {name} has {tensor.numel()} values, expected one number")
            piece.alpha = float(tensor)
            continue
        side = {"A": "down", "B": "up"}.get(match["side"], match["side"])
        key = "bias" if match["what"] == "bias" else side
        if key in piece.tensors or (key == "bias" and side != "up"):
            raise StageError(f"{what}: {name} is there twice, or no tensor of a LoRA")
        piece.tensors[key] = tensor
    for (part, name), piece in pieces.items():
        if missing := [side for side in ("down", "up") if side not in piece.tensors]:
            raise StageError(f"{what}: {part}.{name} has no {' and no '.join(missing)}")
        if piece.alpha is None and (own := _of(config, part)):
            try:
                pattern = own.get("alpha_pattern") or {}
                piece.alpha = float(pattern.get(get_pattern_key(list(pattern), name), own["lora_alpha"]))
            except UNREADABLE as e:
                raise StageError(
                    f"{what}: its configuration has no number as lora_alpha for {part}.{name} ({one_line(e)})"
                ) from None
            piece.root = bool(own.get("use_rslora"))


def _at(module: str) -> tuple[str, str]:
    """Part and name of a module, from its name in a file."""
    for prefix, part in _PARTS.items():
        if module.startswith(prefix):
            return part, module.removeprefix(prefix)
    part, _, name = module.partition(".")
    return (part, name) if name else ("", module)


def _of(config: Mapping[str, Any], part: str) -> dict[str, Any]:
    prefix = f"{part}."
    return {key.removeprefix(prefix): value for key, value in config.items() if key.startswith(prefix)}


def _read(path: Path, what: str) -> Iterable[tuple[dict[str, torch.Tensor], dict[str, Any]]]:
    """Weights named ``unet.…`` and ``text_encoder.…`` or as in kohya, with the configuration under the same names."""
    folders = {"unet": path / "unet", "text_encoder": path / "text_encoder"}
    peft = {part: folder for part, folder in folders.items() if (folder / _PEFT_CONFIG).is_file()}
    if (path / _PEFT_CONFIG).is_file():
        peft = {"unet": path}
    for part, folder in peft.items():
        file = _file(folder, _PEFT_WEIGHTS, what)
        config = _config(folder, what)
        weights = {f"{part}.{k.removeprefix('base_model.model.')}": v for k, v in load_file(file).items()}
        yield weights, {f"{part}.{name}": value for name, value in config.items()}
    if not peft:
        file = _file(path, _DIFFUSERS_WEIGHTS, what)
        if not any("lora" in name for name in header(file, what)):
            told = f"{held(path)}, and " if path.is_dir() else ""
            raise StageError(f"{what}: {told}{file.name} has no LoRA weights; {EXPECTED}")
        with safe_open(file, "pt") as opened:
            said = (opened.metadata() or {}).get(_METADATA)
        try:
            config = json.loads(said) if said else {}
            yield load_file(file), dict(config)
        except (ValueError, TypeError) as e:
            raise StageError(f"{what}: {_METADATA} in {file.name} cannot be read ({one_line(e)})") from None


def _config(folder: Path, what: str) -> dict[str, Any]:
    """The configuration of an adapter of PEFT, if it is one of LoRA that adds to the weights as they were."""
    try:
        said = json.loads((folder / _PEFT_CONFIG).read_text(encoding="utf-8"))
        kind = said.get("peft_type")
        config = LoraConfig.from_pretrained(str(folder)).to_dict() if kind == "LORA" else {}
    except UNREADABLE as e:
        raise StageError(f"{what}: {_PEFT_CONFIG} cannot be read ({one_line(e)})") from None
    if kind != "LORA":
        raise StageError(f"{what}: an adapter of type {kind}; {EXPECTED}")
    if config.get("use_dora"):
        raise StageError(f"{what}: a DoRA adapter{_WHY['DoRA']}; {EXPECTED}")
    begun = config.get("init_lora_weights")
    if isinstance(begun, str) and begun.startswith(_CHANGED):
        raise StageError(f"{what}: init_lora_weights {begun} also changed the weights below it; {EXPECTED}")
    return config


def _file(path: Path, usual: str, what: str) -> Path:
    """The adapter's safetensors file: ``path`` itself, or in that folder the one of the usual name or the only one."""
    if path.is_file():
        found = [path]
    elif (path / usual).is_file():
        found = [path / usual]
    else:
        found = sorted(path.glob("*.safetensors")) or sorted(p for p in path.iterdir() if p.suffix in PICKLED)
    if len(found) != 1:
        told = f"{held(path)} with {len(found) or 'no'} files that may be the adapter"
        raise StageError(f"{what}: {told}; {EXPECTED} ({usual})")
    refuse_pickle(found[0], what)
    names = header(found[0], what)
    for kind, pattern in _OTHERS.items():
        if any(pattern.search(name) for name in names):
            raise StageError(f"{what}: a {kind} adapter{_WHY.get(kind, '')}; {EXPECTED}")
    return found[0]
