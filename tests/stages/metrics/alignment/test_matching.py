"""Own and mismatched captions: against every pair written out, and by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.stages.metrics.alignment.dual_encoder import match

pytestmark = pytest.mark.numeric


def unit(generator, count, dim=5):
    vectors = generator.normal(size=(count, dim))
    return torch.from_numpy(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def matched(images, sentences, captions, **block):
    return match(
        images,
        sentences,
        row=torch.tensor([i for i, mine in enumerate(captions) for _ in mine]),
        own=torch.tensor([s for mine in captions for s in mine]),
        **block,
    )


def written_out(cosines, captions):
    """Alignment, null and rank of each image, pair by pair."""
    found = []
    for i, mine in enumerate(captions):
        mismatches = [
            (cosines[i, s], 1 / len(theirs)) for theirs in captions for s in theirs if s not in mine
        ]
        weight = sum(w for _, w in mismatches)
        null = sum(c * w for c, w in mismatches) / weight if mismatches else float("nan")
        used = {s for theirs in captions for s in theirs}
        best = max(used, key=lambda s, i=i: cosines[i, s])
        found.append((np.mean([cosines[i, s] for s in mine]), null, float(best in mine)))
    return np.array(found).T


captions_of_rows = st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=4), min_size=2, max_size=7)


@given(captions=captions_of_rows, seed=st.integers(0, 2**16), block=st.sampled_from([1, 13, 2**22]))
def test_every_value_is_the_one_of_all_pairs_written_out(captions, seed, block):
    """Captions that rows share, or have twice, included; and whatever is ranked at a time."""
    used = sorted({s for mine in captions for s in mine})
    captions = [[used.index(s) for s in mine] for mine in captions]
    generator = np.random.default_rng(seed)
    images, sentences = unit(generator, len(captions)), unit(generator, len(used))
    found = matched(images, sentences, captions, block=block)
    expected = written_out((images @ sentences.T).numpy(), captions)
    np.testing.assert_allclose(np.stack([column.numpy() for column in found]), expected, atol=1e-12)


def test_without_shared_captions_the_null_is_the_mean_off_the_diagonal():
    generator = np.random.default_rng(1)
    images, sentences = unit(generator, 30), unit(generator, 30)
    found = matched(images, sentences, [[i] for i in range(30)])
    cosines = (images @ sentences.T).numpy()
    assert float(found.alignment.mean()) == pytest.approx(np.trace(cosines) / 30, abs=1e-12)
    off = (cosines.sum() - np.trace(cosines)) / (30 * 29)
    assert float(found.shuffled.mean()) == pytest.approx(off, abs=1e-12)


def test_those_that_tie_for_the_first_place_share_it():
    """An encoder that says the same of every sentence finds its own by chance only."""
    same = torch.nn.functional.normalize(torch.ones(4, 3), dim=1)
    jitter = torch.tensor([[1e-8], [0.0], [-1e-8], [2e-8]]) * torch.ones(4, 3)
    found = matched(same, same + jitter, [[0], [1], [2, 3], [2]])
    assert found.first.tolist() == [0.25, 0.25, 0.5, 0.25]


def test_an_image_that_has_all_the_captions_has_no_null():
    vectors = torch.eye(2)
    found = matched(vectors, vectors, [[0, 1], [1]])
    assert found.shuffled.isnan().tolist() == [True, False]
