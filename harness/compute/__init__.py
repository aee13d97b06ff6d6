"""Helpers that stages share: exact arithmetic, measuring, the training loop, resuming, weights, influence rows."""
