"""Prompts made by hand, a page about land for an embedder to read, and which checks prompts fail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import harness
from harness.formats import prompts
from harness.formats.prompts import Prompt
from harness.stages.metrics.prompts import CheckScores

TOKENIZER = Path(harness.__file__).parent / "sources" / "assets" / "tiny-pipeline" / "tokenizer"
"""A real CLIP tokenizer of some thousand words."""

GOOD = {
    "Bare Land": [
        "A satellite image of bare land with pale sand dunes and a dry river course.",
        "Aerial view of a rocky desert, brown and grey, crossed by a single road.",
        "Bare ground and gravel seen from above, with scattered dark rocks.",
    ],
    "Crop Land": [
        "A satellite image of crop land divided into rectangular fields of green and gold.",
        "An aerial view of farmland with circular irrigated fields of wheat.",
        "Fallow and ploughed fields with narrow hedges between them, seen from above.",
    ],
    "Cultivated Vegetation": [
        "A satellite image of cultivated vegetation: an orchard planted in regular rows.",
        "Overhead image of a vineyard, parallel rows of vines on a slope.",
        "Aerial photograph of long white greenhouses beside olive groves.",
    ],
    "Natural Vegetation": [
        "A satellite image of natural vegetation, grassland with patches of heath.",
        "A wild meadow by a marsh, photographed from the air, with irregular patches of grass.",
        "Top-down view of a dry savanna with scattered shrubs.",
    ],
    "Snow Ice": [
        "A satellite image of snow and ice on a glacier with long crevasses.",
        "An aerial view of a white snowfield between dark ridges.",
        "Frozen sea with ice floes of many shapes, seen from space.",
    ],
    "Water Body": [
        "A satellite image of a lake with a sandy shore and clear blue water.",
        "A meandering river between green banks, bird's-eye view.",
        "An aerial image of a reservoir with an irregular shoreline.",
    ],
    "Woody Vegetation": [
        "A satellite image of a dense forest with a closed canopy.",
        "Dark woodland with round treetops and a clearing, from above.",
        "An aerial view of forest on a mountain, crossed by a narrow road.",
    ],
}
"""Good ones: three of each class."""

LAND = {
    "Bare Land": """
        Bare land is desert, sand and rock. Dunes of sand move over the barren ground of the desert. Rocky
        ground and gravel are bare soil. Sandy dunes and bare rock cover the desert. Bare ground is dry
        and stony.
    """,
    "Crop Land": """
        Crop land is fields of wheat and maize on a farm. Farmland is divided into rectangular fields.
        Crops grow on arable fields after the plough. Harvest leaves fallow fields. Agricultural fields of
        wheat are golden.
    """,
    "Cultivated Vegetation": """
        Cultivated vegetation is orchards and vineyards. An orchard is planted in rows. Vines stand in the
        rows of a vineyard. Greenhouses and plantations are cultivated. Olive groves and orchards are
        planted.
    """,
    "Natural Vegetation": """
        Natural vegetation is grassland, heath and savanna. Wild grass covers the meadow. Shrubs grow wild
        on the heath. Meadows and grassland are wild vegetation. The moor and the marsh are natural.
    """,
    "Snow Ice": """
        Snow and ice cover the glacier. Crevasses break the ice of the glacier. Ice floes and icebergs are
        frozen. The snowfield is white with snow. A frozen glacier is snow and ice.
    """,
    "Water Body": """
        A water body is a lake, a river or the sea. The river winds to the ocean. Lakes and ponds are open
        water. The shore of the lake is wet. A reservoir of water feeds the river and the canal.
    """,
    "Woody Vegetation": """
        Woody vegetation is forest and trees. The canopy of the forest is dense woodland. Trees of the
        forest are wood. Treetops of the woodland are dark. A forest of trees is a wood with a closed
        canopy.
    """,
}
"""What there is to read about each class."""


def prompt(text: str, label: str = "Crop Land", name: str = "it", passages: Sequence[str] = ()) -> Prompt:
    """One prompt; passages by their texts."""
    kept = tuple(prompts.Passage(f"p{i}", "paper.pdf", i + 1, text) for i, text in enumerate(passages))
    return Prompt(name, text, label, "hand", kept)


def failed(scores: CheckScores, name: str) -> set[str]:
    """The checks that a prompt fails."""
    failing = scores.details["failing"]
    return {check for check, rows in failing.items() if name in [row["prompt"] for row in rows]}


def land_texts() -> Iterator[tuple[str, str]]:
    """Class and text: each sentence, each two that follow one another, and all; rare words are not learnt."""
    for label, text in LAND.items():
        sentences = " ".join(text.split()).split(". ")
        for one in (*sentences, *map(". ".join, pairwise(sentences)), text):
            yield label, one
