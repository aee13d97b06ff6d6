"""The colours of a region, and how season, soil and chance change them from scene to scene."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from harness.data.scenes.canvas import Colour
from harness.data.scenes.regions import Region


@dataclass(frozen=True)
class Palette:
    """The colours of one scene, each of shape (3,), 0–1."""

    soil: Colour
    sand: Colour
    rock: Colour
    grass: Colour
    dry: Colour
    leaf: Colour
    ripe: Colour
    deep: Colour
    shallow: Colour
    snow: Colour


def palette(region: Region, rng: np.random.Generator) -> tuple[Palette, float]:
    """The colours of one scene of a region, and its season: 0 the greenest, 1 the driest."""
    base: dict[str, Colour] = {name: np.array(rgb, np.float32) / 255 for name, rgb in region.colours.items()}
    season = float(rng.beta(1.2, 1.6))
    base["grass"] = mix(base["grass"], base["dry"], 0.75 * season)
    base["leaf"] = mix(mix(base["leaf"], base["dry"], 0.35 * season**2), base["grass"], rng.uniform(0, 0.3))
    base["soil"] = mix(base["soil"], base["rock"], rng.uniform(0, 0.6))
    shifted = {}
    for f in fields(Palette):
        brightness, tint = rng.normal(1, 0.1), rng.normal(1, 0.02 if f.name == "snow" else 0.04, 3)
        shifted[f.name] = np.clip(base[f.name] * brightness * tint, 0, 1).astype(np.float32)
    return Palette(**shifted), season


def mix(a: Colour, b: Colour, weight: float) -> Colour:
    """``a`` at weight 0, ``b`` at 1."""
    return (a + (b - a) * weight).astype(np.float32)
