from __future__ import annotations

from pathlib import Path

import pytest
from compare.runs import BASE, accepted, repeats, run, score, stored

from harness.compare import baseline
from harness.compare.renewal import named, renew
from harness.compare.sample import Side
from harness.errors import UsageError
from harness.store.items import ItemsReader, write_items


def test_a_baseline_goes_by_suite_and_label_or_by_its_file(tmp_path: Path) -> None:
    file = accepted(tmp_path, run(score(repeats(BASE))))
    for text in ("smoke/toy/cpu", "baselines/smoke/toy/cpu.json", str(file)):
        found, place = named(text, tmp_path)
        assert (found.run.suite, place) == ("smoke/toy", file)


@pytest.mark.parametrize("text", ["smoke/toy/gpu", "toy", "../cpu", "smoke/toy/", "no/such.json"])
def test_what_is_none_names_those_there_are(text: str, tmp_path: Path) -> None:
    accepted(tmp_path, run(score(repeats(BASE))))
    with pytest.raises(UsageError, match="expected SUITE/LABEL or a file; there are smoke/toy/cpu"):
        named(text, tmp_path)


def test_it_keeps_its_label_and_is_signed_anew(with_items: tuple[Path, Side]) -> None:
    project, _ = with_items
    before, file = named("smoke/toy/cpu", project)
    assert before.items
    renew(
        before, file, before.run, before.items.rows(), reason="  same\nagain ", at="2026-03-05T00:00:00+00:00"
    )
    after = baseline.find(project, "smoke/toy", "cpu")
    assert after
    assert after.run.accepted
    assert (after.run.accepted.label, after.run.accepted.reason) == ("cpu", "same again")
    assert after.run.accepted.at == "2026-03-05T00:00:00+00:00"
    assert after.run.scores == before.run.scores
    assert after.items
    assert list(after.items.rows()) == list(before.items.rows())


def test_one_that_was_written_meanwhile_is_left_alone(tmp_path: Path) -> None:
    file = accepted(tmp_path, run(score(repeats(BASE))))
    before, _ = named("smoke/toy/cpu", tmp_path)
    accepted(tmp_path, run(score(repeats([0.5, 0.6, 0.7]))))
    theirs = file.read_bytes()
    with pytest.raises(UsageError, match="another process has written it meanwhile"):
        renew(before, file, before.run, (), reason="mine", at="")
    assert file.read_bytes() == theirs


def test_a_score_without_values_is_never_written(tmp_path: Path) -> None:
    file = accepted(tmp_path, run(score(repeats(BASE))))
    before, _ = named("smoke/toy/cpu", tmp_path)
    text = file.read_bytes()
    with pytest.raises(UsageError, match="no values of m"):
        renew(before, file, run(score(repeats([*BASE, None]))), (), reason="more", at="")
    assert file.read_bytes() == text


def test_rows_that_are_read_and_written_are_the_same_bytes(
    with_items: tuple[Path, Side], tmp_path: Path
) -> None:
    project, _ = with_items
    file = project / "run" / "items.parquet"
    write_items(tmp_path / "again.parquet", ItemsReader(file).rows())
    assert (tmp_path / "again.parquet").read_bytes() == file.read_bytes()


def test_a_file_that_is_a_run_is_no_baseline(tmp_path: Path) -> None:
    folder = stored(tmp_path / "run", run(score(repeats(BASE))))
    with pytest.raises(UsageError, match="a run, not a baseline"):
        named(str(folder / "run.json"), tmp_path)
