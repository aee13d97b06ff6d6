"""From text to vector: learnt from a corpus, or loaded; what passages are looked up and prompts are compared by."""

from harness.systems.embeddings.learning import local
from harness.systems.embeddings.loading import load

__all__ = ["load", "local"]
