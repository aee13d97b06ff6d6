"""Prompts judged before any image is made of them: whether each can make a picture of its class, and how varied all
are. Adding a check is one function and one line: see ``table.py``.
"""

from harness.stages.metrics.prompts.checking import checks
from harness.stages.metrics.prompts.diversity import variety

__all__ = ["checks", "variety"]
