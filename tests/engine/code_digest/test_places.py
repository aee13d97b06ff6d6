"""Where code is kept does not change a digest: neither a module's name nor its folder, nor what is beside it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from moved_copy import Copy, Digests, Original, batches, digests, own_digests


@pytest.fixture(scope="module")
def original() -> Original:
    return Original.read()


@pytest.fixture(scope="module")
def everything_moved(original: Original) -> Copy:
    return Copy(original, "everything_moved", frozenset(original.texts))


@pytest.fixture(scope="module")
def of_everything_moved(
    everything_moved: Copy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Digests]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield digests(everything_moved, tmp_path_factory.mktemp("moved"), monkeypatch)


def test_no_digest_changes_when_every_module_has_moved(original, everything_moved, of_everything_moved):
    assert len(set(everything_moved.place.values())) == len(original.texts) > 200
    assert len(own_digests()) > 70
    assert of_everything_moved == own_digests()


@pytest.mark.slow
def test_no_digest_changes_while_module_after_module_moves(
    original, of_everything_moved, tmp_path, monkeypatch
):
    *some, everything = batches(original.texts, 8)
    for number, moved in enumerate(some):
        copy = Copy(original, f"partly_moved_{number}", moved)
        assert digests(copy, tmp_path / str(number), monkeypatch) == own_digests()
    assert everything == original.texts.keys()
    assert of_everything_moved == own_digests()
