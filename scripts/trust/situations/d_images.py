"""Images: what one number of them hides."""

from __future__ import annotations

import peers
from planting import Answer, Bench, situation, threshold

from situations.a_one_value import images

COPIES = """\
suite: planted/copies
about: A generator that copies.
subject: [fake]
stages:
  training: {{use: planted.extract, count: 250, names: training, seed: 800}}
  real:     {{use: planted.extract, count: 250, names: real, seed: 900}}
  fake:     {{use: planted.copy, of: training, share: {share}, shift: 0.2}}
metrics:
  fid:          {{use: frechet.distance, real: real, generated: fake}}
  memorisation: {{use: neighbours.memorisation, generated: fake, training: training, real: real}}
gate:
  memorisation.copies: 0.1
  fid: 5%
"""

CAPTIONS = """\
suite: planted/captions
about: Another tool's pictures, with the captions that they are said to show.
subject: [images]
stages:
  seen:   {{use: folders.captioned, source: "path:../seen"}}
  words:  {{use: text_to_image.train_tokenizer, captions: [seen], vocabulary: 600}}
  judge:
    use: alignment.train
    data: seen
    tokenizer: words
    size: 32
    patch: 8
    width: 64
    layers: 2
    epochs: 30
    batch_size: 24
  images: {{use: text_to_image.folder, source: "path:../{folder}", label: label}}
metrics:
  alignment:    {{use: alignment.score, images: images, model: judge}}
  within_class: {{use: alignment.within_class, images: images, model: judge}}
gate:
  {field}: 0.02
"""

COLOURS = {"water": (30, 40, 210), "forest": (30, 120, 40), "sand": (220, 200, 120)}
MARKS = {"dark": 0, "light": 1, "striped": 2}


def _pictures(
    bench: Bench, folder: str, seed: int, captions: dict[tuple[str, str], tuple[str, str]] | None = None
) -> None:
    """Eight pictures of each class and mark; ``captions`` says which words a picture carries in place of its own."""
    import json

    import numpy as np
    from PIL import Image

    home = bench.folder / folder
    home.mkdir()
    rng = np.random.default_rng(seed)
    rows = []
    for label, colour in COLOURS.items():
        for mark, kind in MARKS.items():
            for i in range(8):
                pixels = rng.normal(colour, 12, (32, 32, 3))
                if kind == 0:
                    pixels[8:24, 8:24] *= 0.3
                elif kind == 1:
                    pixels[8:24, 8:24] = 255 - 0.3 * (255 - pixels[8:24, 8:24])
                else:
                    pixels[::4] *= 0.4
                name = f"{label}-{mark}-{i}.png"
                Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(home / name)
                said = (captions or {}).get((label, mark), (label, mark))
                sentence = f"a {said[1]} patch on {said[0]}"
                rows.append({"file_name": name, "captions": [sentence], "prompt": sentence, "label": label})
    (home / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def _shuffled(bench: Bench, field: str, moved: dict[tuple[str, str], tuple[str, str]]) -> Answer:
    _pictures(bench, "seen", 1)
    _pictures(bench, "first", 2)
    _pictures(bench, "second", 2, moved)
    bench.accept(CAPTIONS.format(folder="first", field=field))
    compared = bench.compare(CAPTIONS.format(folder="second", field=field))
    return Answer(compared.verdict(field), "FID of the same pictures: unchanged")


@situation("captions are exchanged between classes", "regressed")
def _(bench: Bench) -> Answer:
    around = dict(zip(COLOURS, [*list(COLOURS)[1:], next(iter(COLOURS))], strict=True))
    return _shuffled(bench, "alignment.margin", {(c, m): (around[c], m) for c in COLOURS for m in MARKS})


@situation("captions are exchanged within each class", "regressed")
def _(bench: Bench) -> Answer:
    around = dict(zip(MARKS, [*list(MARKS)[1:], next(iter(MARKS))], strict=True))
    return _shuffled(bench, "within_class.margin", {(c, m): (c, around[m]) for c in COLOURS for m in MARKS})


@situation("a generator draws 12 pictures again and again, recall", "regressed")
def _(bench: Bench) -> Answer:
    gate = "manifold.recall: 0.1"
    bench.accept(images(gate, seed=1))
    compared = bench.compare(images(gate, seed=2, distinct=0.05))
    return Answer(
        compared.verdict("manifold.recall"), f"a threshold: {compared.threshold('manifold.recall')}"
    )


@situation("a generator copies half of its training images", "regressed in copies")
def _(bench: Bench) -> Answer:
    bench.accept(COPIES.format(share=0.0))
    compared = bench.compare(COPIES.format(share=0.5))
    before, after = (
        peers.torchmetrics_fid(*(bench.artifact(stage, run) for stage in ("real", "fake")))
        for run in (None, compared.folder)
    )
    told = threshold(after - before, 0.05 * before, "lower")
    return Answer(
        f"{compared.verdict('memorisation.copies')} in copies", f"torchmetrics, FID and a threshold: {told}"
    )


@situation(
    "KID 0.0005 with a margin of 0.1: nothing that happens can fail the gate", "a warning beside the verdict"
)
def _(bench: Bench) -> Answer:
    gate = "kid.distance: 100"
    bench.accept(images(gate, seed=1))
    compared = bench.compare(images(gate, seed=2))
    said = f"{compared.ran.out}\n{compared.ran.err}"
    warned = (
        "margin" in said
        and "kid.distance" in said
        and any(word in said for word in ("cannot fail", "larger than", "times"))
    )
    told = (
        "a warning beside the verdict" if warned else f"{compared.verdict('kid.distance')} without a warning"
    )
    return Answer(told, f"a threshold: {compared.threshold('kid.distance')}")
