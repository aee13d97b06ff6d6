"""``harness init --package``: a package whose tests pass and whose suite runs, as they are written."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest
from command_line import ITSELF, Project, environment, finish, start

from harness.cli.starting import package


def written(project: Project, name: str = "sea-ice") -> Path:
    said = project.harness("init", "--package", name)
    assert said.code == 0, said.err
    return project.folder / name


def on_path(folder: Path, site: Path) -> Path:
    """The package as an installer leaves it: its modules on the path, beside the metadata of its entry points."""
    body = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = site / f"{body['name'].replace('-', '_')}-{body['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {body['name']}\nVersion: {body['version']}\n"
    )
    entries = body["entry-points"]["harness.stages"]
    lines = "".join(f"{word} = {module}\n" for word, module in entries.items())
    (info / "entry_points.txt").write_text(f"[harness.stages]\n{lines}")
    for module in (folder / "src").iterdir():
        (site / module.name).symlink_to(module)
    return site


def pytest_in(folder: Path, python: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_its_tests_pass_and_its_suite_runs_as_written(project: Project, tmp_path: Path) -> None:
    folder = written(project)
    site = on_path(folder, tmp_path / "site")
    ran = pytest_in(folder, sys.executable, environment(site))
    assert ran.returncode == 0, ran.stdout
    assert "5 passed" in ran.stdout
    for code, *command in (
        (0, "stages", "sea_ice.blur"),
        (4, "run", "suites/sharpness.yaml"),
        (0, "accept", "sharpness", "--reason", "first figures"),
        (0, "run", "suites/sharpness.yaml"),
        (6, "run", "suites/sharpness.yaml", "--set", "blurred.sigma=3"),
    ):
        said = finish(start(folder, *command, packages=(site,)))
        assert said.code == code, said


def test_its_tests_notice_a_parameter_that_does_nothing(project: Project, tmp_path: Path) -> None:
    folder = written(project)
    stages = folder / "src" / "sea_ice" / "stages.py"
    stages.write_text(stages.read_text().replace("GaussianBlur(sigma)", "GaussianBlur(2.0)"))
    ran = pytest_in(folder, sys.executable, environment(on_path(folder, tmp_path / "site")))
    assert ran.returncode == 1
    assert "stages.blur: sigma=3.0 changes nothing" in ran.stdout


def test_a_name_with_an_underscore_is_a_distribution_with_a_hyphen(project: Project) -> None:
    folder = written(project, "sea_ice")
    body = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert body["name"] == "sea-ice"
    assert body["entry-points"]["harness.stages"] == {"sea_ice": "sea_ice.stages"}


def test_a_folder_beside_another_that_is_not_there(project: Project) -> None:
    said = project.harness("init", "--package", "none/../sea-ice")
    assert said.code == 0
    assert (project.folder / "sea-ice" / "pyproject.toml").is_file()
    assert not (project.folder / "none").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("json", "there is a module 'json' already"),
        ("folders", "there is a module 'folders' already"),
        ("toy", "there is a module 'toy' already"),
        ("class", "'class' cannot be a package's name"),
        ("Sea Ice", "'Sea Ice' cannot be a package's name"),
        ("1st", "'1st' cannot be a package's name"),
        ("meer-ö", "'meer-ö' cannot be a package's name"),
    ],
)
def test_other_names_are_refused_and_nothing_is_written(project: Project, name: str, message: str) -> None:
    said = project.harness("init", "--package", name)
    assert said.code == 2
    assert message in said.error
    assert not (project.folder / name).exists()


def test_a_package_is_no_kind_of_project_and_overwrites_nothing(project: Project) -> None:
    said = project.harness("init", "--package", "sea-ice", "--kind", "images")
    assert said.code == 2
    assert "leave out --kind" in said.error
    folder = written(project)
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    said = project.harness("init", "--package", "sea-ice")
    assert said.code == 2
    assert "there already; nothing was written" in said.error
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_the_contributing_guide_has_its_project_file_and_its_stages() -> None:
    files = {path: content.decode() for path, content in package.files(Path("sea-ice")).items()}
    guide = (ITSELF / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert f"```toml\n{files['pyproject.toml']}```" in guide
    for line in files["src/sea_ice/stages.py"].splitlines():
        if line.startswith(("@stage", "def ", "class ")) or "out.add(" in line or "np.abs" in line:
            assert line in guide, line


def test_every_file_of_it_is_text_with_its_own_name() -> None:
    for path, content in package.files(Path("river-plumes")).items():
        assert "«" not in content.decode()
        assert "sea_ice" not in path
    assert "src/river_plumes/stages.py" in package.files(Path("river-plumes"))


@pytest.mark.slow
def test_it_is_installed_by_pip_into_another_environment(project: Project, tmp_path: Path) -> None:
    """Without an index: the environment sees the packages of this one, and the harness by its tree."""
    folder = written(project)
    place = tmp_path / "venv"
    venv.create(place, with_pip=False)
    python = place / "bin" / "python"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    seen = [p for p in sys.path if p.endswith("site-packages")]
    (place / "lib" / version / "site-packages" / "seen.pth").write_text(
        "\n".join([str(ITSELF), *seen]) + "\n"
    )
    variables = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet"]
    done = subprocess.run(
        [python, "-m", "pip", "install", *offline, "--editable", folder],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ran = pytest_in(folder, str(python), variables)
    assert ran.returncode == 0, ran.stdout
    listed = subprocess.run(
        [python, "-m", "harness", "stages", "sea_ice.sharpness"],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "sharpness (higher is better)" in listed.stdout
