"""Language models: built or loaded, fine-tuned, and asked for texts and likelihoods, on transformers and PEFT.

A model is a folder as transformers saves it, an adapter one as PEFT saves it, so whatever comes out of a stage opens
there, and the other way round. Weights are safetensors only.
"""

from harness.systems.language_model.generating import generate
from harness.systems.language_model.models.building import build
from harness.systems.language_model.models.loading import load
from harness.systems.language_model.scoring.likelihood import likelihood
from harness.systems.language_model.training.finetuning import finetune

__all__ = ["build", "finetune", "generate", "likelihood", "load"]
