"""The harness from Python: run a suite, load what was recorded, compare, and go on in pandas, numpy and datasets.

``import harness`` offers these names and imports them when they are first asked for. Functions raise the errors of
``harness.errors`` and print nothing; ``docs/python.md`` has examples.
"""

from __future__ import annotations

from harness.api.artifacts import Artifact
from harness.api.results import Comparison, Result
from harness.api.running import load, run

__all__ = ["Artifact", "Comparison", "Result", "load", "run"]
