"""Glyphs of a PDF whose character the file does not say: told from the font's glyph names, or marked as unreadable.

A font's map (``ToUnicode``) gives each code its characters. Many papers map ligatures to U+0000, to U+FFFD or to a
private character, and some fonts have no map at all, so that their codes look like letters. Before a page is read, such
codes get what their glyph's name says (``f_f_i``, ``uniFB03``), and the others U+FFFD, which can be counted.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from typing import Any

UNREADABLE = "\ufffd"
"""Stands in a text for a glyph whose character is not known."""

_PRIVATE = ((0xE000, 0xF8FF), (0xF0000, 0xFFFFD), (0x100000, 0x10FFFD))
_SPACES = frozenset(map(ord, "\t\n\r"))
_IDENTITY = ("/Identity-H", "/Identity-V")
_DEEPEST = 8
"""Forms in forms that are looked through for the codes that a page shows."""


def is_unreadable(character: str) -> bool:
    """Whether a character says nothing: U+FFFD, private use, or a control character that is no white space."""
    code = ord(character)
    control = (code < 0x20 and code not in _SPACES) or 0x7F <= code < 0xA0
    return character == UNREADABLE or control or any(low <= code <= high for low, high in _PRIVATE)


def marked(text: str) -> str:
    """A text with U+FFFD for each character that says nothing."""
    return "".join(UNREADABLE if is_unreadable(character) else character for character in text)


def clarify(page: Any) -> None:
    """Complete the maps of the fonts of a page of pypdf, in memory.

    Raises:
        Exception: whatever pypdf raises for a damaged page.
    """
    fonts: dict[int, tuple[Any, set[int]]] = {}
    _look(page.get("/Resources"), page.get_contents(), page.pdf, fonts, 0)
    for font, codes in fonts.values():
        _complete(font, codes)


def _object(value: Any) -> Any:
    """What an entry of a PDF refers to; None stays None."""
    return None if value is None else value.get_object()


def _look(
    resources: Any, contents: Any, pdf: Any, fonts: dict[int, tuple[Any, set[int]]], depth: int
) -> None:
    """Find the fonts that contents use, with the codes that they show."""
    from pypdf.generic import ContentStream, DictionaryObject

    resources = _object(resources)
    if contents is None or not isinstance(resources, DictionaryObject) or depth > _DEEPEST:
        return
    named = resources.get("/Font", DictionaryObject()).get_object()
    forms = resources.get("/XObject", DictionaryObject()).get_object()
    current, kept = None, list[Any]()
    for operands, operator in ContentStream(contents, pdf, "bytes").operations:
        if operator == b"q":
            kept.append(current)
        elif operator == b"Q" and kept:
            current = kept.pop()
        elif operator == b"Tf" and operands:
            current = _object(named.get(operands[0]))
        elif operator == b"Do" and operands and (form := forms.get(operands[0])) is not None:
            form = form.get_object()
            if form.get("/Subtype") == "/Form":
                _look(form.get("/Resources", resources), form, pdf, fonts, depth + 1)
        elif operator in (b"Tj", b"TJ", b"'", b'"') and isinstance(current, DictionaryObject):
            codes = fonts.setdefault(id(current), (current, set()))[1]
            codes.update(_codes(operands, current.get("/Subtype") == "/Type0"))


def _codes(operands: Any, wide: bool) -> Iterator[int]:
    for operand in operands:
        if isinstance(operand, list):
            yield from _codes(operand, wide)
        elif isinstance(operand, bytes | bytearray):
            shown = bytes(operand)
            if wide:
                yield from (code for (code,) in struct.iter_unpack(">H", shown[: len(shown) // 2 * 2]))
            else:
                yield from shown


def _complete(font: Any, codes: set[int]) -> None:
    """Add to a font's map what its codes mean, where the map says nothing that can be read."""
    from pypdf.generic import DecodedStreamObject, NameObject

    wide = font.get("/Subtype") == "/Type0"
    if wide and font.get("/Encoding") not in _IDENTITY:
        return  # of a known character set, or with a map of codes of its own
    stream = _object(font.get("/ToUnicode"))
    if stream is not None and not hasattr(stream, "get_data"):
        return  # the name of a known map
    data = stream.get_data() if stream is not None else b""
    said = _map(data)
    names = _wide_names(font) if wide else _names(font)
    declared = {} if wide or stream is not None else _declared(font)
    if stream is None and not wide and not declared and _program(font, "/FontFile3") is not None:
        return  # pypdf reads the codes from the program, but only if there is no map
    added: dict[int, str] = {}
    for code in codes:
        if code in declared and code not in names:
            added[code] = declared[code]
            continue
        told = said.get(code)
        if told is not None and told and not any(map(is_unreadable, told)):
            continue
        if told is None and not wide and code not in names and (code >= 0x20 or code in _SPACES):
            continue  # of a standard encoding
        name = names.get(code, "")
        found = meaning(name)
        if found or told is not None or wide or _is_noise(name):
            added[code] = found or UNREADABLE
    if not added or all(said.get(code) == text for code, text in added.items()):
        return
    form = "<{:04X}> <{}>" if wide else "<{:02X}> <{}>"
    lines = [form.format(code, text.encode("utf-16-be").hex()) for code, text in added.items()]
    more = "\n".join(
        f"{len(part)} beginbfchar\n" + "\n".join(part) + "\nendbfchar"
        for part in (lines[i : i + 100] for i in range(0, len(lines), 100))
    )
    whole = DecodedStreamObject()
    whole.set_data(data + b"\n" + more.encode("ascii") + b"\n")
    font[NameObject("/ToUnicode")] = whole


_HEX = re.compile(rb"<([0-9A-Fa-f\s]*)>")
_BLOCK = re.compile(rb"beginbf(char|range)(.*?)endbf", re.DOTALL)
_RANGE = re.compile(rb"<([0-9A-Fa-f\s]+)>\s*<([0-9A-Fa-f\s]+)>\s*(?:<([0-9A-Fa-f\s]*)>|\[(.*?)\])", re.DOTALL)


def _map(data: bytes) -> dict[int, str]:
    """Code → characters, as a ``ToUnicode`` map has them."""
    found: dict[int, str] = {}
    for kind, block in _BLOCK.findall(data):
        if kind == b"char":
            ends = _HEX.findall(block)
            found |= {
                int(code, 16): _text(to) for code, to in zip(ends[::2], ends[1::2], strict=False) if code
            }
            continue
        for low, high, start, several in _RANGE.findall(block):
            first, last = int(low, 16), min(int(high, 16), int(low, 16) + 0xFFFF)
            if several:
                found |= {first + i: _text(to) for i, to in enumerate(_HEX.findall(several))}
            elif text := _text(start):
                for code in range(first, last + 1):
                    at = ord(text[-1]) + code - first
                    found[code] = text[:-1] + chr(at) if at < 0x110000 else UNREADABLE
    return found


def _text(digits: bytes) -> str:
    plain = b"".join(digits.split())
    raw = bytes.fromhex((plain + b"0" * (len(plain) % 2)).decode("ascii"))
    return raw.decode("utf-16-be" if len(raw) > 1 else "latin-1", "replace")


def meaning(name: str) -> str:
    """The characters of a glyph's name by the rules of the Adobe Glyph List; empty if it has none."""
    from pypdf._codecs import adobe_glyphs

    made = []
    for part in name.removeprefix("/").partition(".")[0].split("_"):
        code = re.fullmatch(r"uni((?:[0-9A-F]{4})+)|u([0-9A-F]{4,6})", part)
        if (known := adobe_glyphs.get(f"/{part}")) is not None:
            made.append(known)
        elif code and code[1]:
            made.append(bytes.fromhex(code[1]).decode("utf-16-be", "replace"))
        elif code and int(code[2], 16) < 0x110000:
            made.append(chr(int(code[2], 16)))
        else:
            return ""
    text = "".join(made)
    return "" if any(map(is_unreadable, text)) else text


def _declared(font: Any) -> dict[int, str]:
    """Code → character by the standard encoding that an embedded font declares.

    It outranks the encoding inside the font's program, which pypdf (7.1) prefers: what Quartz writes is then read with
    ``T`` as ``ffi``.
    """
    from pypdf._codecs import charset_encoding

    encoding = _object(font.get("/Encoding"))
    name = encoding.get("/BaseEncoding") if hasattr(encoding, "get") else encoding
    if _program(font, "/FontFile") is None and _program(font, "/FontFile3") is None:
        return {}
    table = charset_encoding.get(name) if isinstance(name, str) else None
    return {code: text for code, text in enumerate(table or ()) if text and not is_unreadable(text)}


def _is_noise(name: str) -> bool:
    """Whether a name of an encoding is only a number that a program gave a glyph (``g31``, ``C0``, ``a12``)."""
    return name != "/.notdef" and not meaning(name)


def _names(font: Any) -> dict[int, str]:
    """Code → glyph name of a simple font: of its encoding, else of the embedded Type 1 program."""
    found: dict[int, str] = {}
    encoding = _object(font.get("/Encoding"))
    program = _program(font, "/FontFile")
    if program is not None and not isinstance(encoding, str):
        clear = program.get_data().partition(b"eexec")[0]
        for code, name in re.findall(rb"dup\s+(\d+)\s*/(\S+)\s+put", clear):
            found[int(code)] = f"/{name.decode('latin-1')}"
    differences = _object(encoding.get("/Differences")) if hasattr(encoding, "get") else None
    code = 0
    for entry in differences or ():
        entry = entry.get_object()
        if isinstance(entry, int):
            code = int(entry)
        else:
            found[code] = str(entry)
            code += 1
    return found


def _wide_names(font: Any) -> Mapping[int, str]:
    """Code → glyph name of a composite font whose codes are the glyphs of an embedded TrueType program."""
    below = font["/DescendantFonts"].get_object()[0].get_object()
    program = _program(below, "/FontFile2")
    if program is None or below.get("/CIDToGIDMap", "/Identity") != "/Identity":
        return {}
    return _post(program.get_data())


def _program(font: Any, kind: str) -> Any:
    """The embedded program of a font; None if there is none of that kind."""
    descriptor = _object(font.get("/FontDescriptor"))
    return None if descriptor is None else _object(descriptor.get(kind))


def _post(data: bytes) -> dict[int, str]:
    """Glyph → name from the ``post`` table of a TrueType program, without Apple's 258 standard names."""
    try:
        (count,) = struct.unpack_from(">H", data, 4)
        tables = [struct.unpack_from(">4sLLL", data, 12 + 16 * i) for i in range(count)]
        start, length = next((offset, size) for tag, _, offset, size in tables if tag == b"post")
        table = data[start : start + length]
        version, glyphs = struct.unpack_from(">L", table)[0], struct.unpack_from(">H", table, 32)[0]
        if version != 0x20000:
            return {}
        at = struct.unpack_from(f">{glyphs}H", table, 34)
        names, place = [], 34 + 2 * glyphs
        while place < len(table):
            names.append(table[place + 1 : place + 1 + table[place]].decode("latin-1"))
            place += 1 + table[place]
    except (struct.error, StopIteration, IndexError):
        return {}
    return {glyph: f"/{names[i - 258]}" for glyph, i in enumerate(at) if 258 <= i < 258 + len(names)}
