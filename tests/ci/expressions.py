"""GitHub's expressions, as far as our actions use them: ``${{ inputs.python != '' && always() }}``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_TOKEN = re.compile(r"\s*('(?:[^']|'')*'|&&|\|\||==|!=|!|\(|\)|[\w.-]+)")


def evaluated(text: str, contexts: Mapping[str, Any], status: Mapping[str, bool]) -> str:
    """A text with its expressions replaced."""
    return re.sub(r"\$\{\{(.*?)\}\}", lambda m: shown(value(m[1], contexts, status)), text, flags=re.DOTALL)


def value(text: str, contexts: Mapping[str, Any], status: Mapping[str, bool]) -> Any:
    """The value of an expression without its braces."""
    tokens = _TOKEN.findall(text)
    assert "".join(tokens) == re.sub(r"\s+(?=(?:[^']*'[^']*')*[^']*$)", "", text), text
    parser = _Parser(tokens, contexts, status)
    found = parser.either()
    assert not parser.rest, text
    return found


def shown(found: Any) -> str:
    if found is None:
        return ""
    return str(found).lower() if isinstance(found, bool) else str(found)


class _Parser:
    def __init__(self, tokens: list[str], contexts: Mapping[str, Any], status: Mapping[str, bool]) -> None:
        self.rest, self.contexts, self.status = list(tokens), contexts, status

    def _take(self, *tokens: str) -> str:
        return self.rest.pop(0) if self.rest and self.rest[0] in tokens else ""

    def either(self) -> Any:
        found = self._both()
        while self._take("||"):
            other = self._both()
            found = found or other
        return found

    def _both(self) -> Any:
        found = self._equal()
        while self._take("&&"):
            other = self._equal()
            found = found and other
        return found

    def _equal(self) -> Any:
        found = self._one()
        while sign := self._take("==", "!="):
            other = self._one()
            found = (shown(found) == shown(other)) == (sign == "==")
        return found

    def _one(self) -> Any:
        if self._take("!"):
            return not self._one()
        if self._take("("):
            found = self.either()
            assert self._take(")")
            return found
        token = self.rest.pop(0)
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        if self._take("("):
            assert self._take(")"), token
            return self.status[token]
        found = self.contexts
        for name in token.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
        return found
