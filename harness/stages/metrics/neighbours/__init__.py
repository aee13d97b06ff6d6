"""What nearest neighbours tell of generated images: how real, how varied, and whether they are copies."""

from harness.metrics.neighbours.balls import manifold
from harness.metrics.neighbours.copies import memorisation
from harness.metrics.neighbours.pairs import closest

__all__ = ["closest", "manifold", "memorisation"]
