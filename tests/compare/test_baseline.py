from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from compare.runs import accepted, gate, itemised, repeats, run, score
from git_repository import git

from harness.compare import Verdict, acceptance, baseline
from harness.compare.baseline import Commit
from harness.compare.sample import Side
from harness.compare.verdict import compare
from harness.errors import UsageError
from harness.store.record_file import items_file, load

VALUES = [0.8, 0.82, 0.81]


def test_an_accepted_run_is_found_again_and_compares_as_unchanged(with_items: tuple[Path, Side]) -> None:
    project, made = with_items
    found = baseline.find(project, "smoke/toy", "cpu")
    assert found
    assert found.run.accepted
    assert (found.run.accepted.label, found.run.accepted.reason) == ("cpu", "first figures")
    assert found.where == "baselines/smoke/toy/cpu.json"
    assert found.items
    assert found.items.name == f"baselines/smoke/toy/{rows_of(project / found.where).name}"
    assert baseline.labels(project, "smoke/toy") == ["cpu"]
    (finding,) = compare(made, found, (gate(0.02),)).findings
    assert (finding.verdict, finding.estimate and finding.estimate.unit) == (Verdict.UNCHANGED, "exact")


def test_a_label_without_a_baseline_is_none(tmp_path: Path) -> None:
    assert baseline.find(tmp_path, "smoke/toy", "cpu") is None
    assert baseline.labels(tmp_path, "smoke/toy") == []


@pytest.mark.parametrize("label", ["", "CPU", "a b", "../cpu", "a/b", ".hidden", "x" * 65, "cpu\n"])
def test_a_label_is_a_plain_file_name(tmp_path: Path, label: str) -> None:
    with pytest.raises(UsageError, match="use small letters"):
        accepted(tmp_path, run(score(repeats(VALUES))), label)


@pytest.mark.parametrize(
    ("label", "hint"),
    [
        ("NVIDIA H100", "; did you mean 'nvidia-h100'?"),
        ("_(NVIDIA)  H100.-", "; did you mean 'nvidia-h100'?"),
        ("gpu_0.5/a", "; did you mean 'gpu_0.5-a'?"),
        ("", ""),
        ("???", ""),
        ("x" * 65, ""),
    ],
)
def test_a_bad_label_comes_with_the_nearest_good_one(tmp_path: Path, label: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        baseline.find(tmp_path, "smoke/toy", label)
    assert str(caught.value) == f"label {label!r}: use small letters, digits and . _ - (at most 64){hint}"


def edit(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def apply(file: Path) -> None:
        body = json.loads(file.read_text())
        change(body)
        file.write_text(json.dumps(body))

    return apply


def value(new: float) -> Callable[[Any], Any]:
    return lambda body: body["scores"][0]["repeats"][0]["values"].update(score=new)


def longer(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\0")


def rows_of(file: Path) -> Path:
    """The items of a baseline."""
    return items_file(file, load(file))


def foreign_items(file: Path) -> None:
    itemised(file.parent / "other", [{f"i{n}": 0.9 for n in range(10)}])
    (file.parent / "other/items.parquet").replace(rows_of(file))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (edit(value(0.99)), "changed after it was accepted"),
        (edit(value(float("nan"))), "NaN is no number"),
        (edit(lambda b: b["gates"].clear()), "changed after it was accepted"),
        (edit(lambda b: b["accepted"].update(reason="better")), "changed after it was accepted"),
        (edit(lambda b: b["accepted"].update(digest="")), "changed after it was accepted"),
        (edit(lambda b: b["accepted"].update(label="gpu")), "a foreign baseline"),
        (edit(lambda b: b.update(suite="smoke/other")), "a foreign baseline, of suite 'smoke/other'"),
        (edit(lambda b: b.update(accepted=None)), "a run, not a baseline"),
        (edit(lambda b: b.update(schema="harness.run/99")), "written by another version"),
        (edit(lambda b: b.pop("scores")), "damaged record"),
        (lambda f: f.write_text("{"), "not JSON"),
        (lambda f: f.write_text("[" * 100_000), "not JSON"),
        (lambda f: f.write_text("[]"), "not a run or a baseline"),
        (lambda f: f.write_text(""), "empty"),
        (lambda f: f.write_bytes(b"\xff\xfe"), "not text in UTF-8"),
        (lambda f: longer(rows_of(f)), "changed after it was accepted"),
        (lambda f: rows_of(f).unlink(), "changed after it was accepted"),
        (foreign_items, "changed after it was accepted"),
    ],
)
def test_an_edited_torn_or_foreign_baseline_is_refused_in_one_line(
    with_items: tuple[Path, Side], fault: Callable[[Path], None], words: str
) -> None:
    project, made = with_items
    fault(project / "baselines/smoke/toy/cpu.json")
    with pytest.raises(UsageError) as caught:
        baseline.find(project, "smoke/toy", "cpu")
    assert str(caught.value).startswith("baselines/smoke/toy/cpu.json:")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    acceptance.accept(made.run, project / "run", project, "cpu", "mended", new_protocol=True)
    assert baseline.find(project, "smoke/toy", "cpu"), "accepting anew is the way out"


def test_a_copied_baseline_is_foreign_to_its_new_name(with_items: tuple[Path, Side]) -> None:
    project, _ = with_items
    folder = project / "baselines/smoke/toy"
    shutil.copy(folder / "cpu.json", folder / "gpu.json")
    with pytest.raises(UsageError, match="under the label 'cpu'"):
        baseline.find(project, "smoke/toy", "gpu")


def test_layout_is_no_edit(with_items: tuple[Path, Side]) -> None:
    project, _ = with_items
    file = project / "baselines/smoke/toy/cpu.json"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert baseline.find(project, "smoke/toy", "cpu")


def test_a_baseline_is_read_by_its_file_and_checked(with_items: tuple[Path, Side]) -> None:
    project, _ = with_items
    file = project / "baselines/smoke/toy/cpu.json"
    found = baseline.read_file(file)
    assert found.items
    assert found.items.items("m", {}, {}, "score")
    assert baseline.read_file(project / "run" / "run.json").items, "a run is read the same way"
    edit(value(0.99))(file)
    with pytest.raises(UsageError) as caught:
        baseline.read_file(file)
    anew = "accept a run anew: harness accept RUN --label cpu --new-protocol --reason …"
    assert str(caught.value) == (
        f"{file}: it or its items changed after it was accepted; restore it (git checkout) or {anew}"
    )


def test_what_is_read_by_its_file_goes_by_its_path(with_items: tuple[Path, Side]) -> None:
    project, _ = with_items
    file = project / "baselines/smoke/toy/cpu.json"
    for read, items in ((file, rows_of(file)), (project / "run/run.json", project / "run/items.parquet")):
        found = baseline.read_file(read)
        assert (found.where, found.items and found.items.name) == (str(read), str(items))
    without = accepted(project, run(score(repeats(VALUES))), "gpu")
    assert baseline.read_file(without).items is None


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (edit(value(0.99)), "it or its items changed after it was accepted"),
        (lambda f: f.write_text("{"), "not JSON"),
        (lambda f: f.write_text("[]"), "not a run or a baseline"),
    ],
)
def test_a_fault_in_a_file_names_the_file(
    with_items: tuple[Path, Side], fault: Callable[[Path], None], words: str
) -> None:
    project, _ = with_items
    file = project / "baselines/smoke/toy/cpu.json"
    fault(file)
    with pytest.raises(UsageError, match=f"^{file}.*{words}"):
        baseline.read_file(file)


def test_a_file_that_is_replaced_while_it_is_read_is_read_anew(
    with_items: tuple[Path, Side], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text is of before; its items have gone with it."""
    project, _ = with_items
    file = project / "baselines/smoke/toy/cpu.json"
    before = file.read_text()
    monkeypatch.setattr(baseline, "read_text", lambda path: before)
    accepted(project, run(score(repeats(VALUES))), new_protocol=True)
    found = baseline.read_file(file)
    assert (found.items, found.run.scores[0].repeats[1].values) == (None, {"score": 0.82})
    file.write_text("{")
    with pytest.raises(UsageError, match=f"^{file}.*not JSON"):
        baseline.read_file(file)
    file.unlink()
    with pytest.raises(UsageError, match=f"^{file}: it or its items changed"):
        baseline.read_file(file)


@dataclass
class Replaced:
    """A place whose baseline is another one when it is read again; its items are gone."""

    texts: list[bytes | None]

    def read(self, path: PurePosixPath) -> bytes | None:
        return self.texts.pop(0) if path.suffix == ".json" else None

    def __str__(self) -> str:
        return "some commit"


def test_a_baseline_that_is_replaced_while_it_is_read_is_read_anew(with_items: tuple[Path, Side]) -> None:
    project, _ = with_items
    file = project / "baselines/smoke/toy/cpu.json"
    before = file.read_bytes()
    accepted(project, run(score(repeats(VALUES))), new_protocol=True)
    after = file.read_bytes()
    found = baseline.read_from(Replaced([before, after]), "smoke/toy", "cpu")
    assert found
    assert (found.items, found.where) == (None, "baselines/smoke/toy/cpu.json at some commit")
    assert found.run.scores[0].repeats[1].values == {"score": 0.82}
    for again, words in ((b"{", "not JSON"), (b"\xff", "not text"), (before, "changed"), (None, "changed")):
        with pytest.raises(UsageError, match=f"^{found.where}:.*{words}"):
            baseline.read_from(Replaced([before, again]), "smoke/toy", "cpu")


def test_a_baseline_of_before_is_read(with_items: tuple[Path, Side]) -> None:
    """Its items have no digest in their name, and its own is of both."""
    project, made = with_items
    file = project / "baselines/smoke/toy/cpu.json"
    rows_of(file).rename(file.with_name("cpu.items.parquet"))
    body = json.loads(file.read_text())
    del body["items"]
    body["accepted"]["digest"] = baseline.digest_of(body, file.with_name("cpu.items.parquet").read_bytes())
    file.write_text(json.dumps(body))
    found = baseline.find(project, "smoke/toy", "cpu")
    assert found
    assert found.items
    acceptance.accept(made.run, project / "run", project, "cpu", "again")
    assert not file.with_name("cpu.items.parquet").exists()
    assert baseline.find(project, "smoke/toy", "cpu")


@pytest.mark.parametrize("items", ["../../x", "", 5, "0" * 63, "G" * 64])
def test_a_record_leads_to_no_items_elsewhere(with_items: tuple[Path, Side], items: object) -> None:
    project, _ = with_items
    file = project / "baselines/smoke/toy/cpu.json"
    edit(lambda body: body.update(items=items))(file)
    with pytest.raises(UsageError, match="damaged record"):
        baseline.read_file(file)


@pytest.mark.parametrize("label", ["../../etc/x", "/etc/x", "a/b", "", "CPU"])
def test_a_record_leads_to_no_label_elsewhere(with_items: tuple[Path, Side], label: str) -> None:
    project, _ = with_items
    file = project / "baselines/smoke/toy/cpu.json"
    edit(lambda body: body["accepted"].update(label=label))(file)
    with pytest.raises(UsageError, match="damaged record"):
        baseline.read_file(file)


def test_digests_stay_what_they_were() -> None:
    """They are in baselines that were accepted."""
    body = {"suite": "smoke/toy", "accepted": {"label": "cpu", "digest": "of before"}}
    assert (
        baseline.digest_of(body, None) == "cef4ef34c1f0c933aaf5ace1e99ce4e400df08e69008a14db8365862b204f311"
    )
    assert (
        baseline.digest_of(body, b"rows")
        == "1b7668b7ddd538f888dd7cd27439ea71b146446db118c09696269e3403cd4afd"
    )


@pytest.fixture
def branch(with_items: tuple[Path, Side]) -> Path:
    """A project in a folder of a repository, whose branch ``change`` accepted other figures."""
    outer, _ = with_items
    git(outer, "init")
    git(outer, "add", "baselines")
    git(outer, "commit", "-m", "first")
    git(outer, "checkout", "-b", "change")
    accepted(outer, run(score(repeats([0.1, 0.1, 0.1]))), new_protocol=True)
    git(outer, "add", "-A", "baselines")
    git(outer, "commit", "-m", "lower the bar")
    return outer


def test_a_change_cannot_approve_itself(branch: Path) -> None:
    here = baseline.find(branch, "smoke/toy", "cpu")
    there = baseline.read_at(branch, "main", "smoke/toy", "cpu")
    assert here
    assert there
    assert here.run.scores[0].repeats[0].values == {"score": 0.1}
    assert there.run.scores[0].repeats[0].values == {"score": pytest.approx(0.45)}
    assert there.items
    column = there.items.items("m", {}, {}, "score")
    assert column
    assert column.values[3] == 0.3
    assert there.where.startswith("baselines/smoke/toy/cpu.json at ")
    assert "(merge base with main)" in there.where


def test_what_the_merge_base_does_not_have_is_none(branch: Path) -> None:
    assert baseline.read_at(branch, "main", "smoke/toy", "gpu") is None
    assert baseline.labels_at(branch, "main", "smoke/toy") == ["cpu"]
    assert baseline.labels_at(branch, "main", "smoke/other") == []


def test_the_merge_base_is_named_by_ten_digits_and_the_reference(branch: Path) -> None:
    found = Commit.merge_base(branch, "main")
    first = git(branch, "rev-parse", "main").strip()
    assert (found.project, found.commit) == (branch, first)
    assert str(found) == f"{first[:10]} (merge base with main)"
    below = baseline.read_at(branch, "main", "smoke/toy", "cpu")
    assert below
    assert below.where == f"baselines/smoke/toy/cpu.json at {found}"


def test_the_files_of_the_merge_base_are_those_that_were_committed_there(branch: Path) -> None:
    git(branch, "checkout", "main")
    folder = branch / "suites"
    odd = os.fsdecode(b"\xff")
    for name in (
        "b.yaml",
        "a.yml",
        "notes.md",
        "deep/c d.yaml",
        "new\nline.yaml",
        "tab\tstop.yaml",
        f"{odd}.yaml",
        f"{odd}.json",
    ):
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text("x")
    (folder / "link.yaml").symlink_to("b.yaml")
    git(branch, "add", "suites")
    git(branch, "commit", "-m", "suites")
    (folder / "later.yaml").write_text("x")
    found = Commit.merge_base(branch, "main")
    unknown = "suites/\ufffd"
    expected = ["a.yml", "b.yaml", "deep/c d.yaml", "new\nline.yaml", "tab\tstop.yaml", "\ufffd.yaml"]
    assert [*map(str, found.files(".yaml", ".yml"))] == [f"suites/{name}" for name in expected]
    assert [*map(str, found.files(".json")), *map(str, found.files(".none"))] == [
        "baselines/smoke/toy/cpu.json",
        f"{unknown}.json",
    ]
    names = found.names(PurePosixPath("suites"))
    assert sorted(names) == sorted(
        [
            "b.yaml",
            "a.yml",
            "deep",
            "link.yaml",
            "new\nline.yaml",
            "notes.md",
            "tab\tstop.yaml",
            "\ufffd.yaml",
            "\ufffd.json",
        ]
    )
    assert found.names(PurePosixPath("none")) == []
    below = Commit.merge_base(folder, "main")
    assert [*map(str, below.files(".yml"))] == ["a.yml"], "by their path below the project"
    assert (below.read(PurePosixPath("a.yml")), below.read(PurePosixPath("later.yaml"))) == (b"x", None)


def test_a_folder_that_is_not_there_is_no_repository(tmp_path: Path) -> None:
    nowhere = tmp_path / os.fsdecode(b"no\xff")
    with pytest.raises(UsageError) as caught:
        Commit.merge_base(nowhere, "main")
    said = str(caught.value)
    assert said.startswith(
        f"--baseline-ref main: {nowhere} is no repository that git can read (fatal: cannot"
    )
    assert "no\ufffd" in said, "git's words, as far as they are text"


def test_of_what_git_says_at_length_the_first_line_is_told(
    branch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The repository of another user, for which git explains how to trust it."""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    with pytest.raises(UsageError, match=r"\(fatal: detected dubious ownership.*\)$") as caught:
        Commit.merge_base(branch, "main")
    assert "\n" not in str(caught.value)


def test_without_git_there_is_no_merge_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=r"^--baseline-ref needs git, which is not installed$"):
        Commit.merge_base(tmp_path, "main")


def test_what_cannot_be_read_as_a_file_is_named(tmp_path: Path) -> None:
    place = tmp_path / "baselines/smoke/toy/cpu.json"
    place.mkdir(parents=True)
    with pytest.raises(UsageError) as caught:
        baseline.find(tmp_path, "smoke/toy", "cpu")
    assert str(caught.value) == f"{place}: cannot be read (Is a directory)"


def test_labels_are_the_names_of_files_of_json_in_order(tmp_path: Path) -> None:
    folder = tmp_path / "baselines/smoke/toy"
    folder.mkdir(parents=True)
    for name in (
        "h100.json",
        "cpu.json",
        "cpu.0123456789ab.items.parquet",
        "notes.txt",
        "json",
        "x.json.torn",
    ):
        (folder / name).write_text("")
    assert baseline.labels(tmp_path, "smoke/toy") == ["cpu", "h100"]


def test_a_project_below_the_repositorys_root_reads_its_own_files(branch: Path) -> None:
    below = branch / "below"
    below.mkdir()
    accepted(below, run(score(repeats(VALUES))))
    git(branch, "checkout", "main")
    git(branch, "add", "below/baselines")
    git(branch, "commit", "-m", "below")
    found = baseline.read_at(below, "main", "smoke/toy", "cpu")
    assert found
    assert found.run.scores[0].repeats[1].values == {"score": 0.82}


@pytest.mark.parametrize("ref", ["no-such-branch", "--all", "-h", ""])
def test_an_unknown_reference_is_one_line(branch: Path, ref: str) -> None:
    with pytest.raises(UsageError) as caught:
        Commit.merge_base(branch, ref)
    said = f"--baseline-ref {ref}: git knows no such commit, branch or tag (is it fetched?)"
    assert str(caught.value) == said


def test_unrelated_histories_and_no_repository_are_one_line(
    branch: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    git(branch, "checkout", "--orphan", "other")
    git(branch, "commit", "-m", "unrelated")
    with pytest.raises(UsageError, match=r"^--baseline-ref main: nothing in common with HEAD"):
        Commit.merge_base(branch, "main")
    plain = tmp_path_factory.mktemp("plain")
    told = rf"^--baseline-ref main: {plain} is no repository that git can read \(fatal: .*\)$"
    with pytest.raises(UsageError, match=told):
        Commit.merge_base(plain, "main")
