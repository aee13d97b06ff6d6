"""Generators that are worse in known ways are regressed, one that works in other batches is not, and a scheduler
that is added to the matrix costs its own images only: on the embedded pipeline, through the command line.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from command_line import Project, Said

ROOT = Path(__file__).parent.parent
BASE = ROOT / "harness" / "sources" / "assets" / "tiny-pipeline"

SUITE = f"""\
suite: test/generators
about: The embedded pipeline as it is, on scenes of the region that it was trained on.
extends: {ROOT}/suites/smoke/text-to-image.yaml
subject: [model]
stages:
  seen:    {{region: temperate, per_class: 40}}
  watched: {{region: temperate, per_class: 5}}
  unseen:  {{region: temperate, per_class: 20}}
  base:    null
  model:   {{use: text_to_image.load, source: "path:{BASE}"}}
  drawn:   {{count: 28}}
  images:  {{steps: 6}}
  classifier: {{epochs: 4}}
  closest: null
  words:   null
  judge:   null
metrics:
  sinkhorn: null
  memorisation: null
  alignment: null
  within_class: null
seeds:
  model.seed:  null
  drawn.seed:  [0, 1, 2]
  images.seed: [0, 1, 2]
gate:
  kid.distance: 0.05
  manifold.recall: 0.1
  within_class.margin: null
  memorisation.copies: null
  classes.overall_accuracy: 0.1
"""

pytestmark = [pytest.mark.numeric, pytest.mark.slow]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose suite has run and been accepted, for all tests of this file."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "suites").mkdir()
    (folder / "suites" / "generators.yaml").write_text(SUITE)
    return folder


@pytest.fixture
def accepted(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Project:
    monkeypatch.chdir(home)
    monkeypatch.delenv("HARNESS_STORE", raising=False)
    project = Project(home, capsys)
    if not (home / "baselines").exists():
        said = project.harness("run", "suites/generators.yaml")
        assert said.code == 4, said.out + said.err
        project.accept("test/generators")
    return project


def run(project: Project, *changes: str, suite: str = "generators") -> tuple[Said, dict[str, str]]:
    """What a changed run said, and its verdicts by metric and field."""
    sets = [part for change in changes for part in ("--set", change)]
    said = project.harness("run", f"suites/{suite}.yaml", *sets)
    findings: Any = project.latest["comparison"]["findings"]
    return said, {f"{f['metric']}.{f['field']}": f["verdict"] for f in findings if f["gated"]}


def pipeline(folder: Path) -> Path:
    shutil.copytree(BASE, folder)
    return folder


def test_a_collapsed_generator_is_regressed(accepted: Project, tmp_path: Path) -> None:
    """Whatever the noise and the prompt, nearly the same picture: its decoder hardly looks at the latents."""
    from safetensors.torch import load_file, save_file

    made = pipeline(tmp_path / "collapsed")
    file = made / "vae" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    weights["post_quant_conv.weight"] *= 0.1
    save_file(weights, file)
    said, verdicts = run(accepted, f"model.source=path:{made}")
    assert said.code == 6, said.out
    assert verdicts["manifold.recall"] == "regressed"
    assert verdicts["kid.distance"] == "regressed"


def test_a_generator_of_shuffled_captions_is_regressed(accepted: Project, tmp_path: Path) -> None:
    """It draws as well as before, and as much variety, but what other prompts ask for."""
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import CLIPTokenizer

    made = pipeline(tmp_path / "shuffled")
    words = CLIPTokenizer.from_pretrained(made / "tokenizer", local_files_only=True)
    file = made / "text_encoder" / "model.safetensors"
    weights = load_file(file)
    (name,) = (n for n in weights if n.endswith("token_embedding.weight"))
    known = torch.arange(512, len(words) - 2)  # words and parts of words; letters and marks stay
    turned = known[torch.randperm(len(known), generator=torch.Generator().manual_seed(0))]
    weights[name][known] = weights[name][turned].clone()
    save_file(weights, file)
    said, verdicts = run(accepted, f"model.source=path:{made}")
    assert said.code == 6, said.out
    assert verdicts["classes.overall_accuracy"] == "regressed"


def test_another_batch_size_is_unchanged(accepted: Project) -> None:
    said, verdicts = run(accepted, "images.batch_size=7")
    assert said.code == 0, said.out
    assert set(verdicts.values()) == {"unchanged"}
    assert accepted.states()["images"] == {"executed"}
    scores = {s["metric"]: s for s in accepted.latest["scores"]}
    assert "images.batch_size" not in scores["kid"]["protocol"]


def test_another_number_of_images_is_incomparable(accepted: Project) -> None:
    said, verdicts = run(accepted, "drawn.count=14")
    assert said.code == 4
    assert set(verdicts.values()) == {"incomparable"}
    assert "drawn.count: 28 → 14" in said.out


def test_a_scheduler_that_is_added_costs_its_own_images_only(accepted: Project) -> None:
    for schedulers in ("dpmsolver++", "dpmsolver++, euler"):
        (accepted.folder / "suites" / "sweep.yaml").write_text(
            "suite: test/sweep\nabout: Schedulers.\nextends: generators.yaml\n"
            f"matrix:\n  images.scheduler: [{schedulers}]\n"
        )
        accepted.harness("run", "suites/sweep.yaml")
    tasks = accepted.latest["tasks"]
    executed = {t["node"] for t in tasks if t["state"] == "executed"}
    assert executed == {"images", "fake", "predictions", "fid", "kid", "manifold", "classes", "cost"}
    drawn = [(t["point"]["images.scheduler"], t["state"]) for t in tasks if t["node"] == "images"]
    assert sorted(drawn) == [("dpmsolver++", "cached")] * 3 + [("euler", "executed")] * 3
