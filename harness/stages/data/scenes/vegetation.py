"""Painters of vegetation: crops, orchards, vineyards and greenhouses; grass, shrubs and forest."""

from __future__ import annotations

import numpy as np

from harness.stages.data.scenes.canvas import (
    Colour,
    Drawn,
    Grid,
    Parcels,
    Picture,
    Site,
    crowns,
    mix,
    paint,
    parcels,
    plain,
)

_CROPS = {"green": 1.2, "golden": 1.0, "brown": 1.0, "pale": 0.6, "dark green": 0.7}


def _crop(site: Site, name: str) -> Colour:
    c = site.colours
    return {
        "green": c.grass,
        "golden": c.ripe,
        "brown": c.soil,
        "pale": mix(c.soil, c.sand, 0.7),
        "dark green": mix(c.grass, c.leaf, 0.6),
    }[name]


def crop_land(site: Site) -> Drawn:
    """Parcels in the colours of their crops, with boundaries and plough lines."""
    rng, canvas = site.rng, site.canvas
    land = parcels(site, rng.uniform(0.22, 0.4), rng.uniform(0.3, 0.6))
    names = [site.one_of(_CROPS) for _ in range(land.count)]
    colours = np.stack([_crop(site, n) for n in names]) * rng.normal(1, 0.12, (land.count, 1))
    picture = colours.astype(np.float32)[land.index].transpose(2, 0, 1).copy()
    picture *= 1 + _ploughing(site, land) + 0.045 * canvas.fractal(rng, 8)
    hedged = rng.random() < 0.55
    width = rng.uniform(0.011, 0.017)
    border = canvas.inside(land.edge - width)
    colour = site.colours.leaf * 0.85 if hedged else site.colours.sand
    paint(picture, border, colour)
    seen = sorted(
        {names[i] for i in np.flatnonzero(np.bincount(land.index.ravel()) > 0.06 * land.index.size)}
    )
    colours_seen = " and ".join(seen[:2]) or "small"
    return Drawn(
        picture,
        f"crop land of {colours_seen} fields",
        (
            "dark hedges between the fields" if hedged else "pale tracks between the fields",
            "straight plough lines",
            "parcels of different colours" if len(seen) > 1 else "parcels side by side",
        ),
        "the farmland is divided into fields",
    )


def _ploughing(site: Site, land: Parcels) -> Grid:
    """Relative brightness of plough lines; each parcel has its own direction, spacing and depth."""
    rng = site.rng
    u, v = land.frame
    along = rng.random(land.count) < 0.35
    frequency = (2 * np.pi / rng.uniform(0.055, 0.085, land.count)).astype(np.float32)
    depth = (rng.uniform(0.03, 0.16, land.count)).astype(np.float32)
    across = np.where(along[land.index], u, v)
    return depth[land.index] * np.sin(across * frequency[land.index])


def cultivated_vegetation(site: Site) -> Drawn:
    """Blocks of planted rows: orchards, vineyards, plantations, greenhouses."""
    rng, canvas = site.rng, site.canvas
    land = parcels(site, rng.uniform(0.5, 0.9), rng.uniform(0.6, 1.1))
    floor = mix(mix(site.colours.soil, site.colours.sand, 0.3), site.colours.grass, rng.uniform(0, 0.9))
    picture = plain(canvas, floor) * (1 + 0.05 * canvas.fractal(rng, 6))
    kinds = site.region.plantings
    main = site.one_of(kinds)
    other = site.one_of({**{k: w for k, w in kinds.items() if k != main}, "meadow": 1.0})
    share = rng.random(land.count) < 0.75
    first = share[land.index].astype(np.float32)
    if first.mean() < 0.5:
        first = 1 - first
    blocks = canvas.inside(0.014 - land.edge)
    for kind, where in ((main, first * blocks), (other, (1 - first) * blocks)):
        if where.mean() > 0.01:
            _PLANTINGS[kind](site, picture, where, land.frame)
    beside = _BESIDE[other] if (1 - first).mean() > 0.08 else "the same planting everywhere"
    subject, details, statement = _WORDS[main]
    return Drawn(picture, subject, (*details, beside), statement)


def _orchard(site: Site, picture: Picture, where: Grid, frame: tuple[Grid, Grid]) -> None:
    spacing = site.rng.uniform(0.1, 0.15)
    trees = crowns(site, frame, spacing=spacing, radius=site.rng.uniform(0.3, 0.4), jitter=0.04, missing=0.03)
    _plant(site, picture, where, trees.height, trees.cover, 0.35 * spacing)


def _plantation(site: Site, picture: Picture, where: Grid, frame: tuple[Grid, Grid]) -> None:
    spacing = site.rng.uniform(0.085, 0.105)
    skewed = (frame[0] + frame[1] * 0.5, frame[1])
    trees = crowns(site, skewed, spacing=spacing, radius=0.36, jitter=0.03, missing=0.02)
    _plant(site, picture, where, trees.height, trees.cover, 0.3 * spacing)


def _vineyard(site: Site, picture: Picture, where: Grid, frame: tuple[Grid, Grid]) -> None:
    period = site.rng.uniform(0.08, 0.12)
    wave = np.cos(frame[1] * (2 * np.pi / period))
    gaps = np.clip(2.2 + site.canvas.noise(site.rng, 24), 0, 1)
    row = np.clip((wave - 0.15) * 2.5, 0, 1) * gaps
    _plant(site, picture, where, row, row, 0.25 * period)


def _plant(site: Site, picture: Picture, where: Grid, height: Grid, cover: Grid, shadow: float) -> None:
    """Paint plants of ``height`` (0–1) and their shadows over the ground."""
    canvas, c = site.canvas, site.colours
    picture *= 1 - 0.55 * where * canvas.moved(cover, shadow) * (1 - cover)
    green = mix(c.leaf, c.grass, site.rng.uniform(0, 0.45))
    lit = 0.66 + 0.4 * height
    paint(picture, where * cover, green[:, None, None] * lit)


def _greenhouses(site: Site, picture: Picture, where: Grid, frame: tuple[Grid, Grid]) -> None:
    rng, canvas, c = site.rng, site.canvas, site.colours
    period = rng.uniform(0.11, 0.16)
    phase = (frame[1] / period) % 1
    roof = canvas.inside((np.abs(phase - 0.5) - 0.36) * period)
    long = (frame[0] / rng.uniform(0.4, 0.6) + np.floor(frame[1] / period) * 0.37) % 1
    roof *= canvas.inside((np.abs(long - 0.5) - 0.45) * 0.5)
    pale = mix(c.snow, c.sand, rng.uniform(0.1, 0.6))
    ridge = np.where(phase < 0.5, 1.0, 0.82)
    paint(picture, where * canvas.moved(roof, 0.012) * (1 - roof), mix(c.leaf, c.soil, 0.5) * 0.6)
    paint(picture, where * roof, pale[:, None, None] * ridge * rng.uniform(0.8, 1.0))


def _meadow(site: Site, picture: Picture, where: Grid, frame: tuple[Grid, Grid]) -> None:
    colour = mix(site.colours.grass, site.colours.ripe, site.rng.uniform(0, 0.6))
    mown = 1 + 0.05 * np.sin(frame[0] * (2 * np.pi / 0.06))
    paint(picture, where, colour[:, None, None] * mown)


_PLANTINGS = {
    "orchard": _orchard,
    "vineyard": _vineyard,
    "plantation": _plantation,
    "greenhouses": _greenhouses,
    "meadow": _meadow,
}
_WORDS = {
    "orchard": (
        "cultivated vegetation, an orchard of round trees",
        ("single trees on a regular grid", "bare ground between the rows"),
        "the orchard trees stand in straight rows",
    ),
    "vineyard": (
        "cultivated vegetation, a vineyard of long rows",
        ("parallel rows of vines", "narrow strips of ground between the rows"),
        "the vines are planted in parallel rows",
    ),
    "plantation": (
        "cultivated vegetation, a dense plantation",
        ("small trees close together", "slanting rows of treetops"),
        "the plantation trees stand close together in rows",
    ),
    "greenhouses": (
        "cultivated vegetation under long greenhouses",
        ("bright parallel roofs", "narrow gaps between the roofs"),
        "the greenhouses stand side by side",
    ),
}
_BESIDE = {
    "orchard": "an orchard beside them",
    "vineyard": "a vineyard beside them",
    "plantation": "a plantation beside them",
    "greenhouses": "greenhouses beside them",
    "meadow": "a meadow beside them",
}


def natural_vegetation(site: Site) -> Drawn:
    """Patches of grass of several colours with scattered shrubs."""
    rng, canvas, c = site.rng, site.canvas, site.colours
    kind = site.one_of({"grassland": 1.0, "shrubland": 1.3, "heath": 0.8})
    picture = plain(canvas, mix(c.grass, c.dry, rng.uniform(0, 0.5)))
    patch = canvas.fractal(rng, int(rng.integers(3, 6)), octaves=4, gain=0.6)
    tall = mix(c.dry, c.soil, rng.uniform(0, 0.4))
    paint(picture, np.clip(patch * 2.2 + 0.3, 0, 1) * 0.85, tall)
    third = {"grassland": c.ripe, "shrubland": mix(c.grass, c.leaf, 0.7), "heath": mix(c.rock, c.leaf, 0.5)}[
        kind
    ]
    other = canvas.fractal(rng, 5, octaves=3, gain=0.7)
    paint(picture, np.clip(other * 3 - 1.0, 0, 1) * 0.7, third)
    picture *= 1 + 0.06 * canvas.fractal(rng, 24, octaves=2, gain=0.8)
    density = {"grassland": 0.12, "shrubland": 0.55, "heath": 0.3}[kind]
    thicket = np.clip(canvas.fractal(rng, 4, octaves=3, gain=0.7) * 1.8 + 0.4, 0, 1)
    for spacing, share in ((rng.uniform(0.09, 0.13), 0.5), (rng.uniform(0.045, 0.065), 1.0)):
        frame = canvas.turned(rng.uniform(0, np.pi))
        shrubs = crowns(site, frame, spacing=spacing, radius=0.36, jitter=0.39, missing=1 - density * share)
        cover = thicket * shrubs.cover
        picture *= 1 - 0.35 * canvas.moved(cover, 0.3 * spacing)
        green = mix(c.leaf, c.grass, rng.uniform(0.1, 0.5))
        paint(picture, cover * 0.9, green[:, None, None] * (0.75 + 0.35 * shrubs.height))
    words = {
        "grassland": (
            "natural vegetation, open grassland",
            "a few shrubs in the grass",
            "wild grass covers the land",
        ),
        "shrubland": (
            "natural vegetation, shrubs in the grass",
            "scattered dark shrubs",
            "shrubs grow wild in the grass",
        ),
        "heath": ("natural vegetation, a heath", "low dark bushes", "wild bushes and grass cover the heath"),
    }[kind]
    return Drawn(
        picture,
        words[0],
        (words[1], "irregular patches of grass", "soft borders between the patches"),
        words[2],
    )


def woody_vegetation(site: Site) -> Drawn:
    """A closed canopy of crowns with shadows and clearings."""
    rng, canvas, c = site.rng, site.canvas, site.colours
    kind = site.one_of(site.region.forests)
    floor = mix(c.leaf, mix(c.soil, c.grass, 0.5), 0.35 if kind != "open" else 0.8)
    picture = plain(canvas, floor * (0.7 if kind != "open" else 0.95))
    big = kind in ("broadleaf", "open")
    spacing = rng.uniform(0.075, 0.11) if big else rng.uniform(0.05, 0.07)
    trees = crowns(
        site,
        canvas.turned(rng.uniform(0, 1.5)),
        spacing=spacing,
        radius=0.56 if kind != "open" else 0.46,
        jitter=0.38,
        missing=0.04 if kind != "open" else 0.2,
    )
    clearing = canvas.fractal(rng, 3) - rng.uniform(1.2, 2.4)
    standing = canvas.inside(clearing, 0.2) * trees.cover
    paint(picture, canvas.inside(-clearing, 0.2), mix(c.grass, c.soil, rng.uniform(0, 0.8)))
    picture *= 1 - 0.5 * canvas.moved(standing, 0.4 * spacing) * (1 - standing)
    light = canvas.light(trees.height * (0.5 * spacing), 1.2)
    second = mix(c.leaf, c.grass, rng.uniform(0.2, 0.7))
    if kind == "mixed" or site.season > 0.6:
        second = mix(second, c.ripe, rng.uniform(0.1, 0.5))
    tone = trees.tone * (1.0 if kind == "mixed" else 0.7)
    leaves = c.leaf[:, None, None] + tone * (second - c.leaf)[:, None, None]
    paint(picture, standing, leaves * light * (0.62 + 0.5 * trees.height))
    words = {
        "broadleaf": ("woody vegetation, a forest of broad crowns", "round treetops of many sizes"),
        "conifer": ("woody vegetation, a forest of conifers", "small pointed treetops"),
        "mixed": ("woody vegetation, a mixed forest", "treetops of several colours"),
        "open": ("woody vegetation, an open woodland", "gaps between the trees"),
    }[kind]
    cleared = float((clearing > 0).mean()) > 0.04
    details = (
        words[1],
        "dark shadows between the crowns",
        "a clearing among the trees" if cleared else "a closed canopy",
    )
    return Drawn(
        picture,
        words[0],
        details,
        "trees cover the ground" if kind != "open" else "many trees stand on the ground",
    )
