"""Declarative evaluation suites for generative AI in remote sensing, ending in a verdict."""

__version__ = "0.1.0"
