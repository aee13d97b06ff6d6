"""Every file is found once, by the path without links if there is one, and nothing is left out in silence."""

from __future__ import annotations

from pathlib import Path

from harness.store.walk import files_below


def found(folder: Path) -> tuple[list[str], list[str]]:
    """The files, and the names of what could not be looked at."""
    failed: list[OSError] = []
    files = [str(file.relative_to(folder)) for file in files_below(folder, failed.append)]
    return files, [Path(e.filename).name for e in failed]


def test_a_folder_is_entered_once_and_by_its_own_path(tmp_path: Path) -> None:
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "real" / "deep" / "run.json").write_text("")
    (tmp_path / "also").symlink_to("real")
    (tmp_path / "real" / "back").symlink_to(tmp_path)
    (tmp_path / "first.json").symlink_to("real/deep/run.json")
    assert found(tmp_path) == (["first.json", "real/deep/run.json"], [])
    assert found(tmp_path / "also") == (["deep/run.json", "back/first.json"], [])


def test_links_out_of_the_folder_are_followed_one_after_the_other(tmp_path: Path) -> None:
    for name in ("here", "there", "far"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text("")
    (tmp_path / "here" / "next").symlink_to("../there")
    (tmp_path / "there" / "next").symlink_to("../far")
    assert found(tmp_path / "here") == (["run.json", "next/run.json", "next/next/run.json"], [])


def test_what_cannot_be_looked_at_is_told(tmp_path: Path) -> None:
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    assert found(tmp_path) == ([], ["gone", "loop"])
    assert found(tmp_path / "gone") == ([], ["gone"])
    assert found(tmp_path / "nothing") == ([], ["nothing"])
