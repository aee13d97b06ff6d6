"""Images as feature vectors: the networks, how images are prepared for them, and their output.

Features are artifacts: every distance between two sets of images is computed from the same ones.
"""

from harness.stages.metrics.features.extracting import extract
from harness.stages.metrics.features.loading import from_classifier, load

__all__ = ["extract", "from_classifier", "load"]
