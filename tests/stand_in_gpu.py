"""A stand-in for a GPU: tensors that say ``cuda`` and compute on the processor, so that stages run whole without one.

Every operation is checked as a GPU would check it: a tensor that was left on the CPU must not meet one on the GPU.
torch's ``FakeTensorMode`` checks the same (a test holds the two against each other), but its tensors hold no numbers:
``loss.item()`` ends it, and without a driver ``backward()`` does, too (torch 2.15: ``hasPrimaryContext expects a valid
device index``). Here the numbers are there, so that stages run from their files to their files.

What it does not show: whether a kernel exists on a GPU, and how a GPU rounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

NAME = "Stand-in GPU"
_CROSSING = {"aten::copy_", "aten::_to_copy", "aten::_copy_from_and_resize"}
"""Operations that may take tensors of two devices: they move numbers from one to the other."""
_INDEXED = {
    "aten::index",
    "aten::index_put_",
    "aten::index_put",
    "aten::_index_put_impl_",
    "aten::_unsafe_index",
}
"""A tensor on the GPU may be indexed by one on the CPU, but not the other way round."""
_BENEATH = torch.device("meta", 0)
"""The device that C++ sees: it needs no driver. Code that asks for ``meta`` itself names no index."""
_LOWERED = frozenset(
    {
        functional.linear, functional.conv2d, functional.conv1d, functional.scaled_dot_product_attention, torch.matmul,
        torch.mm, torch.bmm, torch.addmm, torch.baddbmm, torch.Tensor.matmul, torch.Tensor.mm, torch.Tensor.bmm,
        torch.Tensor.__matmul__,
    }
)  # fmt: skip
_RAISED = frozenset(
    {functional.layer_norm, functional.group_norm, functional.softmax, torch.softmax, torch.Tensor.softmax,
     torch.layer_norm, torch.group_norm, functional.cross_entropy, functional.mse_loss}
)  # fmt: skip


class LeftBehindError(RuntimeError):
    """A tensor on the CPU met one on the GPU."""


class Far(torch.Tensor):
    """A tensor on the stand-in. ``held`` has its numbers; what it is for C++ never computes."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> Far:
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            layout=held.layout,
            device=_BENEATH,
        )
        made.held = held
        return made

    def __init__(self, held: torch.Tensor) -> None:
        """Everything is done in ``__new__``."""

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return torch.device("cuda", 0)

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        return True

    @property
    def is_meta(self) -> bool:  # type: ignore[override]
        return False

    def get_device(self) -> int:
        return 0

    def numpy(self, *, force: bool = False) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first")

    def __array__(self, *_: object) -> Any:
        return self.numpy()

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def data_ptr(self) -> int:
        return self.held.data_ptr()

    def __repr__(self, **_: object) -> str:  # type: ignore[override]
        return f"Far({self.held!r})"

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, dict(kwargs or {}))


class _Literals(TorchFunctionMode):
    """``torch.tensor([…], device="cuda")``, which C++ would copy to the device out of sight of every dispatch."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = dict(kwargs or {})
        if (
            func in (torch.tensor, torch.as_tensor)
            and torch.device(given.get("device") or "cpu").type == "cuda"
        ):
            return func(*args, **{**given, "device": "cpu"}).to("cuda")
        return func(*args, **given)


class _Autocast(TorchFunctionMode):
    """What ``torch.autocast("cuda")`` does to products, norms and losses. torch's own asks C++ for the device."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        dtype = self.dtype if func in _LOWERED else torch.float32 if func in _RAISED else None
        if dtype is not None:
            args, kwargs = tree_map_only(Far, lambda t: _cast(t, dtype), (args, dict(kwargs or {})))
        return func(*args, **(kwargs or {}))


def _cast(tensor: Far, dtype: torch.dtype) -> torch.Tensor:
    return tensor.to(dtype) if tensor.is_floating_point() and tensor.dtype != torch.float64 else tensor


@contextmanager
def _autocasting() -> Iterator[None]:
    """Let ``torch.autocast("cuda", …)`` act on stand-ins."""
    kind = torch.amp.autocast_mode.autocast
    entered: list[_Autocast | None] = []
    enter, leave = kind.__enter__, kind.__exit__

    def begin(self: Any) -> Any:
        mode = _Autocast(self.fast_dtype) if self.device == "cuda" and self._enabled else None
        if mode is not None:
            mode.__enter__()
        entered.append(mode)
        return enter(self)

    def end(self: Any, *raised: Any) -> Any:
        left = leave(self, *raised)
        if (mode := entered.pop()) is not None:
            mode.__exit__(None, None, None)
        return left

    with patch.object(kind, "__enter__", begin), patch.object(kind, "__exit__", end):
        yield


@contextmanager
def _no_inference_tensors() -> Iterator[None]:
    """``torch.inference_mode`` as ``no_grad``: wrapped tensors cannot be made in it from tensors made outside."""
    kind = torch.autograd.grad_mode.inference_mode
    before: list[bool] = []

    def begin(self: Any) -> None:
        before.append(torch.is_grad_enabled())
        torch.set_grad_enabled(not self.mode and before[-1])

    def end(self: Any, *_: Any) -> None:
        torch.set_grad_enabled(before.pop())

    with patch.object(kind, "__enter__", begin), patch.object(kind, "__exit__", end):
        yield


def _saved(save: Any) -> Any:
    """``torch.save`` for a library that reads storages, which stand-ins lack."""
    return lambda body, *args, **kwargs: save(tree_map_only(Far, lambda t: t.held, body), *args, **kwargs)


class _Mode(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, dict(kwargs or {}))


def _computed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    given = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
    far = [t for t in given if isinstance(t, Far)]
    asked = kwargs.get("device")
    if asked is not None and torch.device(asked) == torch.device("meta"):
        return func(*args, **kwargs)
    there = bool(far) if asked is None else torch.device(asked).type != "cpu"
    _check(func, args, given, far)
    if asked is not None:
        kwargs["device"] = torch.device("cpu")
    plain_args, plain_kwargs = tree_map_only(Far, lambda t: t.held, (args, kwargs))
    made = func(*plain_args, **plain_kwargs)
    own = {id(t.held): t for t in far}
    if func._schema.name == "aten::copy_":
        return args[0]
    if not there:
        return made
    return tree_map_only(torch.Tensor, lambda t: own[id(t)] if id(t) in own else Far(t), made)


def _check(func: Any, args: Any, given: list[torch.Tensor], far: list[Far]) -> None:
    name = func._schema.name
    if not far or len(far) == len(given) or name in _CROSSING:
        return
    if name in _INDEXED and isinstance(args[0], Far):
        given = [args[0], *(t for t in tree_leaves(args[2:]) if isinstance(t, torch.Tensor))]
    # A number may stay behind: torch moves scalar tensors itself. The state of an optimiser must not, but its step may.
    near = [t for t in given if not isinstance(t, Far) and t.ndim > 0]
    if near or not isinstance(next(t for t in given if t.ndim > 0 or isinstance(t, Far)), Far):
        shapes = ", ".join(str(tuple(t.shape)) for t in near)
        raise LeftBehindError(f"{name}: a tensor of shape {shapes} on the cpu meets one on cuda:0")


@contextmanager
def stand_in_gpu() -> Iterator[None]:
    """Inside the block there is one GPU, ``cuda``, for torch and for the libraries that ask it."""
    torch._C._ensureCUDADeviceGuardSet()
    answers: dict[str, Any] = {
        "_lazy_init": lambda: None,
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "set_device": lambda *_: None,
        "synchronize": lambda *_: None,
        "empty_cache": lambda: None,
        "reset_peak_memory_stats": lambda *_: None,
        "max_memory_allocated": lambda *_: 0,
        "memory_allocated": lambda *_: 0,
        "is_bf16_supported": lambda *_, **__: True,
        "get_device_name": lambda *_: NAME,
        "get_device_capability": lambda *_: (9, 0),
        "manual_seed": lambda *_: None,
        "manual_seed_all": lambda *_: None,
        "is_current_stream_capturing": lambda: False,
    }
    before = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        with (
            patch.multiple(torch.cuda, **answers),
            patch("torch.amp.grad_scaler.torch.cuda.amp.common.amp_definitely_not_available", lambda: False),
            patch("harness.compute.device._energy_j", lambda _: None),
            patch("torch.save", _saved(torch.save)),
            _autocasting(),
            _no_inference_tensors(),
            _Literals(),
            _Mode(),
        ):
            yield
    finally:
        torch.__future__.set_swap_module_params_on_conversion(before)
