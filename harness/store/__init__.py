"""What is at rest: entries, records, items, environments, projects. Atomic; may import formats."""
