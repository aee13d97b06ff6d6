"""Helpers that stages share: exact arithmetic, measuring, resuming, loading weights, influence rows."""
