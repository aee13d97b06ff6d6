"""The address of a Chroma server."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

_PORTS = {"http": 8000, "https": 443}


@dataclass(frozen=True)
class Address:
    """``http://host:port`` or ``https://host:port``, without credentials, because it is recorded and shown."""

    text: str
    host: str
    port: int
    encrypted: bool

    @classmethod
    def from_text(cls, text: str) -> Address:
        """Read an address.

        Raises:
            ValueError: not an address of this form, or one with a user name and password, which the message omits.
        """
        parts = urlsplit(text)
        if "@" in text:
            raise ValueError(
                "an address with a name or a password would be recorded and shown; say CHROMA_CLIENT_AUTH_PROVIDER "
                "and CHROMA_CLIENT_AUTH_CREDENTIALS in the environment"
            )
        try:
            port = parts.port
        except ValueError:
            port = -1
        if (
            parts.scheme not in _PORTS
            or not parts.hostname
            or port == -1
            or parts.path.strip("/")
            or parts.query
        ):
            raise ValueError(f"{text!r} is no address of a Chroma server; expected http://host:port")
        return cls(text, parts.hostname, port or _PORTS[parts.scheme], parts.scheme == "https")

    def to_key(self) -> str:
        """The text."""
        return self.text
