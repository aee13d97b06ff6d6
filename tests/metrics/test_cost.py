"""What sampling cost: read from what the sampling stage measured, compared where it can be."""

import pytest

from harness.artifact import GeneratedImages
from harness.errors import StageError
from harness.metrics import cost

MEASURED = {
    "evaluations": 51,
    "wall_s": 20.0,
    "images": 250,
    "batch_size": 16,
    "peak_bytes": 3_000_000,
    "device": "a processor",
    "threads": 2,
}


def images(folder, **changed):
    return GeneratedImages(folder, facts={"cost": MEASURED | changed})


def test_evaluations_are_compared_on_any_hardware(tmp_path):
    scores = cost.sampling(images(tmp_path))
    assert scores.evaluations == 51
    assert scores.conditions == {}
    assert cost.sampling(images(tmp_path, device="another", threads=64, wall_s=1.0)) == scores
    assert cost.sampling(images(tmp_path, evaluations=99)).evaluations == 99


def test_speed_is_per_image_and_of_one_machine(tmp_path):
    scores = cost.speed(images(tmp_path))
    assert scores.s_per_image == pytest.approx(0.08)
    assert scores.images_per_s == pytest.approx(12.5)
    assert scores.peak_bytes == 3_000_000
    assert scores.conditions == {"device": "a processor", "threads": 2, "n": 250}
    assert scores.details == {"batch_size": 16}
    assert cost.speed(images(tmp_path, batch_size=1)).conditions == scores.conditions
    for changed in ({"device": "another"}, {"threads": 4}, {"images": 10}):
        assert cost.speed(images(tmp_path, **changed)).conditions != scores.conditions


@pytest.mark.parametrize("metric", [cost.sampling, cost.speed])
def test_images_of_another_system_have_no_cost(tmp_path, metric):
    strangers = GeneratedImages(tmp_path, facts={"count": 3})
    with pytest.raises(StageError, match=r"no known cost; only text_to_image\.sample measures it"):
        metric(strangers)
