"""How well an image shows what its caption says: the cosine of the two in a dual encoder (a CLIP-type score).

The encoder is loaded, or a small one is trained on captioned images, so that nothing has to be downloaded.
"""

from harness.stages.metrics.alignment.encoders import load, train
from harness.stages.metrics.alignment.scoring import score, within_class

__all__ = ["load", "score", "train", "within_class"]
