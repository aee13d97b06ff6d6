from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.leaderboard.published import published

REPOSITORY = Path(__file__).parents[2]

ENTRY = """\
mine:
  source: a paper
  protocol: {n: 250}
  metrics: {fid: lower, clip: higher}
  rows:
    one: {fid: 20.5, clip: null}
    two: {fid: 10, clip: 0.3}
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "published.yaml"
    file.write_text(text)
    return file


def test_an_entry_is_a_table_in_order_without_ranks(tmp_path: Path) -> None:
    (table,) = published(written(tmp_path, ENTRY))
    assert (table.kind, table.source, table.protocol) == ("published", "a paper", {"n": "250"})
    assert [line.name for line in table.lines] == ["two", "one"]
    assert [line.ranks for line in table.lines] == [None, None]
    values = [[f and f.mean for f in line.figures] for line in table.lines]
    assert values == [[10.0, 0.3], [20.5, None]]
    assert all(f is None or (f.low, f.high) == (None, None) for line in table.lines for f in line.figures)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("  source: a paper\n", "", ":1: 'mine' has no 'source', which every entry needs"),
        ("  source: a paper\n", "  sourc: a paper\n", ":2: 'mine' has no 'sourc'; did you mean 'source'?"),
        (
            "fid: lower",
            "fid: smaller",
            ":4: metric 'fid': expected higher or lower, whichever is better, not 'smaller'",
        ),
        ("fid: 20.5", "fid: nan", ":6: fid: expected a finite number or null, not 'nan'"),
        ("fid: 20.5", "fid: good", ":6: fid: expected a finite number or null, not 'good'"),
        ("fid: 20.5", "fid: [1, 2]", ":6: fid: expected a finite number or null, not a list"),
        ("fid: 20.5", "fdi: 20.5", ":6: row 'one': no metric 'fdi' under 'metrics'; did you mean 'fid'?"),
        ("clip: null", "fid: 3", ":6: key 'fid' stands twice (first in line 6)"),
        (
            "fid: 20.5, clip: null",
            "fid: 20.5",
            "row 'one' says nothing of 'clip'; null says that there is none",
        ),
        ("  rows:\n", "  definition: unsure\n  rows:\n", ":5: definition: expected unverified"),
        ("{n: 250}", "250", ":3: 'protocol': expected a mapping that is not empty, not '250'"),
        (ENTRY, "- 1\n", ":1: published rows: expected a mapping that is not empty, not a list"),
        (ENTRY, "mine: !!python/object x\n", "tag"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert old in ENTRY
    with pytest.raises(HarnessError) as error:
        published(written(tmp_path, ENTRY.replace(old, new)))
    assert problem in str(error.value)
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="cannot be read"):
        published(tmp_path / "none.yaml")


def test_what_the_repository_holds_of_the_literature() -> None:
    tables = {t.title: t for t in published(REPOSITORY / "baselines" / "published.yaml")}
    figures = {
        title: {line.name: [f and f.mean for f in line.figures] for line in t.lines}
        for title, t in tables.items()
    }
    assert figures["remote-diffusion"] == {"Stable Diffusion v1.5, fine-tuned": [245.3629]}
    assert figures["remote-diffusion-land-cover"] == {"ResNet-18": [0.495, 0.436, 0.436, 0.28, 1.555]}
    assert len(figures["mhn"]) == 16
    assert figures["mhn"]["Any2RSI"] == [41.14, 16.86, 21.87, 72.54]
    assert figures["geocore"]["Text2Earth"] == [24.49, None, 25.62]
    sinkhorn = tables["remote-diffusion-training"]
    assert sinkhorn.columns[0].metric == "sinkhorn_divergence"
    assert all(line.note.startswith("unverified") for line in sinkhorn.lines)


def test_one_checkpoint_at_three_n_is_three_protocols() -> None:
    """200.00 at N = 64, 156.73 at 128, 65.70 at 1,093: nothing may rank these."""
    tables = {t.title: t for t in published(REPOSITORY / "baselines" / "published.yaml")}
    found = {}
    for name in ("rsdiff-64", "rsdiff-128", "rsdiff-1093"):
        (line,) = tables[name].lines
        assert line.figures[0]
        found[tables[name].protocol["n"]] = line.figures[0].mean
    assert found == {"64": 200.0, "128": 156.73, "1093": 65.7}


def test_every_table_says_where_it_is_from_and_which_n() -> None:
    tables = published(REPOSITORY / "baselines" / "published.yaml")
    assert len({t.title for t in tables}) == len(tables) > 10
    assert all(t.source for t in tables)
    image_metrics = [t for t in tables if t.columns[0].metric == "fid"]
    assert all("n" in t.protocol for t in image_metrics)
