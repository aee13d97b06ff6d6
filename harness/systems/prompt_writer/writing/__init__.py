"""Prompts for each class: by a language model from retrieved passages, from templates, captions or a file."""
