"""Turn the lines of a printed page into running text."""

from __future__ import annotations

import re
import unicodedata

_DROPPED = [*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000), 0xFEFF]
"""Control characters, surrogates (which no encoding can write) and byte-order marks."""

_CHARACTERS: dict[int, str | None] = {
    **dict.fromkeys(_DROPPED),
    **dict.fromkeys(map(ord, "\n\v\f\x85\u2028"), "\n"),
    ord("\t"): " ",
    ord("\u2029"): "\n\n",
    **{code: unicodedata.normalize("NFKC", chr(code)) for code in range(0xFB00, 0xFB07)},
}
"""Replacements of single characters. The only compatibility forms taken apart are the ligatures ﬀ to ﬆ: NFKC of the
whole text would turn m² into m2 and ½ into 1⁄2.
"""

_SOFT_HYPHEN = re.compile("\u00ad(?:[ ]*\n[ ]*)?")
_LINE_END_HYPHEN = re.compile(r"(?<=(\w))([-\u2010])[ ]*\n[ ]*(?=(\w))")
_PARAGRAPH_END = re.compile(r"\n\s*\n")


def mend(page: str) -> str:
    """Running text: ligatures taken apart, control characters removed, words and paragraphs rejoined.

    A word hyphenated at the end of a line is rejoined if both sides are lower case. Next to a capital or a digit
    the hyphen is part of the word and stays (``Sentinel-2``, ``CNN-based``). A compound that is broken at its own
    hyphen (``state-`` / ``of-the-art``) looks the same as a hyphenated word and loses the hyphen.
    Paragraphs are separated by blank lines, and remain so.
    """
    text = unicodedata.normalize("NFC", page.replace("\r\n", "\n").replace("\r", "\n").translate(_CHARACTERS))
    text = _LINE_END_HYPHEN.sub(_joined, _SOFT_HYPHEN.sub("", text))
    paragraphs = (" ".join(paragraph.split()) for paragraph in _PARAGRAPH_END.split(text))
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _joined(hyphen: re.Match[str]) -> str:
    before, mark, after = hyphen.groups()
    return "" if before.islower() and after.islower() else mark
