"""Where code is kept does not change a digest: neither a module's name nor its folder, nor what is beside it."""

from __future__ import annotations

import pytest
from moved_copy import Copy, Original, batches, digests, own_digests


@pytest.fixture(scope="module")
def original() -> Original:
    return Original.read()


def test_no_digest_changes_when_every_module_has_moved(original, tmp_path, monkeypatch):
    copy = Copy(original, "everything_moved", frozenset(original.texts))
    assert len(set(copy.place.values())) == len(original.texts) > 300
    assert len(own_digests()) > 70
    assert digests(copy, tmp_path, monkeypatch) == own_digests()


@pytest.mark.slow
def test_no_digest_changes_while_module_after_module_moves(original, tmp_path, monkeypatch):
    for number, moved in enumerate(batches(original.texts, 8)):
        copy = Copy(original, f"partly_moved_{number}", moved)
        assert digests(copy, tmp_path / str(number), monkeypatch) == own_digests()
    assert moved == original.texts.keys()
