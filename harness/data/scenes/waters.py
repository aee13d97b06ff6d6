"""Lakes, rivers, coasts and islands."""

from __future__ import annotations

import numpy as np

from harness.data.scenes.canvas import Grid, Picture, paint
from harness.data.scenes.farms import crop_land
from harness.data.scenes.palettes import mix
from harness.data.scenes.site import Drawn, Site
from harness.data.scenes.wild import bare_land, natural_vegetation, woody_vegetation

_SHORES = {
    "grassland": natural_vegetation,
    "forest": woody_vegetation,
    "bare ground": bare_land,
    "fields": crop_land,
}


def water_body(site: Site) -> Drawn:
    """Water with a shoreline, shallows and depths, in a land of another cover."""
    kind = site.one_of({"lake": 1.3, "river": 1.0, "coast": 1.0, "islands": 0.5})
    shore = site.one_of({"grassland": 1.0, "forest": 1.0, "bare ground": 0.8, "fields": 0.5})
    picture = _SHORES[shore](site).picture
    pour(site, picture, _depth(site, kind))
    subject, details, statement = _WATER_WORDS[kind]
    return Drawn(picture, subject, (*details, f"{shore} on the shore"), statement)


def _depth(site: Site, kind: str) -> Grid:
    """Distance to the shore in scene widths, roughly; negative on land."""
    rng, canvas = site.rng, site.canvas
    u, v = canvas.turned(rng.uniform(0, 2 * np.pi))
    rough = canvas.fractal(rng, 3, octaves=4, gain=0.45)
    depth: Grid
    if kind == "river":
        bend = rng.uniform(0.06, 0.16) * np.sin(u * rng.uniform(3, 7) + rng.uniform(0, 2 * np.pi))
        depth = rng.uniform(0.09, 0.17) + 0.02 * rough - np.abs(v - bend)
    elif kind == "coast":
        depth = v + rng.uniform(0, 0.2) + 0.06 * rough
    elif kind == "islands":
        depth = 0.11 * (rng.uniform(0.5, 0.9) - canvas.fractal(rng, 4))
    else:
        du, dv = u - rng.uniform(-0.12, 0.12), v - rng.uniform(-0.12, 0.12)
        depth = rng.uniform(0.3, 0.42) - np.hypot(du, dv * rng.uniform(1, 1.6)) + 0.06 * rough
    return depth


def pour(site: Site, picture: Picture, depth: Grid) -> None:
    """Fill ``picture`` with water where ``depth`` is positive, with a beach or a reed belt around it."""
    rng, canvas, c = site.rng, site.canvas, site.colours
    rim = mix(c.sand, c.leaf, 1.0) if rng.random() < 0.4 else mix(c.sand, c.soil, rng.uniform(0, 0.5))
    paint(picture, canvas.inside(-depth - rng.uniform(0.01, 0.035), 0.01), rim)
    shallow = mix(c.shallow, c.soil if rng.random() < 0.4 else c.leaf, rng.uniform(0, 0.5))
    deep = mix(c.deep, shallow, rng.uniform(0, 0.6))
    down = np.clip(depth / rng.uniform(0.06, 0.2), 0, 1)
    down = np.clip(down + 0.1 * canvas.fractal(rng, 3), 0, 1)
    water = shallow[:, None, None] + down * (deep - shallow)[:, None, None]
    _, v = canvas.turned(rng.uniform(0, np.pi))
    waves = np.sin((v + 0.03 * canvas.noise(rng, 5)) * (2 * np.pi / rng.uniform(0.05, 0.07)))
    water = water * (1 + rng.uniform(0.01, 0.07) * waves)
    glint = np.clip(canvas.fractal(rng, 3) - rng.uniform(0.8, 2.5), 0, 1) * 0.25
    paint(picture, canvas.inside(-depth), water + glint)


_WATER_WORDS = {
    "lake": (
        "a body of water, a lake",
        ("a curved shoreline", "deeper water in the middle"),
        "the lake is filled with still water",
    ),
    "river": (
        "a body of water, a wide river",
        ("two winding banks", "smooth flowing water"),
        "the river winds through the land",
    ),
    "coast": (
        "a body of water, the open sea at the coast",
        ("a long shoreline", "shallow water near the beach"),
        "waves reach the coast",
    ),
    "islands": (
        "a body of water with small islands",
        ("pieces of land in the water", "pale shallows around the land"),
        "the water surrounds the land",
    ),
}
