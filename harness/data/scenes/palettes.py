"""The colours of a region, and how season, soil and chance change them from scene to scene."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from harness.data.scenes.canvas import Colour

_REGIONS: dict[str, dict[str, tuple[int, int, int]]] = {
    "temperate": {
        "soil": (142, 114, 86), "sand": (194, 174, 136), "rock": (128, 122, 114), "grass": (110, 136, 70),
        "dry": (172, 158, 100), "leaf": (58, 88, 46), "ripe": (204, 182, 108), "deep": (34, 64, 80),
        "shallow": (92, 124, 110), "snow": (228, 233, 240),
    },
    "arid": {
        "soil": (178, 138, 98), "sand": (214, 180, 130), "rock": (152, 118, 90), "grass": (140, 138, 82),
        "dry": (192, 164, 108), "leaf": (86, 98, 54), "ripe": (212, 184, 116), "deep": (36, 82, 100),
        "shallow": (112, 152, 142), "snow": (234, 230, 226),
    },
    "boreal": {
        "soil": (112, 98, 84), "sand": (168, 156, 138), "rock": (116, 117, 120), "grass": (112, 120, 74),
        "dry": (158, 138, 92), "leaf": (40, 64, 48), "ripe": (182, 168, 106), "deep": (28, 46, 60),
        "shallow": (74, 92, 88), "snow": (222, 231, 242),
    },
    "tropical": {
        "soil": (150, 102, 76), "sand": (212, 192, 154), "rock": (118, 104, 92), "grass": (102, 138, 64),
        "dry": (156, 154, 76), "leaf": (44, 88, 44), "ripe": (180, 174, 96), "deep": (22, 80, 104),
        "shallow": (72, 152, 144), "snow": (226, 232, 232),
    },
}  # fmt: skip
_REGIONS["polder"] = _REGIONS["temperate"]
REGIONS = tuple(_REGIONS)


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


def palette(region: str, rng: np.random.Generator) -> tuple[Palette, float]:
    """The colours of one scene of ``region``, and its season: 0 the greenest, 1 the driest."""
    base: dict[str, Colour] = {
        name: np.array(rgb, np.float32) / 255 for name, rgb in _REGIONS[region].items()
    }
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
