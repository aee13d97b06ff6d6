"""Causal language models as files: built, loaded, checked, quantised and opened."""

from __future__ import annotations

import logging

from harness.stages.systems.language_model.finetuning import finetune
from harness.stages.systems.language_model.generating import generate
from harness.stages.systems.language_model.likelihood import likelihood
from harness.stages.systems.language_model.models import build, load

__all__ = ["build", "finetune", "generate", "likelihood", "load"]


# At import, bitsandbytes recommends a package that downloads kernels. They compute in bf16, and are not used here.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
