"""Checks of a prompt's language: words, no markup, no stutter, no echo of an instruction, short enough, one sense.

**Two senses.** A text encoder keeps the senses of a word in superposition and generators draw both: Rassin, Ravfogel
and Goldberg, "DALLE-2 is Seeing Double", BlackboxNLP 2022; White and Cotterell, "Schrödinger's Bat", 2022 (Stable
Diffusion). ``SENSES`` are words of prompts about land that have another sense (as distinguished by WordNet: Miller
1995) for a thing, a person or an animal that would fill the picture. Which of them a given generator confuses has not
been measured: the list is of risks, not of findings.

**Two scales.** "A pumpkin field" for Crop Land drew large pumpkins (Kasodekar, "Remote Diffusion", the paper that is
reproduced here). ``LARGE`` are crops and animals that a photograph shows by themselves, chosen by analogy with that one
observation. Words for the layout of a field (``LAYOUT``) make them too small to be seen individually.

The lists are code, so that a changed list re-runs the metric: the source digest of a stage does not cover data files.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from harness.stages.metrics.prompts.words import Context, Finding, content, found, sent, words

if TYPE_CHECKING:
    from harness.formats.prompts import Prompt

_MARKUP = re.compile(
    r"</?[A-Za-z!][^<>]*>"  # tags
    r"|<\|[^|<>]*\|>|\[/?(?:INST|SYS)\]|<</?SYS>>"  # special tokens of chat templates and tokenizers
    r"|&(?:[a-z]+|#\d+);"  # entities
    r"|https?://\S+|www\.\S+"
    r"|\[[^\[\]]*\]\([^()]*\)|!\["  # links and pictures
    r"|\*\*|__|```|`[^`]+`|^\s*#+\s|^\s*[-*•]\s|^\s*\d+[.)]\s|[{}\\]|\$[^$]*\$",
    re.MULTILINE,
)
_MADE = r"(?:prompt|caption|description|sentence|image|picture|scene|answer)s?"
_ECHO = re.compile(
    r"\b(?:prompt|caption|answer|instruction|question|output|response|description|context|passage)s?\s*\d*\s*:"
    rf"|\b(?:answer|write|generate|create|produce|compose|give|provide|describe|imagine|suggest)\b[^.]{{0,40}}?\b{_MADE}\b"
    rf"|\bhere (?:is|are) (?:your|some|(?:an?|the|one|two|three) (?:possible |short |new )?{_MADE})\b"
    r"|\b(?:as an ai|language model|i am|i'm|i can(?:not|'t)?|i will|i'll"
    r"|based on the|according to the|given the|the following|you are|you should|your task|please"
    r"|provided (?:passage|context|text)|(?:passage|context|text)s? (?:above|below)|text[- ]to[- ]image"
    r"|stable diffusion)\b"
    r"|\b(?:sure|certainly|of course)[,!]",
    re.IGNORECASE,
)
ECHOED = 5
"""Shortest run of words that is no coincidence. "a satellite image of crop land" may well begin both texts, and is not
counted.
"""


def present(prompt: Prompt, _: Context) -> Finding:
    """Number of words."""
    return Finding(float(len(words(prompt.text))), (prompt.text,))


def clean(prompt: Prompt, _: Context) -> Finding:
    """Number of pieces that are markup, or control, replacement or invisible characters."""
    pieces = [match.group().strip() for match in _MARKUP.finditer(prompt.text)]
    pieces += [f"U+{ord(c):04X}" for c in prompt.text if _is_control(c)]
    return Finding(float(len(pieces)), tuple(dict.fromkeys(pieces)))


def _is_control(character: str) -> bool:
    """Control, format, private and unassigned characters, line separators, and the replacement character."""
    return (
        unicodedata.category(character) in {"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"} or character == "\ufffd"
    )


def varied(prompt: Prompt, _: Context) -> Finding:
    """Share of the most frequent word among the content words.

    It is 0 with fewer than four content words, and 1 if a word occurs three times in a row.
    """
    carrying = content(prompt.text)
    row = _longest_row(words(prompt.text))
    if row >= 3:
        return Finding(1.0, (f"one word {row} times in a row",))
    if len(carrying) < 4:
        return Finding(0.0)
    word, times = Counter(carrying).most_common(1)[0]
    return Finding(times / len(carrying), (f"{word}: {times} of {len(carrying)} words",))


def _longest_row(spoken: list[str]) -> int:
    """The longest run of one word."""
    longest = row = min(1, len(spoken))
    for before, word in pairwise(spoken):
        row = row + 1 if word == before else 1
        longest = max(longest, row)
    return longest


def no_echo(prompt: Prompt, context: Context) -> Finding:
    """Number of phrases from an instruction, or from an assistant's answer to one."""
    phrases = found(_ECHO, prompt.text)
    phrases += [" ".join(run) for run in runs(prompt.text) if run in context.instructed]
    return Finding(float(len(phrases)), tuple(phrases))


def runs(text: str) -> list[tuple[str, ...]]:
    """Every run of ``ECHOED`` consecutive words, in order."""
    spoken = words(text)
    return [tuple(spoken[i : i + ECHOED]) for i in range(len(spoken) - ECHOED + 1)]


def fits(prompt: Prompt, context: Context) -> Finding:
    """Number of tokens of the prompt with its cues, start and end included."""
    text = sent(prompt.text, context.positive)
    spans = context.spans(text)
    if len(spans) <= context.tokens:
        return Finding(float(len(spans)), (f"{len(spans)} tokens",))
    return Finding(float(len(spans)), (f"{len(spans)} tokens; lost: {_shown(text[_end(spans, context) :])}",))


def _end(spans: Sequence[tuple[int, int]], context: Context) -> int:
    """Index of the first character that the text encoder does not read. Its last token is the end token."""
    return max((end for _, end in spans[: context.tokens - 1]), default=0)


def class_kept(prompt: Prompt, context: Context) -> Finding:
    """1 if the class is named only after the position where the text encoder stops reading, else 0.

    Also 0 if the class is not named at all, which is left to another check.
    """
    text = sent(prompt.text, context.positive)
    spans = context.spans(text)
    named = list(context.named[prompt.label].finditer(text))
    if not named or len(spans) <= context.tokens:
        return Finding(0.0)
    end = _end(spans, context)
    if any(match.end() <= end for match in named):
        return Finding(0.0)
    return Finding(
        1.0, (f"{named[0].group()!r} comes after what is read: …{_shown(text[max(0, end - 30) : end])}",)
    )


def _shown(text: str) -> str:
    return text.strip() if len(text) <= 60 else f"{text[:60].strip()}…"


class Homonym(NamedTuple):
    """A word without its plural."""

    meant: str
    drawn: str
    settles: str
    """Words without plurals, separated by spaces; one of them in the same prompt makes the meaning clear."""


_WET = "river lake sea ocean water coast coastal shore estuary canal stream beach"
_SPORT = "football soccer baseball basketball tennis volleyball hockey rugby cricket sport stadium playground school"
_ICE = "ice icy glacier glacial snow snowy polar arctic antarctic"

SENSES = {
    "arm": Homonym("a narrow part of a lake or sea", "a limb", f"{_WET} fjord delta"),
    "bank": Homonym("the side of a river", "a house for money",
        f"{_WET} pond harbour port sand muddy gravel reed"),
    "bar": Homonym("a ridge of sand", "a counter for drinks", f"{_WET} sand sandy gravel channel tidal"),
    "bark": Homonym("the skin of a tree", "a barking dog", "tree trunk pine birch wood forest log"),
    "basin": Homonym("land that a river drains", "a wash-basin",
        f"{_WET} drainage sediment salt harbour catchment dock"),
    "bed": Homonym("the ground of a river, or of flowers", "furniture",
        f"{_WET} flower flowering seed vegetable garden reed dry gravel kelp coral pond lawn square road "
        "church"),
    "block": Homonym("houses between streets", "a toy brick",
        "city building residential house urban street apartment stone field farmland land forest road "
        "parcel ice stadium commercial"),
    "cap": Homonym("ice over a summit", "a hat", f"{_ICE} mountain"),
    "cape": Homonym("a headland", "a cloak", f"{_WET} headland peninsula rocky cliff"),
    "channel": Homonym("where water flows", "a television channel",
        f"{_WET} irrigation tidal drainage ice braided navigation flow flowing wetland marsh band spectral"),
    "chip": Homonym("a cut-out of an image", "a snack, or a circuit", "wood"),
    "court": Homonym("a sports ground", "a court of law", f"{_SPORT} badminton park green building lawn"),
    "crane": Homonym("a machine that lifts", "a bird",
        "construction port container dock harbour harbor building cargo industrial shipyard quay"),
    "crown": Homonym("the top of a tree", "a king's crown",
        "tree canopy forest pine palm orchard wood woodland"),
    "date": Homonym("the fruit of a palm", "a day, or two people at table",
        "palm grove plantation oasis orchard"),
    "delta": Homonym("the land at a river's mouth", "a sign, or an aeroplane",
        f"{_WET} sediment channel wetland marsh"),
    "diamond": Homonym("a baseball field", "a gem", "baseball softball shaped infield field pattern parcel"),
    "fan": Homonym("sediment below a valley", "a ventilator",
        "alluvial sediment delta shape shaped valley gravel"),
    "fork": Homonym("where a river or road parts", "cutlery", "river road stream valley path highway"),
    "key": Homonym("a low island", "what opens a lock", "island coral reef lagoon ocean"),
    "kettle": Homonym("a lake left by ice", "a tea-kettle", "lake pond moraine glacial glacier"),
    "lock": Homonym("a gate of a canal", "a padlock", "canal river ship water barge"),
    "mine": Homonym("where ore is dug", "an explosive",
        "pit open coal copper gold iron ore quarry salt mining excavated"),
    "mosaic": Homonym("land of many small parts", "a picture of tiles",
        "field land crop forest parcel vegetation habitat tree grassland meadow wetland shrub woodland soil"),
    "mouth": Homonym("where a river ends", "a face", "river estuary bay delta canyon valley stream"),
    "needle": Homonym("the leaf of a conifer", "a sewing needle", "pine conifer spruce fir forest"),
    "nursery": Homonym("where young plants grow", "a children's room",
        "tree seedling plant garden greenhouse shrub row"),
    "palm": Homonym("a tree", "a hand", "tree oil plantation grove date coconut oasis beach tropical"),
    "pen": Homonym("where animals are kept", "what one writes with", "cattle sheep livestock fish farm"),
    "pitch": Homonym("a sports ground", "tar", f"{_SPORT} track green lawn grass court"),
    "plain": Homonym("flat land", "a piece of plain cloth",
        "flood river alluvial coastal green wide flat land grass grassy mountain valley salt tidal field "
        "snow sandy desert steppe"),
    "plant": Homonym("vegetation, or a factory", "the other of the two, or one plant in a pot",
        "green tree wild natural vegetation grow growing row power treatment industrial factory crop "
        "aquatic desert sparse building garden grass meadow shrub bush field river pond wetland road land "
        "bare dense forest lake water soil lush house hill"),
    "plot": Homonym("a piece of ground", "a diagram",
        "land field crop garden farm agricultural parcel vegetable soil building grass vineyard planted "
        "bare"),
    "pool": Homonym("standing water", "billiards",
        "swimming water tidal rock house resort garden blue salt evaporation building villa tree green park"),
    "port": Homonym("a harbour", "a wine, or a socket",
        f"{_WET} ship boat vessel container harbour harbor dock pier cargo moored building"),
    "rush": Homonym("a plant of marshes", "a hurrying crowd", "reed marsh wetland bog pond lake"),
    "seal": Homonym("an animal on the ice", "a stamp", f"{_ICE} colony coast beach rock"),
    "sheet": Homonym("a wide cover of ice", "bed linen, or paper", f"{_ICE} water sand"),
    "shelf": Homonym("ice that floats on the sea", "furniture", f"{_ICE} continental coast"),
    "spit": Homonym("a tongue of sand", "saliva, or a roast", f"{_WET} sand sandy shingle peninsula"),
    "spring": Homonym("where water rises, or a season", "a coil",
        "water hot thermal river stream season early green crop lake fresh winter melt flood meadow"),
    "tank": Homonym("a container", "a tank of war",
        "storage oil fuel gas water petroleum industrial refinery white silver round factory chemical"),
    "terminal": Homonym("where ships, trains or planes end", "a computer",
        "airport port container ferry bus train runway passenger plane aircraft ship building"),
    "tongue": Homonym("the end of a glacier", "a mouth", f"{_ICE} lava valley"),
    "trunk": Homonym("the stem of a tree", "an elephant's, or a suitcase",
        "tree forest wood palm pine bare log"),
    "turkey": Homonym("a country", "a bird", "country anatolia anatolian istanbul ankara aegean"),
}  # fmt: skip

LARGE = frozenset(
    words(
        """
        apple artichoke banana bean berry blueberry broccoli cabbage carrot cauliflower cherry coconut
        coffee cow cucumber daisy dandelion duck eggplant fig flamingo garlic goat goose grape grapefruit
        horse icicle leek lemon lettuce lily mango melon mushroom onion orchid peach peacock pear penguin
        pepper pig pineapple plum pomegranate poppy potato pumpkin radish raspberry rose sheep snowflake
        snowman spinach squash strawberry sunflower tea tomato tulip turnip watermelon zucchini
        """
    )
)
"""Things that a photograph shows by themselves; without plurals."""

LAYOUT = frozenset(
    words(
        """
        row parcel plot patchwork mosaic hectare orchard plantation grove vineyard terrace terraced farmland
        cropland agricultural agriculture plough ploughed strip grid pivot greenhouse tree furrow acre
        pasture grazing polytunnel rectangular bush
        """
    )
)
"""Words for land on which such a thing is too small to be seen by itself; not "field", as the pumpkins showed."""


def unambiguous(prompt: Prompt, _: Context) -> Finding:
    """Number of words that have another sense, or another scale, that no other word of the prompt rules out."""
    said = list(dict.fromkeys(content(prompt.text)))
    risks = [_sense(word, said) for word in said] + [_scale(word, said) for word in said]
    found = tuple(risk for risk in risks if risk)
    return Finding(float(len(found)), found)


def _sense(word: str, said: list[str]) -> str:
    homonym = SENSES.get(word)
    if homonym is None or set(homonym.settles.split()).intersection(said):
        return ""
    return f"{word!r} may be drawn as {homonym.drawn}, not {homonym.meant}"


def _scale(word: str, said: list[str]) -> str:
    if word not in LARGE or LAYOUT.intersection(said):
        return ""
    return f"{word!r} may be drawn as large as in a photograph of one; say how the land is laid out"
