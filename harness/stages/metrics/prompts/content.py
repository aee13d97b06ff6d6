"""Is it seen from above, and does it speak of land as remote sensing does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.metrics.prompts.context import Context, Finding
from harness.metrics.prompts.words import content, found, listed, pattern, sent, singular, words

if TYPE_CHECKING:
    from harness.systems.prompt_writer.writing.table import Prompt

ABOVE = listed(
    """
    aerial, satellite, airborne, spaceborne, from above, directly above, straight above, from the air, from
    space, from orbit, overhead, top down, bird's eye, bird eye, orthophoto, orthoimage,
    orthomosaic, nadir, remote sensing, remotely sensed, sentinel, landsat, worldview, drone, UAV, high
    altitude, seen from high
    """
)
"""Phrases that say where the camera is."""

GROUND = listed(
    """
    standing in, standing on the ground, stand in front, close up, closeup, macro, street level, street view, ground
    level, ground view, eye level, at eye height, on foot, portrait, selfie, foreground, horizon, sky, skyline,
    sunset, sunrise, first person, side view, low angle, from below, from the ground, from the side, looking up,
    walking through, walking along, through a window, in the hand, in his hand, in her hand, bokeh, depth of field,
    shallow focus, holding a, wearing a, indoor, interior of
    """
)
"""Phrases that put the camera on the ground. One of 4,108 RSICD captions has any: a church "standing in" a square."""

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
"""What people build, as RSICD and other scene sets call it."""
_SEEN = words(
    """
    aerial albedo backscatter band geometry hyperspectral infrared imagery landsat multispectral ndvi
    orthophoto overhead panchromatic pixel radar reflectance resolution sar satellite sentinel spectral swath
    texture thermal
    """
)
"""Instruments, and what they see."""
_PATTERNS = words(
    """
    adjacent checkerboard circular contour curved dense fragmented geometric grid irregular linear meandering
    mosaic parallel parcel patch patchwork pattern pivot plot plough polygon rectangular row scattered sparse
    strip winding
    """
)
"""How patterns look from above."""
VOCABULARY = frozenset([*_COVERS, *_BUILT, *_SEEN, *_PATTERNS])
"""Words, without plurals, that describe land as it is seen from above."""

_ABOVE, _GROUND = pattern(ABOVE), pattern(GROUND)
_CUE_WORDS = frozenset(singular(word) for phrase in ABOVE for word in content(phrase))


def from_above(prompt: Prompt, context: Context) -> Finding:
    """How many phrases, its positive cues' among them, say that it is seen from above."""
    cues = found(_ABOVE, sent(prompt.text, context.positive))
    return Finding(float(len(cues)), tuple(cues) or ("nothing says that it is seen from above",))


def not_from_ground(prompt: Prompt, context: Context) -> Finding:
    """How many phrases say that it is seen from the ground."""
    cues = found(_GROUND, sent(prompt.text, context.positive))
    return Finding(float(len(cues)), tuple(cues))


def vocabulary(prompt: Prompt, _: Context) -> Finding:
    """How many different words of the prompt itself are remote sensing's; the view from above is another check's."""
    own = dict.fromkeys(word for word in content(prompt.text) if word not in _CUE_WORDS)
    known = [word for word in own if word in VOCABULARY]
    return Finding(float(len(known)), tuple(known) or ("no word for land as it is seen from above",))


def without_view(text: str) -> str:
    """The text without the phrases that say where the camera is."""
    return _ABOVE.sub(" ", text)
