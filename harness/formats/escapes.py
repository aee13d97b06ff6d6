"""Text from outside, made harmless: control characters are shown as escapes, and commands of a CI system are broken.

Names of files, captions, errors of libraries: none of it may move a terminal's cursor, set its title, turn the
direction of a line round, look like another line, or order a workflow to do something.
"""

from __future__ import annotations

import re

_CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0 and C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # turn the direction of text
    "\u2028\u2029"  # end a line
    "\ud800-\udfff"  # bytes that were no UTF-8, as Python carries them in names
    "\ufdd0-\ufdef\ufffe\uffff]"  # no characters, and refused by XML
)
_COMMAND = re.compile(r"(?m)^(?P<before>[^\S\n]*):(?=:)")
"""GitHub's commands begin a line: ``::error::``."""
_OLD_COMMAND = re.compile(r"##(?=\w*\[)")
"""Its older ones, Azure's and TeamCity's are found anywhere in a line: ``##[error]``, ``##vso[…]``."""


def visible(text: str, *, lines: bool = False) -> str:
    r"""Control characters as escapes: ESC is ``\x1b``, and a byte that is no UTF-8 ``\xe9``.

    Args:
        lines: keep the ends of lines.
    """
    if text.isprintable():  # most of what is ever printed
        return text
    if lines:
        return "\n".join(visible(line) for line in text.split("\n"))
    return _CONTROLS.sub(_escape, text)


def without_commands(text: str, *, begins_line: bool = True) -> str:
    """Text in which a CI system finds no command.

    Args:
        begins_line: whether what was printed before ended its line.
    """
    if "##" in text:
        text = _OLD_COMMAND.sub(r"#\\x23", text)
    if "::" not in text:
        return text
    if not begins_line:
        head, newline, rest = text.partition("\n")
        return head + newline + without_commands(rest)
    return _COMMAND.sub(r"\g<before>\\x3a", text)


def is_utf8(name: str) -> bool:
    """Whether a name from the file system or the command line was UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def visible_in_json(text: str) -> str:
    """The same for the text of a JSON document, ends of lines kept: escapes as JSON has them."""
    text = _CONTROLS.sub(lambda c: c[0] if c[0] == "\n" else f"\\u{ord(c[0]):04x}", text)
    return _OLD_COMMAND.sub(r"#\\u0023", text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # `surrogateescape`: the byte that was not decoded
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
