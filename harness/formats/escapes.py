"""Make text from outside safe: control characters are shown as escapes, and commands to a CI system are broken up.

Names of files, captions and errors of libraries must not move a terminal's cursor, set its title, reverse the direction
of a line, imitate another line, or give a command to a CI workflow.
"""

from __future__ import annotations

import re

_CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0 and C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # turn the direction of text
    "\u2028\u2029"  # end a line
    "\ud800-\udfff"  # bytes that are not UTF-8, as Python represents them in names
    "\ufdd0-\ufdef\ufffe\uffff]"  # noncharacters, which XML refuses
)
_COMMAND = re.compile(r"(?m)^(?P<before>[^\S\n]*):(?=:)")
"""GitHub's commands are at the beginning of a line: ``::error::``."""
_OLD_COMMAND = re.compile(r"##(?=\w*\[)")
"""GitHub's older commands, and those of Azure and TeamCity, may be anywhere in a line: ``##[error]``, ``##vso[…]``."""


def visible(text: str, *, lines: bool = False) -> str:
    r"""Show control characters as escapes: ESC as ``\x1b``, a byte that is not UTF-8 as ``\xe9``.

    Args:
        lines: whether to keep line ends.
    """
    if text.isprintable():  # true for most texts
        return text
    if lines:
        return "\n".join(visible(line) for line in text.split("\n"))
    return _CONTROLS.sub(_escape, text)


def without_commands(text: str, *, begins_line: bool = True) -> str:
    """The text without anything that a CI system takes for a command.

    Args:
        begins_line: whether the text starts a new line of the output.
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
    """As ``visible``, for the text of a JSON document: line ends are kept, and escapes are JSON escapes."""
    text = _CONTROLS.sub(lambda c: c[0] if c[0] == "\n" else f"\\u{ord(c[0]):04x}", text)
    return _OLD_COMMAND.sub(r"#\\u0023", text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # `surrogateescape`: the byte that was not decoded
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
