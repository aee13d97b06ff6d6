"""``harness calibrate SUITE --environments DIR`` through the command line."""

from __future__ import annotations

from command_line import Project
from toy_suites import changed, write_suite

SUITE = "suites/suite.yaml"


def test_runs_of_several_environments_give_margins(project: Project) -> None:
    write_suite(project.folder)
    for setting in ("one", "two"):
        arguments = ("run", SUITE, "--store", f"stores/{setting}", "--out", f"runs/{setting}/toy")
        assert project.harness(*arguments).code == 4
    said = project.harness("calibrate", SUITE, "--environments", "runs")
    assert said.code == 0, said.err
    assert "2 runs of toy/centre" in said.out
    assert said.out.count("is wide enough") == 2
    assert said.out.count("largest change 0.000") == 2


def test_what_cannot_be_compared_is_refused(project: Project) -> None:
    write_suite(project.folder)
    assert project.harness("run", SUITE, "--out", "runs/one").code == 4
    refused = ("calibrate", SUITE, "--environments", "runs")
    assert "1 runs of toy/centre" in project.harness(*refused).error
    assert "not both" in project.harness(*refused, "--repeats", "4").error
    write_suite(project.folder, changed(("epochs: 5", "epochs: 6")))
    assert project.harness("run", SUITE, "--out", "runs/two").code == 4
    assert "not of one declaration" in project.harness(*refused).error
    write_suite(project.folder, changed(("gate:\n  fit: 0.1\n  fit.within: 5%\n", "")))
    assert "no gate to calibrate" in project.harness(*refused).error
