"""Passages of a corpus, and the Chroma collection that they are looked up in."""
