"""What another tool might leave: tables of predictions, one for each of its repeats."""

from __future__ import annotations

import json
import random
from pathlib import Path

CLASSES = ("Bare Land", "Water Body")


def logits(file: Path, seed: int, *, count: int = 40, error: float = 0.2) -> Path:
    """Predictions with logits, as JSON lines: other mistakes for another seed, always of the same items."""
    chance = random.Random(f"{file.parent.name} {seed}")
    rows = []
    for i in range(count):
        label = i % 2
        sure = chance.uniform(0.5, 3) * (-1 if chance.random() < error else 1) * (1 if label else -1)
        rows.append({"item": f"{i:03d}.png", "label": CLASSES[label], "logits": [-sure, sure]})
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file
