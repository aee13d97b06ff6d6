"""Pipelines from nothing: architectures by name, tokenizers, how a small one starts."""
