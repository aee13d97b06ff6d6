"""Painters of what bears no plants: bare ground; lakes, rivers, coasts and islands; glaciers, floes and snowfields."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.stages.data.scenes.canvas import (
    Drawn,
    Grid,
    Kind,
    Picture,
    Site,
    mix,
    paint,
    plain,
    plates,
)
from harness.stages.data.scenes.vegetation import crop_land, natural_vegetation, woody_vegetation


def bare_land(site: Site) -> Drawn:
    """Dunes, gullies, rock or plain soil."""
    kind = site.one_of(site.region.bare_land)
    painter, subject, details, statement = _BARE[kind]
    picture = painter(site)
    weeds = site.canvas.fractal(site.rng, 8) - site.rng.uniform(0.9, 2.5)
    paint(picture, site.canvas.inside(-weeds, 0.4) * 0.6, site.colours.dry)
    return Drawn(picture, subject, details, statement)


def _dunes(site: Site) -> Picture:
    rng, canvas, c = site.rng, site.canvas, site.colours
    u, v = canvas.turned(rng.uniform(0, np.pi))
    period = rng.uniform(0.14, 0.24)
    phase = (v + 0.05 * canvas.fractal(rng, 3)) / period
    saw = phase % 1
    height = np.where(saw < 0.7, saw / 0.7, (1 - saw) / 0.3).astype(np.float32)
    height = height * height * (3 - 2 * height) * 0.06
    ripples: Grid = np.sin((u + v * 0.3 + 0.02 * canvas.noise(rng, 6)) * (2 * np.pi / 0.045))
    picture = plain(canvas, mix(c.sand, c.soil, rng.uniform(0, 0.5)))
    picture *= canvas.light(height) * (1 + 0.03 * ripples)
    return picture


def _gullies(site: Site) -> Picture:
    rng, canvas, c = site.rng, site.canvas, site.colours
    warp = canvas.fractal(rng, 4, octaves=4, gain=0.55)
    crest = np.abs(warp)
    height = np.minimum(crest, 0.7) * 0.09 + 0.012 * canvas.fractal(rng, 10)
    picture = plain(canvas, mix(c.soil, c.rock, rng.uniform(0, 0.4)))
    paint(picture, np.clip(1 - crest * 5, 0, 1) * 0.6, c.soil * 0.55)
    paint(picture, np.clip(crest - 0.6, 0, 1) * 0.6, c.sand)
    return picture * canvas.light(height)


def _rock(site: Site) -> Picture:
    rng, canvas, c = site.rng, site.canvas, site.colours
    height = canvas.fractal(rng, 4, octaves=5, gain=0.62) * 0.05
    picture = plain(canvas, c.rock)
    paint(
        picture,
        np.clip(canvas.fractal(rng, 3) * 0.8 + 0.3, 0, 1),
        mix(c.soil, c.sand, rng.uniform(0, 0.7)),
    )
    return picture * canvas.light(height)


def _plain(site: Site) -> Picture:
    rng, canvas, c = site.rng, site.canvas, site.colours
    picture = plain(canvas, c.soil)
    stain = canvas.fractal(rng, 3, octaves=4, gain=0.6)
    paint(picture, np.clip(stain * 0.7 + 0.4, 0, 1), mix(c.soil, c.sand, rng.uniform(0.3, 1)))
    for _ in range(int(rng.integers(2, 5))):
        _, v = canvas.turned(rng.uniform(0, np.pi))
        away = v - rng.uniform(-0.4, 0.4) + 0.05 * canvas.noise(rng, 2)
        wheels = np.abs(np.abs(away) - 0.014)
        paint(picture, canvas.inside(wheels - 0.006) * 0.5, c.soil * 0.65)
    return picture * (1 + 0.05 * canvas.fractal(rng, 16, octaves=3, gain=0.8))


_BARE: Mapping[str, Kind] = {
    "dunes": (
        _dunes,
        "bare land of sand dunes",
        ("long curved dune crests", "shadows behind the crests", "fine ripples in the sand"),
        "sand dunes cover the ground",
    ),
    "gullies": (
        _gullies,
        "bare land cut by gullies",
        ("dark branching gullies", "rough stony soil", "ridges between the gullies"),
        "the bare soil is eroded",
    ),
    "rock": (
        _rock,
        "bare land of rock and rubble",
        ("rough grey stone", "patches of bare soil", "no plants between the rocks"),
        "bare rock covers the ground",
    ),
    "plain": (
        _plain,
        "bare land, an empty plain of soil",
        ("wheel tracks on the ground", "pale stains in the soil", "hardly any plants"),
        "the open ground is bare soil",
    ),
}


def snow_ice(site: Site) -> Drawn:
    """Snow on mountains, crevassed glaciers, drifting floes, snowfields."""
    kind = site.one_of({"mountain": 1.2, "glacier": 1.1, "floes": 1.0, "snowfield": 0.8})
    painter, subject, details, statement = _ICE[kind]
    return Drawn(painter(site), subject, details, statement)


def _mountain(site: Site) -> Picture:
    rng, canvas, c = site.rng, site.canvas, site.colours
    ridge = np.abs(canvas.fractal(rng, 3, octaves=5, gain=0.5))
    height = -ridge * 0.11
    picture = plain(canvas, c.snow)
    stone = canvas.fractal(rng, 6, octaves=4, gain=0.7) + 1.2 * (0.7 - 3 * ridge) - rng.uniform(0.3, 1.2)
    lit = canvas.light(height)
    picture *= lit
    picture[2] += 0.08 * np.clip(1 - lit, 0, 1)
    paint(picture, canvas.inside(-stone, 0.25), c.rock[:, None, None] * lit * 0.8)
    return picture


def _glacier(site: Site) -> Picture:
    rng, canvas, c = site.rng, site.canvas, site.colours
    u, v = canvas.turned(rng.uniform(0, np.pi))
    picture = plain(canvas, mix(c.snow, c.shallow, rng.uniform(0.05, 0.3)))
    flow = v + rng.uniform(0.2, 0.5) * u * u + 0.035 * canvas.fractal(rng, 3)
    phase = (flow / rng.uniform(0.09, 0.14)) % 1
    broken = np.clip(canvas.fractal(rng, 6) * 1.5 + 0.7, 0, 1)
    crack = np.clip(1 - np.abs(phase - 0.5) * 7, 0, 1) * broken
    picture *= canvas.light(canvas.fractal(rng, 4, octaves=4) * 0.025)
    paint(picture, crack * 0.85, mix(c.deep, c.shallow, 0.6))
    paint(picture, canvas.moved(crack, 0.012) * (1 - crack) * 0.5, c.snow)
    moraine = canvas.inside(
        np.abs(u - rng.uniform(-0.4, 0.4) + 0.05 * canvas.noise(rng, 3)) - 0.025,
        0.03,
    )
    paint(picture, moraine * (0.7 * (rng.random() < 0.6)), c.rock)
    return picture


def _floes(site: Site) -> Picture:
    rng, canvas, c = site.rng, site.canvas, site.colours
    edge, tone = plates(site, rng.uniform(0.16, 0.26))
    picture = plain(canvas, mix(c.deep, c.shallow, rng.uniform(0, 0.5)))
    ice = canvas.inside(rng.uniform(0.012, 0.028) - edge + (tone < 0.15))
    pale = c.snow[:, None, None] * (0.8 + 0.2 * tone) * (1 + 0.04 * canvas.fractal(rng, 10))
    paint(picture, canvas.inside(0.004 - edge + (tone < 0.15)) * 0.5, c.shallow)
    paint(picture, ice, pale)
    return picture


def _snowfield(site: Site) -> Picture:
    rng, canvas, c = site.rng, site.canvas, site.colours
    _, v = canvas.turned(rng.uniform(0, np.pi))
    drift = np.sin((v + 0.06 * canvas.fractal(rng, 4)) * (2 * np.pi / rng.uniform(0.1, 0.16)))
    height = (canvas.fractal(rng, 3, octaves=3) * 1.6 + drift * 0.5) * 0.02
    picture = plain(canvas, c.snow) * canvas.light(height)
    thaw = canvas.fractal(rng, 5, octaves=4, gain=0.6) - rng.uniform(0.5, 1.6)
    paint(picture, canvas.inside(-thaw, 0.2) * 0.85, mix(c.soil, c.dry, rng.uniform(0, 1)))
    return picture


_ICE: Mapping[str, Kind] = {
    "mountain": (
        _mountain,
        "snow and ice on a mountain",
        ("dark rock that sticks out of the snow", "steep ridges", "blue shadows on the snow"),
        "snow lies on the mountain ridges",
    ),
    "glacier": (
        _glacier,
        "snow and ice of a glacier",
        ("long blue crevasses", "cracked ice", "curved lines of flow"),
        "the glacier ice is full of crevasses",
    ),
    "floes": (
        _floes,
        "snow and ice floes on dark water",
        ("white plates of ice", "dark cracks of open water", "floes of many shapes"),
        "ice floes drift on the water",
    ),
    "snowfield": (
        _snowfield,
        "snow and ice, a wide snowfield",
        ("soft snow drifts", "patches of ground where the snow melted", "gentle shadows"),
        "snow covers the open field",
    ),
}


_SHORES = {
    "grassland": natural_vegetation,
    "forest": woody_vegetation,
    "bare ground": bare_land,
    "fields": crop_land,
}


def water_body(site: Site) -> Drawn:
    """Water with a shoreline, shallow and deep parts, in land of another cover."""
    kind = site.one_of({"lake": 1.3, "river": 1.0, "coast": 1.0, "islands": 0.5})
    shore = site.one_of({"grassland": 1.0, "forest": 1.0, "bare ground": 0.8, "fields": 0.5})
    picture = _SHORES[shore](site).picture
    pour(site, picture, _depth(site, kind))
    subject, details, statement = _WATER_WORDS[kind]
    return Drawn(picture, subject, (*details, f"{shore} on the shore"), statement)


def _depth(site: Site, kind: str) -> Grid:
    """Approximate distance to the shore in scene widths; negative on land."""
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
