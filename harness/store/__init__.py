"""Stored data: entries, records, items, environments, projects. Writes are atomic; may import formats."""
