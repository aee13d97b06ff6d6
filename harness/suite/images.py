"""The name of a container image in a suite: pinned by digest, or a short name that ``images.lock`` pins."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SHORT = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_FULL = re.compile(
    r"(?P<host>[^/@\s]+)/(?P<path>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)(?::(?P<tag>[\w.-]+))?(?:@(?P<digest>\S*))?"
)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class ImageName:
    """An image as a suite names it."""

    text: str

    @classmethod
    def from_text(cls, text: str) -> ImageName:
        """Read ``HOST/NAME@sha256:<64 hex>``, or a short name without ``/``.

        Raises:
            ValueError: it is neither; the message says what is missing.
        """
        if _SHORT.fullmatch(text):
            return cls(text)
        found = _FULL.fullmatch(text)
        if found is None:
            raise ValueError(
                f"{text!r} is neither HOST/NAME@sha256:<64 hex digits> nor a name of images.lock"
            )
        host = found["host"]
        if host != "localhost" and "." not in host and ":" not in host:
            raise ValueError(f"{text!r}: the registry is missing, as in docker.io/{text}")
        if not found["digest"]:
            raise ValueError(f"{text!r}: a tag can be moved; pin the image: {host}/{found['path']}@sha256:…")
        if not DIGEST.fullmatch(found["digest"]):
            raise ValueError(f"{text!r}: {found['digest']!r} is not sha256: and 64 hex digits")
        return cls(text)

    @property
    def digest(self) -> str | None:
        """The digest of the image's manifest; None for a short name."""
        return self.text.partition("@")[2] or None
