"""What sampling cost: read from what the sampling stage measured, compared where it can be."""

import pytest

from harness.artifact import GeneratedImages, LanguageModel, Likelihoods, Texts
from harness.errors import StageError
from harness.stage import Items
from harness.stages.metrics import cost

MEASURED = {
    "evaluations": 51,
    "wall_s": 20.0,
    "images": 250,
    "batch_size": 16,
    "peak_bytes": 3_000_000,
    "host_bytes": 4_000_000,
    "energy_j": None,
    "device": "a processor",
    "threads": 2,
}


def images(folder, **changed):
    (folder / "metadata.jsonl").write_text('{"file_name": "0.png"}\n{"file_name": "1.png"}\n')
    return GeneratedImages(folder, facts={"cost": MEASURED | changed})


def test_evaluations_are_compared_on_any_hardware(tmp_path):
    scores = cost.sampling(images(tmp_path))
    assert scores.evaluations == 51
    assert scores.conditions == {}
    assert scores.items == Items(["0.png", "1.png"], {"evaluations": [51, 51]})
    assert cost.sampling(images(tmp_path, device="another", threads=64, wall_s=1.0)) == scores
    assert cost.sampling(images(tmp_path, evaluations=99)).evaluations == 99


def test_speed_is_per_image_and_of_one_machine(tmp_path):
    scores = cost.speed(images(tmp_path))
    assert scores.s_per_image == pytest.approx(0.08)
    assert scores.images_per_s == pytest.approx(12.5)
    assert scores.peak_bytes == 3_000_000
    assert scores.host_bytes == 4_000_000
    assert scores.conditions == {"device": "a processor", "threads": 2, "n": 250}
    assert scores.details == {"batch_size": 16}
    assert cost.speed(images(tmp_path, batch_size=1)).conditions == scores.conditions
    for changed in ({"device": "another"}, {"threads": 4}, {"images": 10}):
        assert cost.speed(images(tmp_path, **changed)).conditions != scores.conditions


def test_energy_stands_beside_it_where_the_device_counts_it(tmp_path):
    assert cost.speed(images(tmp_path, energy_j=500.0)).details == {"batch_size": 16, "j_per_image": 2.0}


@pytest.mark.parametrize("metric", [cost.sampling, cost.speed])
def test_images_of_another_system_have_no_cost(tmp_path, metric):
    strangers = GeneratedImages(tmp_path, facts={"count": 3})
    with pytest.raises(StageError, match=r"GeneratedImages without a known cost; only text_to_image"):
        metric(strangers)


def test_tokens_are_counted_alike_in_training_reading_and_writing(tmp_path):
    for kind in (LanguageModel, Likelihoods, Texts):
        scores = cost.tokens(kind(tmp_path, facts={"cost": MEASURED | {"tokens": 5_000, "energy_j": 100.0}}))
        assert scores.s_per_1000_tokens == pytest.approx(4.0)
        assert scores.tokens_per_s == pytest.approx(250.0)
        assert (scores.peak_bytes, scores.host_bytes) == (3_000_000, 4_000_000)
        assert scores.conditions == {"device": "a processor", "threads": 2, "n": 5_000}
        assert scores.details == {"batch_size": 16, "j_per_1000_tokens": 20.0}


def test_a_model_that_was_loaded_has_no_cost(tmp_path):
    with pytest.raises(
        StageError, match=r"LanguageModel without a known cost; only language_model\.finetune"
    ):
        cost.tokens(LanguageModel(tmp_path, facts={"parameters": 3}))
