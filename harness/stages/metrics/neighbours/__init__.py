"""What nearest neighbours tell of generated images: how real, how varied, and whether they are copies."""

from harness.stages.metrics.neighbours.balls import manifold
from harness.stages.metrics.neighbours.copies import closest, memorisation

__all__ = ["closest", "manifold", "memorisation"]
