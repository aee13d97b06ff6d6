"""``harness publish``: what a stage made goes to the hub, here to a small one on 127.0.0.1."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_line import Project, Said, environment, finish
from hub_server import Hub, serve
from painted import GALLERY, ran
from toy_suites import changed

from harness.artifact import FinetunedPipeline
from harness.cli.commands.publish import Upload
from harness.evaluation.artifact_choice import Stored
from harness.store.record_file import load, sealed, to_json

SUITE = changed(
    ("suite: toy/gallery", "suite: toy/set"),
    (
        "metrics:\n",
        "  kept:   {use: synthetic.filter, images: images}\n"
        "  set:    {use: synthetic.dataset, images: kept.kept, name: Squares, licence: cc0-1.0, shard_bytes: 4000}\n"
        "  again:  {use: synthetic.read, data: set}\n"
        "metrics:\n  count: {use: toy_images.copies, pairs: again}\n",
    ),
    text=GALLERY,
)
SET = ("dataset", "org/squares")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which a data set was made: its run is in ``out``, its store in ``store``."""
    folder = tmp_path_factory.mktemp("project")
    run, _ = ran(folder, SUITE)
    (folder / "out").mkdir()
    (folder / "out" / "run.json").write_text(json.dumps(sealed(to_json(run))))
    return folder


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub, and a person who may write there."""
    with serve() as hub:
        hub.writer = "a-token"
        monkeypatch.setenv("HF_TOKEN", "a-token")
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield hub


@pytest.fixture
def publish(project: Project, home: Path) -> Callable[..., Said]:
    """The command, of the run in ``home``."""

    def publish(*arguments: str) -> Said:
        return project.harness("publish", home / "out", *arguments, "--store", home / "store")

    return publish


def files(hub: Hub) -> dict[str, bytes]:
    """What the main branch of the data set's repository holds."""
    return list(hub.repositories[SET].values())[-1]


def stored(home: Path) -> dict[str, bytes]:
    """The data set as the store has it."""
    (card,) = (home / "store" / "objects").glob("*/*/out/README.md")
    root = card.parent
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_a_data_set_is_uploaded_as_it_was_stored_and_named_as_a_suite_would(
    publish: Callable[..., Said], home: Path, hub: Hub
) -> None:
    said = publish("set", "--to", "org/squares")
    assert said.code == 0, said.err
    expected = stored(home)
    assert len(expected) > 2
    assert files(hub) == {".gitattributes": b"", **expected}
    lines = said.out.splitlines()
    total = sum(map(len, expected.values()))
    assert lines[0] == f"dataset org/squares, public: {len(expected)} files, {total:,} bytes"
    assert f"  README.md  {len(expected['README.md']):,}" in lines
    assert lines[-1] == f"published: org/squares@{list(hub.repositories[SET])[-1]}"
    assert hub.private == set()
    (summary,) = hub.summaries
    assert summary.startswith("set of toy/set, run ")


def test_a_dry_run_says_what_and_touches_nothing(
    publish: Callable[..., Said], hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    said = publish("set", "--to", "org/squares", "--private", "--dry-run")
    assert said.code == 0, said.err
    assert said.out.startswith("dataset org/squares, private: ")
    assert "data/train-00000-of-" in said.out
    assert "published" not in said.out
    assert hub.repositories == {}


def test_private_is_private_from_the_start(publish: Callable[..., Said], home: Path, hub: Hub) -> None:
    assert publish("set", "--to", "org/squares", "--private").code == 0
    assert hub.private == {"org/squares"}


def test_nothing_is_replaced_unless_asked_for_and_then_no_old_file_stays(
    publish: Callable[..., Said], home: Path, hub: Hub
) -> None:
    """A file of a larger data set of before would be read as a part of the new one."""
    old = {"data/train-00008-of-00009.parquet": b"old", "README.md": b"old", ".gitattributes": b"kept"}
    hub.add(*SET, "1" * 40, old)
    said = publish("set", "--to", "org/squares")
    assert said.code == 2
    assert said.error == (
        "org/squares: is there already; --replace puts this in its place (the hub keeps the history)"
    )
    assert files(hub) == old
    again = publish("set", "--to", "org/squares", "--replace")
    assert again.code == 0, again.err
    assert files(hub) == {".gitattributes": b"kept", **stored(home)}


def test_what_broke_off_goes_on_with_replace(publish: Callable[..., Said], home: Path, hub: Hub) -> None:
    hub.full = True
    said = publish("set", "--to", "org/squares")
    assert said.code == 5
    assert said.error.startswith("org/squares: the hub answered 413 (")
    assert files(hub) == {".gitattributes": b""}
    hub.full = False
    assert publish("set", "--to", "org/squares", "--replace").code == 0
    assert files(hub) == {".gitattributes": b"", **stored(home)}


def test_a_model_goes_to_a_repository_of_models(home: Path, hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "config.json").write_text("{}")
    made = Stored("tuned", FinetunedPipeline.__name__, tmp_path, {}, {})
    upload = Upload.of(made, load(home / "out"), "org/tuned", private=False, replace=False)
    assert upload.files == {"unet/config.json": 2}
    reference = upload.send()
    *_, (commit, uploaded) = hub.repositories["model", "org/tuned"].items()
    assert reference == f"org/tuned@{commit}"
    assert uploaded["unet/config.json"] == b"{}"


def test_a_public_repository_is_not_filled_with_what_is_to_be_private(
    publish: Callable[..., Said], home: Path, hub: Hub
) -> None:
    hub.add(*SET, "1" * 40, {".gitattributes": b""})
    said = publish("set", "--to", "org/squares", "--private", "--replace")
    assert said.code == 2
    assert said.error.startswith("org/squares: is there and public")
    assert files(hub) == {".gitattributes": b""}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("kept.kept", "--to", "org/squares"),
            "kept.kept: GeneratedScenes is neither a data set nor a model",
        ),
        (("kept", "--to", "org/squares"), "kept: no such output; it has kept.kept, kept.removed"),
        (("sets", "--to", "org/squares"), "no stage 'sets' in the run of toy/set; did you mean 'set'?"),
        (("set", "--to", "squares"), "--to: expected org/name, not 'squares'"),
        (("set", "--to", "org/a/b"), "--to: Repo id must be in the form"),
    ],
)
def test_mistakes_are_one_line(
    publish: Callable[..., Said], arguments: tuple[str, ...], message: str
) -> None:
    said = publish(*arguments)
    assert said.code == 2
    assert said.error.startswith(message)


def test_without_a_token_nothing_is_asked_of_the_hub(
    publish: Callable[..., Said], hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    said = publish("set", "--to", "org/squares")
    assert said.code == 2
    assert said.error == (
        "publish: the hub wants a token that may write; set HF_TOKEN, or log in ('hf auth login')"
    )
    assert hub.repositories == {}


def test_a_token_that_may_not_write_is_a_mistake_of_usage(
    publish: Callable[..., Said], hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "another")
    said = publish("set", "--to", "org/squares")
    assert said.code == 2
    assert said.error == "org/squares: the hub does not let this token write there (403)"
    assert hub.repositories == {}


def test_without_a_network_it_fails_in_one_line(
    publish: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve() as gone:
        monkeypatch.setenv("HF_ENDPOINT", gone.url)
    monkeypatch.setenv("HF_TOKEN", "a-token")
    said = publish("set", "--to", "org/squares")
    assert said.code == 5
    assert said.error.startswith("org/squares: the upload broke off (")


def test_offline_is_offline(home: Path, hub: Hub) -> None:
    """In a process of its own: the hub's library reads this setting when it is imported."""
    command = ["publish", "out", "set", "--to", "org/squares", "--store", "store"]
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", *command],
        cwd=home,
        env={**environment(), "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    said = finish(process)
    assert said.code == 5
    assert said.error == "org/squares: HF_HUB_OFFLINE is set, nothing is uploaded"
    assert hub.repositories == {}
