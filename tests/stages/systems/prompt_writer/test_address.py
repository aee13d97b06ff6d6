"""The address of a Chroma server, as a suite says it."""

import pytest

from harness.stages.systems.prompt_writer.address import Address
from harness.suite.located_yaml import Scalar, Where
from harness.suite.typed import parse


@pytest.mark.parametrize(
    ("text", "host", "port", "encrypted"),
    [
        ("http://127.0.0.1:9000", "127.0.0.1", 9000, False),
        ("http://chroma", "chroma", 8000, False),
        ("https://chroma.example/", "chroma.example", 443, True),
        ("http://[::1]:8001", "::1", 8001, False),
    ],
)
def test_an_address_is_a_host_a_port_and_whether_it_is_encrypted(text, host, port, encrypted):
    assert Address.from_text(text) == Address(text, host, port, encrypted)
    assert Address.from_text(text).to_key() == text
    assert parse(Address | None, Scalar(Where("suite.yaml", 1), text)) == Address.from_text(text)


@pytest.mark.parametrize(
    "text",
    ["localhost:8000", "http://host:port", "http://", "ftp://host", "http://host/path", "http://h?a=1", ""],
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ValueError, match="is no address of a Chroma server; expected http://host:port"):
        Address.from_text(text)


def test_a_password_is_refused_and_not_repeated():
    with pytest.raises(ValueError, match="CHROMA_CLIENT_AUTH_CREDENTIALS") as refusal:
        Address.from_text("http://user:secret@host:8000")
    assert "secret" not in str(refusal.value)
