"""Nearest neighbours: the published definitions by hand and by brute force; collapse and copies are seen."""

import tracemalloc

import numpy as np
import pytest
from drawing import draws
from feature_sets import cloud, features
from hypothesis import given
from hypothesis import strategies as st
from jobs import FolderJob
from PIL import Image
from scipy.spatial.distance import cdist
from scipy.stats import mannwhitneyu, norm

from harness.artifact import Images
from harness.errors import StageError
from harness.formats.image_folder import Writer, rows
from harness.stages.metrics import neighbours
from harness.stages.metrics.neighbours import distances
from harness.stages.metrics.neighbours.distances import membership

pytestmark = pytest.mark.numeric

FIELDS = ("precision", "recall", "density", "coverage")
HADAMARD = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2
few = draws(20)


def manifold(folder, real, generated, **parameters):
    return neighbours.manifold(features(folder, real), features(folder, generated), **parameters)


def values_of(scores):
    return tuple(getattr(scores, field) for field in FIELDS)


def by_definition(real, generated, k):
    """As Kynkäänniemi et al. (2019) and Naeem et al. (2020) write them, with all distances at once."""
    between = cdist(real, generated)
    real_ball = np.sort(cdist(real, real), axis=1)[:, k]
    generated_ball = np.sort(cdist(generated, generated), axis=1)[:, k]
    return (
        np.mean(
            [any(between[i, j] <= real_ball[i] for i in range(len(real))) for j in range(len(generated))]
        ),
        np.mean(
            [any(between[i, j] <= generated_ball[j] for j in range(len(generated))) for i in range(len(real))]
        ),
        (between <= real_ball[:, None]).sum() / (k * len(generated)),
        np.mean(between.min(axis=1) <= real_ball),
    )


def test_four_real_and_three_generated_images_by_hand(tmp_path):
    """On a line, k = 1: the real balls' radii are 1, 1, 1 and 8, the generated ones' 4.5, 4.5 and 95."""
    scores = manifold(tmp_path, [0, 1, 2, 10], [0.5, 5, 100], k=1)
    assert values_of(scores) == (2 / 3, 1.0, 1.0, 3 / 4)
    assert scores.items.item == [
        *("real/0.png", "real/1.png", "real/2.png", "real/3.png"),
        *("generated/0.png", "generated/1.png", "generated/2.png"),
    ]
    assert scores.steps == {"precision": 1 / 3, "recall": 1 / 4, "density": 1 / 3, "coverage": 1 / 4}
    assert scores.conditions == {"n_real": 4, "n_generated": 3}
    assert scores.details["median_radius"] == {"real": 1.0, "generated": 4.5}


@pytest.mark.parametrize(("n", "m", "k"), [(40, 30, 5), (30, 50, 1), (1100, 60, 3), (60, 1100, 2)])
def test_the_definitions_are_met_within_and_across_blocks(tmp_path, n, m, k):
    real, generated = cloud(n, n, 4), cloud(m + 1, m, 4) + np.float32(0.4)
    assert max(n, m) < 100 or max(n, m) > distances.BLOCK
    scores = manifold(tmp_path, real, generated, k=k)
    assert values_of(scores) == pytest.approx(by_definition(real, generated, k), abs=1e-12)
    for field, column in scores.items.columns.items():
        assert np.mean(column) == pytest.approx(getattr(scores, field), abs=1e-12)


@few
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(5, 20),
    m=st.integers(5, 20),
    k=st.integers(1, 3),
    ties=st.booleans(),
)
def test_rows_are_what_each_field_loses_without_the_image(tmp_path, seed, n, m, k, ties):
    rng = np.random.default_rng(seed)
    sides = [rng.normal(size=(count, 2)) for count in (n, m)]
    real, generated = (s.round(0) if ties else s for s in sides)
    scores = manifold(tmp_path, real, generated, k=k)
    lost = (
        np.array([by_definition(np.delete(real, i, axis=0), generated, k) for i in range(n)]),
        np.array([by_definition(real, np.delete(generated, i, axis=0), k) for i in range(m)]),
    )
    for place, field in enumerate(FIELDS):
        column, value = np.array(scores.items.columns[field]), getattr(scores, field)
        for left, of_side in ((lost[0][:, place], column[:n]), (lost[1][:, place], column[n:])):
            count = len(left)
            scale = (n + m) / count * np.sqrt(count / (count - 1) * (n + m - 1) / (n + m))
            expected = value + scale * (count - 1) * (left.mean() - left)
            np.testing.assert_allclose(of_side, expected, atol=1e-9)


@pytest.mark.proves("neighbours.manifold", "k")
def test_k_changes_the_output(tmp_path):
    sides = cloud(0, 40), cloud(1, 40)
    few, many = (values_of(manifold(tmp_path, *sides, k=k)) for k in (2, 6))
    assert all(a != b for a, b in zip(few, many, strict=True))


@few
@given(seed=st.integers(0, 2**32 - 1), prototypes=st.integers(1, 5))
def test_a_collapsed_generator_loses_recall_and_coverage(tmp_path, seed, prototypes):
    """It makes perfect images, but few: precision alone would not see it."""
    real, honest = cloud(seed, 120), cloud(seed + 1, 60)
    collapsed = honest[np.arange(60) % prototypes] + cloud(seed + 2, 60) * np.float32(0.01)
    before, after = (manifold(tmp_path, real, made) for made in (honest, collapsed))
    assert after.recall < before.recall / 2
    assert after.coverage < before.coverage / 2
    radius = after.details["median_radius"]
    assert radius["generated"] < radius["real"] / 10


@few
@given(
    seed=st.integers(0, 2**32 - 1),
    turned=st.booleans(),
    scale=st.integers(-12, 12),
    moved=st.integers(-64, 64),
)
def test_rotation_translation_and_scale_change_nothing(tmp_path, seed, turned, scale, moved):
    """With numbers of which float32 loses nothing on the way, ties included."""
    real, generated = (np.round(cloud(seed + i, 40, 4) * 16) / 16 for i in (0, 1))
    sides = [((x @ HADAMARD if turned else x) + moved) * 2.0**scale for x in (real, generated)]
    assert values_of(manifold(tmp_path, *sides)) == values_of(manifold(tmp_path, real, generated))


@pytest.mark.parametrize("offset", [0.0, 1000.0], ids=["centred", "far out"])
def test_identical_sets_score_one_and_no_tie_is_lost(tmp_path, offset):
    """Each image is in its own ball, and the k-th neighbour is on its boundary: k + 1 of them a ball."""
    same = cloud(0, 60, 512) + np.float32(offset)
    assert values_of(manifold(tmp_path, same, same, k=4)) == (1, 1, 5 / 4, 1)


def test_images_that_are_all_equal_have_balls_without_extent(tmp_path):
    real, one = cloud(0, 20), np.repeat(cloud(1, 1), 10, axis=0)
    assert manifold(tmp_path, real, one).recall == 0
    assert manifold(tmp_path, np.concatenate([real, one[:1]]), one).recall == 1 / 21


def test_near_duplicates_far_from_the_centre_keep_their_distances():
    """Where |x|² + |y|² − 2⟨x, y⟩ would be all rounding."""
    apart = np.concatenate([cloud(0, 30, 64), cloud(0, 30, 64) + 1e5]).astype(np.float64)
    near = apart + cloud(1, 60, 64) * 1e-6
    exact = cdist(apart, near, "sqeuclidean")
    np.testing.assert_allclose(distances.squared(apart, near), exact, rtol=1e-9)
    assert exact.min() < 1e-9
    assert np.diag(distances.squared(apart, apart)).max() == 0


def test_coverage_and_density_of_a_perfect_generator_are_those_expected(tmp_path):
    scores = [manifold(tmp_path, cloud(2 * i, 50, 3), cloud(2 * i + 1, 30, 3), k=3) for i in range(60)]
    expected = scores[0].details["expected_coverage"]
    assert expected == pytest.approx(1 - 49 * 48 * 47 / (79 * 78 * 77))
    for wanted, found in ((expected, [s.coverage for s in scores]), (1, [s.density for s in scores])):
        assert abs(np.mean(found) - wanted) < 3 * np.std(found) / 60**0.5


@pytest.mark.parametrize(
    ("n", "m", "message"),
    [(6, 9, "6 real images have no neighbour number 6; k must be at most 4"), (9, 4, "4 generated images")],
)
def test_no_more_images_than_neighbours_is_refused(tmp_path, n, m, message):
    with pytest.raises(StageError, match=message):
        manifold(tmp_path, cloud(0, n), cloud(1, m), k=5)


def test_memory_does_not_grow_with_the_number_of_images():
    def peak(blocks):
        x = cloud(0, distances.BLOCK * blocks)
        tracemalloc.start()
        found = membership(x, x, distances.balls(x, 5))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert found.holds.all()
        return most

    assert peak(4) < 1.1 * peak(2)


def test_expected_coverage_grows_with_generated_images_and_with_k():
    assert neighbours.expected_coverage(100, 100, 3) < neighbours.expected_coverage(100, 200, 3)
    assert neighbours.expected_coverage(100, 100, 3) < neighbours.expected_coverage(100, 100, 5) < 1


def memorisation(folder, generated, training, real, **parameters):
    sides = (features(folder, values) for values in (generated, training, real))
    return neighbours.memorisation(*sides, **parameters)


def test_copies_by_hand(tmp_path):
    """One training image at 0, nineteen held-out ones at 1 to 19: the first is the threshold, and no copy."""
    scores = memorisation(tmp_path, [0, 0.5, 1, 2], [0, -1000], range(1, 20))
    assert (scores.copies, scores.duplicates, scores.median_ratio) == (2 / 4, 1 / 4, 0.075)
    assert scores.items.columns == {"copies": [1, 1, 0, 0], "duplicates": [1, 0, 0, 0]}
    assert scores.conditions == {"n_real": 19, "n_generated": 4, "n_training": 2}
    assert scores.details["threshold"] == 1


def test_planted_copies_are_found(tmp_path):
    training, held_out, new = cloud(0, 1500), cloud(1, 100), cloud(2, 50)
    exact, near = training[1200:1210], training[:15] + cloud(3, 15) * np.float32(0.02)
    clean = memorisation(tmp_path, new, training, held_out)
    planted = memorisation(tmp_path, np.concatenate([new, exact, near]), training, held_out)
    assert planted.items.columns["copies"][50:] == [1] * 25
    assert planted.items.columns["copies"][:50] == clean.items.columns["copies"]
    assert planted.duplicates == 10 / 75
    assert planted.copies > 25 / 75 > clean.copies
    assert planted.data_copying < clean.data_copying - 3
    assert planted.median_ratio < clean.median_ratio


def test_a_generator_that_draws_anew_is_not_accused(tmp_path):
    """The share of copies is the quantile at most, on average, and the z-score a standard normal."""
    scores = [
        memorisation(tmp_path, *(cloud(3 * i + j, n, 4) for j, n in enumerate((40, 90, 45))), quantile=0.1)
        for i in range(100)
    ]
    copies, z = (np.array([getattr(s, f) for s in scores]) for f in ("copies", "data_copying"))
    assert abs(copies.mean() - 4 / 46) < 3 * copies.std() / 10  # the fourth of 45 is the threshold
    assert abs(z.mean()) < 0.3
    assert 0.7 < z.std() < 1.3


def test_the_z_score_is_that_of_mann_and_whitney(tmp_path):
    """Equal distances included; scipy gives the p-value of the same z."""
    generator = np.random.default_rng(0)
    ours, theirs = generator.normal(size=30), np.sort(generator.normal(size=40) + 0.5)
    z = neighbours.mann_whitney(ours, theirs)
    tested = mannwhitneyu(ours, theirs, alternative="less", method="asymptotic", use_continuity=False)
    assert norm.cdf(z) == pytest.approx(tested.pvalue, rel=1e-9)
    ours, theirs = np.array([1.0, 2.0, 2.0]), np.array([1.0, 2.0, 3.0])
    u = mannwhitneyu(ours, theirs).statistic
    assert neighbours.mann_whitney(ours, theirs) == pytest.approx((u - 4.5) / (9 * 7 / 12) ** 0.5)


@pytest.mark.proves("neighbours.memorisation", "quantile")
def test_quantile_changes_the_output(tmp_path):
    sides = cloud(0, 80), cloud(1, 80), cloud(2, 80)
    few, many = (memorisation(tmp_path, *sides, quantile=quantile) for quantile in (0.05, 0.5))
    assert few.details["threshold"] < many.details["threshold"]
    assert few.copies < many.copies


def test_too_few_held_out_images_for_the_quantile_are_refused(tmp_path):
    with pytest.raises(StageError, match=r"18 held-out images have no 0\.05 quantile; 19 or more"):
        memorisation(tmp_path, cloud(0, 9), cloud(1, 9), cloud(2, 18))
    with pytest.raises(StageError, match=r"no 0\.01 quantile; 99 or more"):
        memorisation(tmp_path, cloud(0, 9), cloud(1, 9), cloud(2, 98), quantile=0.01)
    assert memorisation(tmp_path, cloud(0, 9), cloud(1, 9), cloud(2, 99), quantile=0.01).items


def test_held_out_images_that_were_trained_on_are_seen(tmp_path):
    training, held_out = cloud(0, 60), cloud(1, 40)
    some = np.concatenate([held_out, training[:5]])
    assert memorisation(tmp_path, cloud(2, 9), training, some).details["held_out_duplicates"] == 5
    with pytest.raises(StageError, match="half of the held-out images are in the training images"):
        memorisation(tmp_path, cloud(2, 9), training, training[:40])


def test_each_side_must_be_of_one_extractor(tmp_path):
    one, other = features(tmp_path, cloud(0, 30)), features(tmp_path, cloud(1, 30), extractor="sha256:other")
    for sides in ((other, one, one), (one, other, one), (one, one, other)):
        with pytest.raises(StageError, match="different extractors"):
            neighbours.memorisation(*sides)


def image_folder(folder, colours, side):
    """Images of one colour each; their features may be the colours."""
    folder.mkdir()
    with Writer(folder) as out:
        for i, colour in enumerate(colours):
            out.add(Image.new("RGB", (side, side), tuple(colour)), f"{i}.png")
    return Images(folder)


@pytest.fixture
def coloured(tmp_path):
    """Three generated and four training images, by their colours: the third is a copy, the first is near."""
    made = [[200, 0, 0], [0, 90, 0], [0, 0, 255]]
    seen = [[0, 0, 255], [255, 255, 255], [190, 0, 0], [0, 50, 0]]
    return (
        features(tmp_path, made),
        features(tmp_path, seen),
        image_folder(tmp_path / "made", made, 32),
        image_folder(tmp_path / "seen", seen, 64),
    )


def test_the_closest_pairs_are_kept_side_by_side(tmp_path, coloured):
    pairs = neighbours.closest(*coloured, job=FolderJob(tmp_path / "job"))
    found = list(rows(pairs))
    assert [r.columns for r in found] == [
        {"distance": 0.0, "generated": "2.png", "training": "0.png"},
        {"distance": 10.0, "generated": "0.png", "training": "2.png"},
        {"distance": 40.0, "generated": "1.png", "training": "3.png"},
    ]
    assert pairs.facts == {"count": 3}
    pixels = np.asarray(Image.open(found[1].path))
    assert pixels.shape == (64, 64 + 2 + 64, 3)
    assert (pixels[:, :64] == [200, 0, 0]).all()
    assert (pixels[:, 64:66] == 255).all()
    assert (pixels[:, 66:] == [190, 0, 0]).all()


@pytest.mark.proves("neighbours.closest", "count")
def test_count_changes_the_output(tmp_path, coloured):
    pairs = neighbours.closest(*coloured, count=1, job=FolderJob(tmp_path / "job"))
    assert [r.columns["generated"] for r in rows(pairs)] == ["2.png"]


@pytest.mark.parametrize("side", [2, 3])
def test_features_of_other_images_are_refused(tmp_path, coloured, side):
    swapped = list(coloured)
    swapped[side] = image_folder(tmp_path / "other", [[0, 0, 0]], 8)
    with pytest.raises(StageError, match=r"1\.png: has features, but .*other has no such image"):
        neighbours.closest(*swapped, job=FolderJob(tmp_path / "job"))
