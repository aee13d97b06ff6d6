"""Language models: built or loaded, fine-tuned, and used to generate texts and to compute likelihoods.

A model is a folder in the format of transformers, an adapter one in the format of PEFT. So these libraries open what
a stage produces, and the other way round. Weights are safetensors only.
"""

from __future__ import annotations

import logging

from harness.stages.systems.language_model.finetuning import finetune
from harness.stages.systems.language_model.generating import generate
from harness.stages.systems.language_model.likelihood import likelihood
from harness.stages.systems.language_model.models import build, load

__all__ = ["build", "finetune", "generate", "likelihood", "load"]


# On import, bitsandbytes recommends a package that downloads kernels. They compute in bf16 and are not used here.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
