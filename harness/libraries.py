"""What numerical libraries do in this process, asked of those that it has loaded; loads none itself."""

from __future__ import annotations

import sys
from functools import cache

from harness import processor
from harness.artifact import Json

OBSERVED = frozenset(
    {
        *("threads", "cpu_capability", "onednn_isa", "openblas_core"),
        *("cuda", "cudnn", "compute_capability", "matmul_precision"),
        *("cudnn_tf32", "cudnn_benchmark", "cudnn_deterministic", "deterministic_algorithms"),
    }
)
"""The fields of ``observed``. An environment without one is of an execution that needed no such library."""


def observed() -> dict[str, Json]:
    """Threads, instruction sets and, once something ran on a GPU, its libraries and switches."""
    found: dict[str, Json] = {}
    if "torch" in sys.modules:
        found |= _torch()
    if "numpy" in sys.modules and (core := _openblas_core()):
        found["openblas_core"] = core
    return found


def _torch() -> dict[str, Json]:
    import torch

    found: dict[str, Json] = {
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }
    if torch.backends.mkldnn.is_available() and (isa := processor.onednn_isa()):
        found["onednn_isa"] = isa
    if torch.cuda.is_initialized():
        cudnn = torch.backends.cudnn
        found |= {
            "cuda": torch.version.cuda,
            "cudnn": cudnn.version(),
            "compute_capability": ".".join(map(str, torch.cuda.get_device_capability())),
            "matmul_precision": torch.get_float32_matmul_precision(),
            "cudnn_tf32": cudnn.allow_tf32,
            "cudnn_benchmark": cudnn.benchmark,
            "cudnn_deterministic": cudnn.deterministic,
            "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        }
    return {name: value for name, value in found.items() if value is not None}


@cache
def _openblas_core() -> str | None:
    """The kernels that numpy's OpenBLAS chose, as in ``SkylakeX``; None with another library."""
    from threadpoolctl import threadpool_info

    cores = {str(i["architecture"]) for i in threadpool_info() if i["internal_api"] == "openblas"}
    return " ".join(sorted(cores)) or None
