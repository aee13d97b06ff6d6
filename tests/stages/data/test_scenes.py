"""The drawn scenes: seeded, captioned truthfully, told apart by structure rather than by colour."""

from __future__ import annotations

import hashlib
import inspect
import itertools
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from harness.artifact import Scenes
from harness.formats.image_folder import rows
from harness.stages.data import scenes
from harness.stages.data.scenes import REGIONS, world
from harness.stages.data.scenes.canvas import Canvas, Drawn, Site, palette
from harness.stages.data.scenes.world import CLASSES, captions, furnish

scene = cache(world.scene)
"""Several tests look at the same scenes."""

SEVEN = [
    "Bare Land",
    "Crop Land",
    "Cultivated Vegetation",
    "Natural Vegetation",
    "Snow Ice",
    "Water Body",
    "Woody Vegetation",
]


class FolderJob:
    """What a stage may ask for, with an output folder and nothing behind it."""

    device = "cpu"

    def __init__(self, folder: Path) -> None:
        self.scratch = folder
        self.told: list[tuple[int, int]] = []

    def folder(self, output: str = "") -> Path:
        assert output == ""
        self.scratch.mkdir(parents=True)
        return self.scratch

    def progress(self, done: int, total: int, what: str) -> None:
        self.told.append((done, total))

    def log(self, line: str) -> None:
        raise AssertionError(f"nothing to log, but: {line}")


def draw(folder: Path, **parameters: object) -> Scenes:
    return scenes.draw(**{"per_class": 2, **parameters}, job=FolderJob(folder))  # type: ignore[arg-type]


def digests(drawn: Scenes) -> Mapping[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(drawn.path.iterdir())}


def pictures(count: int, *, seed: int = 0, region: str = "temperate", size: int = 64) -> np.ndarray:
    """``count`` scenes of each class, shape (7, count, size, size, 3)."""
    return np.stack(
        [[scene(label, i, size=size, region=region, seed=seed)[0] for i in range(count)] for label in CLASSES]
    )


def test_the_seven_classes_take_turns(tmp_path: Path) -> None:
    drawn = draw(tmp_path / "a", per_class=3)
    assert drawn.facts["classes"] == SEVEN
    assert [r.label for r in rows(drawn)] == SEVEN * 3
    assert drawn.facts["count"] == 21


def test_every_row_is_an_image_of_the_asked_size_with_five_captions(tmp_path: Path) -> None:
    from PIL import Image

    read = list(rows(draw(tmp_path / "a", size=48, region="boreal")))
    assert len(read) == 14
    for row in read:
        with Image.open(row.path) as image:
            assert (image.size, image.mode) == ((48, 48), "RGB")
        assert len(set(row.captions)) == 5
        assert row.columns == {"region": "boreal"}


def test_progress_is_told_up_to_the_end(tmp_path: Path) -> None:
    job = FolderJob(tmp_path / "a")
    scenes.draw(per_class=1, job=job)
    assert job.told == [(n, 7) for n in range(1, 8)]


def test_drawing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first, again = digests(draw(tmp_path / "a", seed=7)), digests(draw(tmp_path / "b", seed=7))
    assert len(first) == 15
    assert first == again


def test_a_larger_set_holds_the_smaller_one(tmp_path: Path) -> None:
    few, many = draw(tmp_path / "few", per_class=1), draw(tmp_path / "many", per_class=3)
    small, large = digests(few), digests(many)
    assert {n: large[n] for n in small if n.endswith(".png")} == {
        n: d for n, d in small.items() if n.endswith(".png")
    }
    assert list(rows(few))[6].captions == list(rows(many))[6].captions


@pytest.mark.proves("scenes.draw", "per_class size region seed")
@pytest.mark.parametrize("changed", [{"seed": 1}, {"region": "arid"}, {"size": 65}, {"per_class": 3}])
def test_each_parameter_changes_what_is_drawn(tmp_path: Path, changed: dict[str, object]) -> None:
    assert set(inspect.signature(scenes.draw).parameters) == {"per_class", "size", "region", "seed", "job"}
    before, after = digests(draw(tmp_path / "a")), digests(draw(tmp_path / "b", **changed))
    assert len(set(after.values()) - set(before.values())) >= 8


def test_no_two_scenes_are_the_same() -> None:
    flat = pictures(6).reshape(42, -1)
    assert len({p.tobytes() for p in flat}) == 42


def test_the_region_is_a_matter_of_colour() -> None:
    assert set(REGIONS.names) == {"temperate", "arid", "boreal", "tropical", "polder"}
    coloured = [r for r in REGIONS.names if r != "polder"]  # which is temperate in all but its fields
    mean = {r: pictures(12, region=r, size=32).reshape(-1, 3).mean(0) for r in coloured}
    for a, b in itertools.combinations(mean.values(), 2):
        assert np.abs(a - b).max() > 3  # of 255, over 84 scenes each


def test_the_fields_of_a_polder_lie_along_the_sides_of_the_picture() -> None:
    """Straight edges along rows and columns: a whole row or column changes at once."""

    def sharpest(region: str, label: str) -> float:
        steepest = []
        for i in range(12):
            grey = scene(label, i, size=64, region=region, seed=0)[0].astype(float).mean(2)
            lines = [grey.mean(0), grey.mean(1)]  # what lies askew is averaged away
            steepest.append(max(np.abs(np.diff(line)).max() for line in lines) / grey.std())
        return float(np.mean(steepest))

    for label in ("Crop Land", "Cultivated Vegetation"):
        assert sharpest("polder", label) > 2 * sharpest("temperate", label)
    for label in ("Natural Vegetation", "Woody Vegetation"):
        assert sharpest("polder", label) < 1.5 * sharpest("temperate", label)


@pytest.mark.parametrize("label", SEVEN)
def test_a_scene_keeps_its_content_at_every_size(label: str) -> None:
    agreement = []
    for index in range(4):
        at = {
            s: scene(label, index, size=s, region="temperate", seed=2)[0].astype(float)
            for s in (64, 128, 256)
        }
        for fine in (128, 256):
            shrunk = at[fine].reshape(64, fine // 64, 64, fine // 64, 3).mean((1, 3))
            agreement.append(np.corrcoef(shrunk.ravel(), at[64].ravel())[0, 1])
    assert min(agreement) > 0.8
    assert np.mean(agreement) > 0.92


def test_captions_do_not_depend_on_the_size() -> None:
    for label in CLASSES:
        words = [scene(label, 3, size=s, region="arid", seed=0)[1] for s in (32, 64, 128)]
        assert words[0] == words[1] == words[2]


OWN_WORDS = {
    "Bare Land": ("bare", "dunes", "soil"),
    "Crop Land": ("crop land", "farmland"),
    "Cultivated Vegetation": ("cultivated", "orchard", "vines", "plantation", "greenhouses"),
    "Natural Vegetation": ("natural", "wild"),
    "Snow Ice": ("snow", "ice"),
    "Water Body": ("water", "river", "waves"),
    "Woody Vegetation": ("woody", "trees"),
}


@pytest.mark.parametrize("label", SEVEN)
def test_every_caption_names_its_class_in_its_own_words(label: str) -> None:
    seen = [
        c for r in REGIONS.names for i in range(15) for c in scene(label, i, size=32, region=r, seed=0)[1]
    ]
    assert len(seen) == 15 * 5 * len(REGIONS.names)
    assert [c for c in seen if not any(w in c.lower() for w in OWN_WORDS[label])] == []


def test_captions_are_sentences_of_a_length_that_a_text_encoder_takes() -> None:
    for label in CLASSES:
        for caption in scene(label, 0, size=32, region="tropical", seed=4)[1]:
            assert caption[0].isupper()
            assert caption.endswith(".")
            assert 4 <= len(caption.split()) <= 30


def test_captions_tell_what_lies_in_the_scene() -> None:
    drawn = Drawn(
        np.zeros((3, 2, 2), np.float32), "crop land", ("hedges", "furrows", "a gate"), "fields lie here"
    )
    told = captions(drawn, ["a grey road", "a few houses"], "thin haze", np.random.default_rng(0))
    assert "Crop land with a grey road, a few houses and thin haze." in told
    assert all("road" not in c for c in captions(drawn, [], "", np.random.default_rng(0)))


def test_things_are_mentioned_only_where_they_can_be_seen() -> None:
    """On a plain ground nothing else makes a difference: every phrase needs pixels, all pixels a phrase."""
    mentioned: list[str] = []
    for seed in range(80):
        rng = np.random.default_rng(seed)
        canvas = Canvas.of(32, azimuth=1.0)
        colours, season = palette(REGIONS["temperate"], rng)
        ground = np.full((3, 64, 64), 0.5, np.float32)
        things = furnish(Site(canvas, rng, colours, REGIONS["temperate"], season), ground, "Crop Land")
        changed = float((np.abs(ground - 0.5).max(0) > 0.02).mean())
        assert changed >= 0.004 * len(things)
        assert things or changed < 0.05
        mentioned += things
    assert len(set(mentioned)) == 7


def test_shared_things_are_neither_rare_nor_everywhere() -> None:
    told = Counter(
        thing
        for label in ("Crop Land", "Bare Land")
        for i in range(60)
        for thing in ("a grey road", "a small pond", "a few houses", "a small white cloud")
        if any(thing in c for c in scene(label, i, size=32, region="temperate", seed=0)[1])
    )
    assert all(3 <= count <= 45 for count in told.values())
    assert len(told) == 4


def test_snow_is_brighter_and_water_bluer_than_a_forest_on_average() -> None:
    mean = dict(zip(CLASSES, pictures(15).mean((1, 2, 3)), strict=True))
    assert mean["Snow Ice"].sum() > mean["Woody Vegetation"].sum() + 100
    water, forest = mean["Water Body"], mean["Woody Vegetation"]
    assert water[2] - water[1] > forest[2] - forest[1] + 10


def test_rows_of_an_orchard_repeat_and_a_forest_does_not() -> None:
    """The strongest single frequency of planted rows holds far more of the picture's power."""

    def peak(label: str) -> float:
        shares = []
        for i in range(20):
            grey = scene(label, i, size=64, region="temperate", seed=3)[0].mean(2)
            power = np.abs(np.fft.rfft2((grey - grey.mean()) * np.hanning(64)[:, None] * np.hanning(64))) ** 2
            power[:5, :5] = power[-4:, :5] = 0  # parcels and shading
            shares.append(power.max() / power.sum())
        return float(np.median(shares))

    assert peak("Cultivated Vegetation") > 1.8 * peak("Woody Vegetation")
