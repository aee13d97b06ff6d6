"""Is the prompt about its class, and about no other one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.metrics.prompts.context import Context, Finding
from harness.metrics.prompts.words import found, listed, pattern

if TYPE_CHECKING:
    from harness.systems.prompt_writer.writing.table import Prompt

WORDS: Mapping[str, tuple[str, ...]] = {
    "bareland": listed(
        """
        bare, barren, bare ground, desert, sand, sandy, dune, gravel, rock, rocky, stony, badlands, wasteland,
        bare soil, exposed soil, scree, salt flat
        """
    ),
    "cropland": listed(
        """
        crop, field, farm, farmland, agricultural, agriculture, arable, fallow, wheat, barley, maize, corn,
        rice paddy, paddy, soybean, cotton, rapeseed, harvest, plough, plow, pivot irrigation
        """
    ),
    "cultivatedvegetation": listed(
        """
        cultivated, orchard, vineyard, plantation, greenhouse, grove, nursery, horticulture, terraced
        garden, garden, planted tree, planted in rows, rows of tree, hop garden, vine, oil palm, olive, citrus
        """
    ),
    "naturalvegetation": listed(
        """
        grassland, grass, meadow, heath, heathland, moor, moorland, savanna, savannah, steppe, prairie,
        shrubland, scrub, scrubland, shrub, wetland, marsh, bog, fen, tundra, wild, wild grass
        """
    ),
    "snowice": listed(
        """
        snow, snowy, ice, icy, glacier, glacial, iceberg, snowfield, icefield, frozen, ice sheet, ice floe,
        frost
        """
    ),
    "waterbody": listed(
        """
        water, lake, river, pond, reservoir, sea, ocean, lagoon, canal, stream, estuary, bay, coast,
        coastline, shore, shoreline, harbour, harbor, dam
        """
    ),
    "woodyvegetation": listed(
        """
        wood, woodland, woody, forest, tree, shrub, bush, thicket, copse, canopy, mangrove, jungle,
        rainforest, taiga
        """
    ),
}
"""For classes of land cover, by their letters alone: what names them besides their own name (after the nomenclatures
of Anderson et al. 1976, CORINE Land Cover and WorldCover). Any other class is named by its name only, or by the words
that a suite gives it.
"""


def naming(classes: Sequence[str], given: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """For each class its name and the words that name it, ``given`` ones instead of the curated ones."""
    return {label: (label, *given.get(label, _curated(label))) for label in classes}


def _curated(label: str) -> tuple[str, ...]:
    return WORDS.get("".join(filter(str.isalnum, label)).lower(), ())


def patterns(names: Mapping[str, Sequence[str]]) -> dict[str, re.Pattern[str]]:
    """What finds each class's words in a text."""
    return {label: pattern(phrases) for label, phrases in names.items()}


def class_named(prompt: Prompt, context: Context) -> Finding:
    """How many different words of the prompt itself name its class."""
    own = found(context.named[prompt.label], prompt.text)
    if own:
        return Finding(float(len(own)), tuple(own))
    others = [
        f"{label}: {', '.join(hit)}" for label, p in context.named.items() if (hit := found(p, prompt.text))
    ]
    return Finding(0.0, (f"no word for {prompt.label}", *others))


def relevant(prompt: Prompt, context: Context) -> Finding:
    """Cosine of the prompt with its class; -1 where the model knows none of its words."""
    cosines = context.cosines.get(prompt.name)
    if cosines is None:
        return Finding(-1.0, ("no word that the model knows",))
    return Finding(cosines[prompt.label], (f"{prompt.label} {cosines[prompt.label]:.3f}",))


def apart(prompt: Prompt, context: Context) -> Finding:
    """How much nearer it is to its class than to the nearest other one; there may be no other."""
    cosines = context.cosines.get(prompt.name)
    if cosines is None:
        return Finding(-1.0, ("no word that the model knows",))
    others = {label: cosine for label, cosine in cosines.items() if label != prompt.label}
    if not others:
        return Finding(None)
    other = max(others, key=others.__getitem__)
    own = cosines[prompt.label]
    return Finding(own - others[other], (f"{prompt.label} {own:.3f}, {other} {others[other]:.3f}",))
