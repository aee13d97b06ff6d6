"""Language models: built or loaded, fine-tuned, and asked for texts and likelihoods, on transformers and PEFT.

A model is a folder as transformers saves it, an adapter one as PEFT saves it, so whatever comes out of a stage opens
there, and the other way round. Weights are safetensors only.
"""

from __future__ import annotations

import logging

from harness.stages.systems.language_model.finetuning import finetune
from harness.stages.systems.language_model.generating import generate
from harness.stages.systems.language_model.likelihood import likelihood
from harness.stages.systems.language_model.models import build, load

__all__ = ["build", "finetune", "generate", "likelihood", "load"]


# At import, bitsandbytes recommends a package that downloads kernels. They compute in bf16, and are not used here.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
