"""Checks of a prompt's content: its class, the view, its passages, what is forbidden, copies of others."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.stages.metrics.prompts.words import (
    Context,
    Finding,
    Twin,
    content,
    found,
    listed,
    pattern,
    sent,
    singular,
    words,
)

if TYPE_CHECKING:
    from harness.formats.prompts import Prompt

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
"""Words that name classes of land cover besides their own name, by the letters of the class name (after the
nomenclatures of Anderson et al. 1976, CORINE Land Cover and WorldCover). Any other class is named by its name only, or
by the words that a suite gives it.
"""


def naming(classes: Sequence[str], given: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """For each class its name and the words that name it, ``given`` ones instead of the curated ones."""
    return {label: (label, *given.get(label, _curated(label))) for label in classes}


def _curated(label: str) -> tuple[str, ...]:
    return WORDS.get("".join(filter(str.isalnum, label)).lower(), ())


def patterns(names: Mapping[str, Sequence[str]]) -> dict[str, re.Pattern[str]]:
    """A pattern for each class that finds its words in a text."""
    return {label: pattern(phrases) for label, phrases in names.items()}


def class_named(prompt: Prompt, context: Context) -> Finding:
    """Number of different words in the prompt itself that name its class."""
    own = found(context.named[prompt.label], prompt.text)
    if own:
        return Finding(float(len(own)), tuple(own))
    others = [
        f"{label}: {', '.join(hit)}" for label, p in context.named.items() if (hit := found(p, prompt.text))
    ]
    return Finding(0.0, (f"no word for {prompt.label}", *others))


def relevant(prompt: Prompt, context: Context) -> Finding:
    """Cosine of the prompt with its class; -1 if the model knows none of its words."""
    cosines = context.cosines.get(prompt.name)
    if cosines is None:
        return Finding(-1.0, ("no word that the model knows",))
    return Finding(cosines[prompt.label], (f"{prompt.label} {cosines[prompt.label]:.3f}",))


def apart(prompt: Prompt, context: Context) -> Finding:
    """Cosine with its class minus that with the nearest other class; does not apply if there is no other class."""
    cosines = context.cosines.get(prompt.name)
    if cosines is None:
        return Finding(-1.0, ("no word that the model knows",))
    others = {label: cosine for label, cosine in cosines.items() if label != prompt.label}
    if not others:
        return Finding(None)
    other = max(others, key=others.__getitem__)
    own = cosines[prompt.label]
    return Finding(own - others[other], (f"{prompt.label} {own:.3f}, {other} {others[other]:.3f}",))


def consistent(prompt: Prompt, context: Context) -> Finding:
    """Number of negative cues in the prompt or among its positive cues."""
    asked = found(pattern(context.negative), sent(prompt.text, context.positive))
    return Finding(float(len(asked)), tuple(f"{cue!r} is a negative cue" for cue in asked))


ABOVE = listed(
    """
    aerial, satellite, airborne, spaceborne, from above, directly above, straight above, from the air, from
    space, from orbit, overhead, top down, bird's eye, bird eye, orthophoto, orthoimage,
    orthomosaic, nadir, remote sensing, remotely sensed, sentinel, landsat, worldview, drone, UAV, high
    altitude, seen from high
    """
)
"""Phrases that say that the camera is above."""

GROUND = listed(
    """
    standing in, standing on the ground, stand in front, close up, closeup, macro, street level, street view, ground
    level, ground view, eye level, at eye height, on foot, portrait, selfie, foreground, horizon, sky, skyline,
    sunset, sunrise, first person, side view, low angle, from below, from the ground, from the side, looking up,
    walking through, walking along, through a window, in the hand, in his hand, in her hand, bokeh, depth of field,
    shallow focus, holding a, wearing a, indoor, interior of
    """
)
"""Phrases that place the camera on the ground. One of 4,108 RSICD captions has any: a church "standing in" a square."""

_COVERS = words(
    """
    agricultural arable bare bareland barren basin bay beach bog bush canal canopy cloud coast coastal
    coastline cover cropland crop cultivated delta desert dune estuary farm farmland fallow fen field
    floodplain forest forested glacier glacial grass grassland gravel greenhouse habitat hedge hedgerow ice
    iceberg irrigated irrigation island lagoon lake land landcover landscape lawn mangrove marsh meadow moor
    moraine mountain mountainous mud ocean orchard paddy pasture peat peninsula plain plantation plateau pond
    quarry rangeland reef reservoir ridge river riverbank rock rocky salt sand sandbar sandy savanna savannah
    scrub sea sediment shore shoreline shrub shrubland snow snowfield soil steppe stream swamp terrain terrace
    tree tundra valley vegetated vegetation vineyard water watershed waterway wetland wood woodland woody
    crevasse prairie wasteland hill earth ground
    """
)
"""Covers and uses of land: Anderson et al. (1976), CORINE, Dynamic World."""
_BUILT = words(
    """
    airport aircraft avenue bridge building church factory harbor harbour highway house industrial
    infrastructure parking port railway residential resort road roof rooftop runway settlement square stadium
    suburb tank town urban viaduct village city playground park terminal overpass refinery construction
    commercial community
    """
)
"""Buildings and infrastructure, in the words of RSICD and other scene sets."""
_SEEN = words(
    """
    aerial albedo backscatter band geometry hyperspectral infrared imagery landsat multispectral ndvi
    orthophoto overhead panchromatic pixel radar reflectance resolution sar satellite sentinel spectral swath
    texture thermal
    """
)
"""Instruments, and what they measure."""
_PATTERNS = words(
    """
    adjacent checkerboard circular contour curved dense fragmented geometric grid irregular linear meandering
    mosaic parallel parcel patch patchwork pattern pivot plot plough polygon rectangular row scattered sparse
    strip winding
    """
)
"""Words for patterns as seen from above."""
VOCABULARY = frozenset([*_COVERS, *_BUILT, *_SEEN, *_PATTERNS])
"""Words, without plurals, that describe land as seen from above."""

_ABOVE, _GROUND = pattern(ABOVE), pattern(GROUND)
_CUE_WORDS = frozenset(singular(word) for phrase in ABOVE for word in content(phrase))


def from_above(prompt: Prompt, context: Context) -> Finding:
    """Number of phrases, in the prompt or its positive cues, that say that the view is from above."""
    cues = found(_ABOVE, sent(prompt.text, context.positive))
    return Finding(float(len(cues)), tuple(cues) or ("nothing says that it is seen from above",))


def not_from_ground(prompt: Prompt, context: Context) -> Finding:
    """Number of phrases that say that the view is from the ground."""
    cues = found(_GROUND, sent(prompt.text, context.positive))
    return Finding(float(len(cues)), tuple(cues))


def vocabulary(prompt: Prompt, _: Context) -> Finding:
    """Number of different remote-sensing words in the prompt itself; words for the view are left to another check."""
    own = dict.fromkeys(word for word in content(prompt.text) if word not in _CUE_WORDS)
    known = [word for word in own if word in VOCABULARY]
    return Finding(float(len(known)), tuple(known) or ("no word for land as it is seen from above",))


def without_view(text: str) -> str:
    """The text without the phrases that say that the camera is above."""
    return _ABOVE.sub(" ", text)


def supported(prompt: Prompt, context: Context) -> Finding:
    """Share of its content words that are also in its passages.

    Does not apply to a prompt without passages, or without content words other than those for the view.
    """
    said = dict.fromkeys(content(without_view(prompt.text)))
    if not prompt.passages or not said:
        return Finding(None)
    read = {word for passage in prompt.passages for word in content(passage.text)}
    missing = [word for word in said if word not in read]
    return Finding(1 - len(missing) / len(said), (f"not in the passages: {', '.join(missing) or 'nothing'}",))


def close(prompt: Prompt, context: Context) -> Finding:
    """Cosine of the prompt with the nearest of its passages; does not apply to a prompt without passages."""
    if prompt.name not in context.resting:
        return Finding(None)
    cosine = context.resting[prompt.name]
    return Finding(cosine, (f"cosine {cosine:.3f} with the nearest of {len(prompt.passages)} passages",))


def unrepeated(prompt: Prompt, context: Context) -> Finding:
    """Likeness to the most similar earlier prompt of its class, so the first of several copies passes."""
    return _likeness(context.twins_within.get(prompt.name))


def class_specific(prompt: Prompt, context: Context) -> Finding:
    """Likeness to the most similar prompt of another class, unless the two differ in the words for their classes.

    For example, "a lake in a forest" for two classes does not distinguish them.
    """
    return _likeness(context.twins_across.get(prompt.name))


def _likeness(twin: Twin | None) -> Finding:
    return Finding(0.0) if twin is None else Finding(twin.likeness, (f"{twin.name}: {twin.text}",))
