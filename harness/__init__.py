"""Declarative evaluation suites for generative AI in remote sensing, ending in a verdict.

    import harness

    run = harness.run("suites/smoke/land-cover.yaml", set={"classifier.epochs": 4})
    print(run.outcome)
    print(run.to_frame())

``docs/python.md`` has the whole of it. Nothing is imported before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from harness.api import Artifact, Comparison, Result, load, run
    from harness.errors import HarnessError, StageError, StoreError, SuiteError, UsageError

_FROM = {
    **dict.fromkeys(("Artifact", "Comparison", "Result", "load", "run"), "harness.api"),
    **dict.fromkeys(
        ("HarnessError", "StageError", "StoreError", "SuiteError", "UsageError"), "harness.errors"
    ),
}
__all__ = [
    "Artifact",
    "Comparison",
    "HarnessError",
    "Result",
    "StageError",
    "StoreError",
    "SuiteError",
    "UsageError",
    "__version__",
    "load",
    "run",
]


def __getattr__(name: str) -> object:
    """Import a name of the Python interface when it is first asked for."""
    if name not in _FROM:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_FROM[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_FROM})
