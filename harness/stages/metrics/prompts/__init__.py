"""Checks of prompts before images are made from them: whether each suits its class, and how varied they all are.

Adding a check takes one function, one line and one field: see ``table.py``.
"""

from harness.stages.metrics.prompts.checking import checks
from harness.stages.metrics.prompts.diversity import variety

__all__ = ["checks", "variety"]
