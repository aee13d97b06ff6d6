"""Metrics from nearest neighbours: how real and how varied generated images are, and whether they are copies."""

from harness.stages.metrics.neighbours.balls import manifold
from harness.stages.metrics.neighbours.copies import closest, memorisation

__all__ = ["closest", "manifold", "memorisation"]
