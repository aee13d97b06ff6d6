"""What the core does without torch and its kin: everything but running the stages that need them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_docker
import numpy as np
import pytest
import ray_cluster
import thin_core
from command_line import TOYS, Said
from rated import exported, reviewed
from toy_suites import TOY, write_suite

from harness.cli.arguments import KINDS

Run = Callable[..., Said]
SMOKE = thin_core.TREE / "suites" / "smoke"


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("core") / "site"
    assert thin_core.install(folder) < 300_000_000
    return folder


@pytest.fixture
def run(core: Path, tmp_path: Path) -> Run:
    """Runs a command in the core's environment; the toys are a package without requirements."""

    def command(*arguments: str | Path, **more: str) -> Said:
        ran = subprocess.run(
            [*thin_core.python(), "-m", "harness", *map(str, arguments)],
            cwd=tmp_path,
            env={**thin_core.environment(core, TOYS), **more},
            capture_output=True,
            text=True,
            check=False,
        )
        return Said(ran.returncode, ran.stdout, ran.stderr)

    return command


def test_there_is_no_torch(core: Path) -> None:
    for package in ("torch", "diffusers", "chromadb", "transformers", "pandas", "scipy", "ray"):
        ran = subprocess.run(
            [*thin_core.python(), "-c", f"import {package}"],
            env=thin_core.environment(core),
            capture_output=True,
            check=False,
        )
        assert ran.returncode == 1, package


@pytest.mark.parametrize(
    ("suite", "extra"),
    [
        ("land-cover", "land-cover"),
        ("text-to-image", "text-to-image"),
        ("language-model", "land-cover"),  # its corpus is TorchGeo's documentation
    ],
)
def test_a_stage_whose_extra_is_missing_says_so_when_the_suite_is_planned(
    run: Run, suite: str, extra: str
) -> None:
    said = run("plan", SMOKE / f"{suite}.yaml")
    assert said.code == 2
    assert "needs the package" in said.error
    assert f"pip install 'remote-sensing-harness[{extra}]'" in said.error


def test_stages_are_listed_and_described(run: Run) -> None:
    assert "land_cover.train" in run("stages").out
    assert run("stages", "text_to_image.sample").code == 0
    assert run("schema").json["title"] == "An evaluation suite"


def test_projects_and_packages_are_started(run: Run, tmp_path: Path) -> None:
    """From the wheel: the texts they are made of are in it."""
    for kind in KINDS:
        said = run("init", kind, "--kind", kind)
        assert said.code == 0, said.err
        assert (tmp_path / kind / "suites" / f"{kind}.yaml").is_file()
        assert (tmp_path / kind / ".gitignore").is_file()
    assert run("init", "--package", "sea-ice").code == 0
    assert (tmp_path / "sea-ice" / "src" / "sea_ice" / "stages.py").is_file()


def test_a_run_to_its_verdict_and_what_reads_it(run: Run, tmp_path: Path) -> None:
    file = write_suite(tmp_path, TOY)
    assert run("run", file, "--jobs", "2").code == 4
    assert run("accept", "toy/centre", "--reason", "first").code == 0
    again = run("run", file)
    assert again.code == 0, again.err
    assert run("compare", "toy/centre").code == 0
    assert run("compare", "toy/centre", "--against", "model.loss=square").code == 0
    assert run("history", "toy/centre").code == 0
    assert run("explain", "toy/centre", "fit").code == 0
    assert run("leaderboard", "toy/centre").code == 0
    assert (
        run(
            "export",
            "toy/centre",
            "model",
            "--at",
            "model.loss=square,model.rate=0.1,model.seed=0",
            "--to",
            "m",
        ).code
        == 0
    )
    assert run("store", "verify").code == 0
    assert list((tmp_path / "reports").rglob("report.html"))


OWN = """\
suite: own
subject: [likelihoods, made]
stages:
  likelihoods: {use: likelihoods.read, source: "path:likelihoods.csv", protocol: context=8}
  real: {use: features.read, source: "path:real", extractor: net}
  made: {use: features.read, source: "path:made", extractor: net}
metrics:
  perplexity: {use: perplexity.scores, likelihoods: likelihoods}
  fid: {use: frechet.distance, real: real, generated: made}
  kid: {use: kernel.distance, real: real, generated: made}
  near: {use: neighbours.manifold, real: real, generated: made}
"""


def test_what_other_tools_have_written_is_scored_without_torch(run: Run, tmp_path: Path) -> None:
    assert run("init", "--kind", "predictions").code == 0
    assert run("run", "suites/predictions.yaml").code == 4
    assert run("accept", "predictions", "--reason", "first").code == 0
    again = run("run", "suites/predictions.yaml")
    assert (again.code, "unchanged" in again.out) == (0, True), again.err

    lines = [f"t{i},d{i // 2},10,40,{20 + i}" for i in range(12)]
    (tmp_path / "likelihoods.csv").write_text("\n".join(["item,document,tokens,bytes,nll", *lines]))
    draw = np.random.default_rng(0)
    for name in ("real", "made"):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "features.npy", draw.normal(size=(20, 4)))
        (tmp_path / name / "names.txt").write_text("".join(f"{name}-{i}\n" for i in range(20)))
    (tmp_path / "own.yaml").write_text(OWN)
    scored = run("run", "own.yaml", "--out", "scored")
    assert scored.code == 4, scored.err  # no baseline yet
    record = json.loads((tmp_path / "scored" / "run.json").read_text())
    assert {score["metric"] for score in record["scores"]} == {"perplexity", "fid", "kid", "near"}


def test_ratings_of_a_review_are_summed_up(run: Run, tmp_path: Path) -> None:
    review = reviewed(tmp_path)
    for rater in ("ada", "bob"):
        body = exported(review.key, rater, lambda shown, scale: 3)
        (tmp_path / f"{rater}.json").write_text(json.dumps(body))
    said = run("review", "collect", review.folder, "ada.json", "bob.json", "--store", review.store.root)
    assert said.code == 0, said.err


def test_ray_is_an_extra(run: Run, tmp_path: Path) -> None:
    said = run("run", write_suite(tmp_path, TOY), "--executor", "ray")
    assert said.code == 2
    assert said.error == "--executor ray needs the package ray: pip install 'remote-sensing-harness[ray]'"


@pytest.mark.slow
def test_tasks_run_on_a_ray_cluster(tmp_path: Path) -> None:
    """With the core, Ray's own core and nothing else."""
    thin_core.install(tmp_path / "site", "ray")
    said = subprocess.run(
        [
            *thin_core.python(),
            "-m",
            "harness",
            "run",
            write_suite(tmp_path, TOY),
            "--executor",
            "ray",
            "--out",
            "out",
        ],
        cwd=tmp_path,
        env={**thin_core.environment(tmp_path / "site", TOYS), **ray_cluster.variables(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 4, said.stderr
    body: Any = json.loads((tmp_path / "out" / "run.json").read_text())
    assert {t["state"] for t in body["tasks"]} == {"executed"}


def test_tasks_run_in_containers(run: Run, core: Path, tmp_path: Path) -> None:
    image = f"h.io/all@sha256:{'a' * 64}"
    inside = thin_core.environment(core, TOYS)["PYTHONPATH"]
    docker = fake_docker.install(tmp_path / "docker", {image: ["sha256:" + "1" * 64, image]}, {image: inside})
    file = write_suite(tmp_path, TOY.replace("subject: [model]", f"subject: [model]\nimage: '{image}'"))
    said = run("run", file, "--executor", "container", "--out", "out", **docker)
    assert said.code == 4, said.err
    body: Any = json.loads((tmp_path / "out" / "run.json").read_text())
    assert {t["state"] for t in body["tasks"]} == {"executed"}
