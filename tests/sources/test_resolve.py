"""Finding sources in a mirror, the hub's cache and the hub (a small one on 127.0.0.1); fetching, pinning."""

import os
import shutil
import subprocess
import sys
import textwrap

import pytest
from hub_server import serve

from harness.errors import UsageError
from harness.sources.content import DigestCache
from harness.sources.hub import Source
from harness.sources.resolve import fetch, pin, resolve

COMMIT, OTHER = "a" * 40, "b" * 40


@pytest.fixture
def cache(tmp_path):
    return DigestCache(tmp_path / "digests")


@pytest.fixture
def mirror(tmp_path):
    folder = tmp_path / "mirror" / "org" / "name"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "a.txt").write_text("content")
    (folder / "README.md").write_text("a card")
    return tmp_path / "mirror"


def find(text, mirror, cache):
    return resolve(Source.from_text(text), mirror=mirror, cache=cache, download=False)


def test_what_a_mirror_serves_is_pinned_by_content_and_marked_unverified(mirror, cache):
    found = find("org/name@unpinned", mirror, cache)
    assert found.path == mirror / "org" / "name"
    assert str(found.to_key()).startswith("sha256:")
    assert found.facts() == {
        "reference": "org/name@unpinned",
        "digest": found.to_key(),
        "revision": None,
        "verified": False,
        "from": "mirror",
    }


def test_a_path_of_ones_own_is_held_to_the_digest_that_the_suite_pins(tmp_path, cache):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "weights.txt").write_text("content")
    found = find(f"path:{tmp_path / 'own'}", None, cache)
    pinned = find(f"path:{tmp_path / 'own'}@{found.to_key()}", None, cache)
    assert pinned.to_key() == found.to_key()
    (tmp_path / "own" / "weights.txt").write_text("other content")
    with pytest.raises(UsageError, match=r"not what the suite pins; it has sha256:[0-9a-f]{64}$"):
        find(f"path:{tmp_path / 'own'}@{found.to_key()}", None, cache)


def test_a_mirror_that_says_its_revision_is_verified(mirror, cache):
    (mirror / "org" / "name" / ".revision").write_text(f"{COMMIT}\n")
    for text in ("org/name@unpinned", f"org/name@{COMMIT}"):
        facts = find(text, mirror, cache).facts()
        assert (facts["revision"], facts["verified"]) == (COMMIT, True)


def test_another_revision_than_the_suite_wants_is_refused_naming_both(mirror, cache):
    (mirror / "org" / "name" / ".revision").write_text(OTHER)
    with pytest.raises(UsageError) as e:
        find(f"org/name@{COMMIT}", mirror, cache)
    assert COMMIT in str(e.value)
    assert OTHER in str(e.value)


def test_a_revision_file_that_holds_no_commit_is_refused(mirror, cache):
    (mirror / "org" / "name" / ".revision").write_text("main")
    with pytest.raises(UsageError, match="'main' is not a commit"):
        find("org/name@unpinned", mirror, cache)


def test_the_digest_is_the_content_not_the_card_nor_hidden_files_nor_the_place(mirror, cache, tmp_path):
    before = find("org/name@unpinned", mirror, cache).to_key()
    (mirror / "org" / "name" / "README.md").write_text("another card")
    (mirror / "org" / "name" / ".gitattributes").write_text("*.bin lfs")
    shutil.copytree(mirror, tmp_path / "elsewhere")
    assert find("org/name@unpinned", tmp_path / "elsewhere", cache).to_key() == before
    (mirror / "org" / "name" / "data" / "a.txt").write_text("other content")
    assert find("org/name@unpinned", mirror, cache).to_key() != before


def test_a_card_that_is_all_there_is_counts(mirror, cache):
    shutil.rmtree(mirror / "org" / "name" / "data")
    before = find("org/name@unpinned", mirror, cache).to_key()
    (mirror / "org" / "name" / "README.md").write_text("more text")
    assert find("org/name@unpinned", mirror, cache).to_key() != before


def test_one_file_inside_is_pinned_by_itself(mirror, cache):
    before = find("org/name@unpinned:data/a.txt", mirror, cache)
    assert before.path.read_text() == "content"
    (mirror / "org" / "name" / "data" / "b.txt").write_text("beside")
    assert find("org/name@unpinned:data/a.txt", mirror, cache).to_key() == before.to_key()


def test_a_file_that_is_not_inside_is_named_with_its_neighbour(mirror, cache):
    with pytest.raises(UsageError, match=r"data/aa\.txt.*did you mean 'a\.txt'"):
        find("org/name@unpinned:data/aa.txt", mirror, cache)


def test_a_link_out_of_a_mirrors_folder_is_refused(mirror, cache, tmp_path):
    (tmp_path / "secret").write_text("elsewhere")
    (mirror / "org" / "name" / "data" / "link").symlink_to(tmp_path / "secret")
    for text in ("org/name@unpinned", "org/name@unpinned:data/link"):
        with pytest.raises(UsageError, match="leads out of"):
            find(text, mirror, cache)


def test_unpinned_and_not_in_the_mirror_stops_with_the_command_that_pins(mirror, cache):
    with pytest.raises(UsageError, match="harness fetch SUITE --pin"):
        find("org/absent@unpinned", mirror, cache)
    with pytest.raises(UsageError, match="none is given"):
        find("org/absent@unpinned", None, cache)


def test_a_path_is_pinned_by_content_and_may_be_a_file(tmp_path, cache):
    (tmp_path / "best.pt").write_bytes(b"weights")
    source = Source.from_text("path:best.pt").relative_to(tmp_path)
    found = resolve(source, mirror=None, cache=cache, download=False)
    assert found.path.read_bytes() == b"weights"
    assert found.facts()["from"] == "path"
    with pytest.raises(UsageError, match=r"did you mean 'best\.pt'"):
        resolve(
            Source.from_text("path:bset.pt").relative_to(tmp_path), mirror=None, cache=cache, download=False
        )


def test_a_readme_in_ones_own_folder_is_content(tmp_path, cache):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.md").write_text("a")
    keys = []
    for text in ("one", "two"):
        (tmp_path / "notes" / "README.md").write_text(text)
        source = Source.from_text("path:notes").relative_to(tmp_path)
        keys.append(resolve(source, mirror=None, cache=cache, download=False).to_key())
    assert keys[0] != keys[1]


def test_an_empty_folder_is_refused(tmp_path, cache):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no files"):
        resolve(
            Source.from_text("path:empty").relative_to(tmp_path), mirror=None, cache=cache, download=False
        )


def test_a_pipe_is_refused_at_once(tmp_path, cache):
    os.mkfifo(tmp_path / "pipe.csv")
    source = Source.from_text("path:pipe.csv").relative_to(tmp_path)
    with pytest.raises(UsageError, match="neither a file nor a folder"):
        resolve(source, mirror=None, cache=cache, download=False)


# The hub's library reads HF_ENDPOINT when it is imported, so what asks it runs in a process of its own.
PRELUDE = """
import sys
from pathlib import Path
from harness.sources.content import DigestCache
from harness.sources.hub import Source
from harness.sources.resolve import fetch, pin, resolve
from harness.errors import UsageError

def get(text, download=True, mirror=None):
    cache = DigestCache(Path("digests"))
    return resolve(Source.from_text(text), mirror=mirror, cache=cache, download=download)

try:
"""


def environment(url, folder):
    kept = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("HF_", "HUGGING")) and "proxy" not in k.lower()
    }
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    hub = {"HF_ENDPOINT": url, "HF_HOME": str(folder / "home"), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    patient = {"HF_HUB_ETAG_TIMEOUT": "600", "HF_HUB_DOWNLOAD_TIMEOUT": "600"}  # seconds; it is 10 by default
    return {**kept, **hub, **patient, "HF_HUB_DISABLE_TELEMETRY": "1", "PYTHONPATH": here}


def start(hub, folder, code):
    script = (
        PRELUDE
        + textwrap.indent(textwrap.dedent(code), "    ")
        + "\nexcept UsageError as e:\n    sys.exit(str(e))\n"
    )
    command = [sys.executable, "-c", script]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=folder, env=environment(hub.url, folder), **pipes)


def run(hub, folder, code):
    """What ``code`` printed, and the one line it ended with where it failed."""
    process = start(hub, folder, code)
    out, error = process.communicate()
    if process.returncode == 0:
        return out.splitlines(), None
    assert process.returncode == 1
    assert "Traceback" not in error, error
    return out.splitlines(), error.splitlines()[-1]


@pytest.fixture
def hub():
    with serve() as hub:
        files = {"config.json": b"{}", "data/a.parquet": b"rows", "README.md": b"card", ".gitattributes": b""}
        hub.add("dataset", "org/set", COMMIT, files)
        hub.add("dataset", "org/set", OTHER, {**files, "data/a.parquet": b"newer rows"})
        hub.add(
            "model", "org/model", COMMIT, {"model.safetensors": b"weights", "pytorch_model.bin": b"again"}
        )
        yield hub


def test_a_commit_is_downloaded_once_then_found_in_the_cache_and_equals_the_mirror(hub, tmp_path):
    lines, error = run(
        hub,
        tmp_path,
        f"""
        text = "org/set@{COMMIT}"
        assert get(text, download=False).found is None
        first = get(text)
        again = get(text, download=False)
        print(*fetch([Source.from_text(text)], Path("mirror")), sep="\\n")
        mirrored = get(text, download=False, mirror=Path("mirror"))
        assert first.to_key() == again.to_key() == mirrored.to_key() != text
        print(first.facts()["from"], again.facts()["from"], mirrored.facts())
        print((again.path / "data" / "a.parquet").read_text())
        print(get(text + ":config.json").path.read_text())
        """,
    )
    assert error is None
    assert lines[0] == f"org/set@{COMMIT}: 4 files fetched"
    assert lines[1].startswith("hub hub cache {")
    assert "'verified': True, 'from': 'mirror'" in lines[1]
    assert lines[2:] == ["rows", "{}"]


def test_second_copies_of_weights_are_not_downloaded(hub, tmp_path):
    lines, error = run(
        hub, tmp_path, f"print(*sorted(p.name for p in get('org/model@{COMMIT}').path.iterdir()))"
    )
    assert (lines, error) == (["model.safetensors"], None)


ABSENT = {
    f"get('org/absent@{COMMIT}')": "org/absent: the hub has no such repository, or it is private",
    f"get('org/set@{'c' * 40}')": "the hub has the repository, but not this commit",
    f"get('org/set@{COMMIT}:config.jsn')": "did you mean 'config.json'",
    f"bring('org/set@{'c' * 40}')": "but not this commit",
    "bring('org/set@unpinned')": "harness fetch SUITE --pin",
    f"bring('org/set@{COMMIT}', 'org/set@{OTHER}')": "a mirror holds one commit of a repository",
}


def test_what_the_hub_does_not_have_is_one_line(hub, tmp_path):
    lines, error = run(
        hub,
        tmp_path,
        f"""
        def bring(*texts):
            list(fetch(map(Source.from_text, texts), Path("mirror")))

        for code in {list(ABSENT)}:
            try:
                eval(code)
            except UsageError as e:
                print(e)
        """,
    )
    assert error is None
    assert len(lines) == len(ABSENT)
    for line, message in zip(lines, ABSENT.values(), strict=True):
        assert message in line


def test_without_a_network_the_line_says_how_to_fill_a_mirror(hub, tmp_path):
    hub.url = "http://127.0.0.1:9"  # nothing listens there
    _, error = run(hub, tmp_path, f"get('org/set@{COMMIT}')")
    assert error is not None
    assert f"org/set@{COMMIT}" in error
    assert "the hub cannot be reached" in error
    assert "harness fetch SUITE --to DIR" in error


def test_a_broken_fetch_leaves_no_half_repository_and_goes_on_where_it_was(hub, tmp_path):
    hub.broken.add("data/a.parquet")
    code = f"print(*fetch([Source.from_text('org/set@{COMMIT}')], Path('mirror')))"
    _, error = run(hub, tmp_path, code)
    assert error is not None
    assert "it answered 500" in error
    assert not (tmp_path / "mirror" / "org" / "set").exists()
    hub.broken.clear()
    before = len(hub.sent)
    lines, error = run(hub, tmp_path, code)
    assert (lines, error) == ([f"org/set@{COMMIT}: 4 files fetched"], None)
    assert hub.sent[before:] == ["data/a.parquet"]
    folder = tmp_path / "mirror" / "org" / "set"
    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert names == {"config.json", "data/a.parquet", "README.md", ".gitattributes", ".revision"}
    assert (folder / ".revision").read_text() == f"{COMMIT}\n"
    assert [p.name for p in folder.parent.iterdir()] == ["set"]


def test_a_killed_fetch_leaves_no_half_repository_and_keeps_whole_files(hub, tmp_path):
    files = {"config.json": b"{}", "model.safetensors": os.urandom(1 << 16)}
    hub.add("model", "org/big", COMMIT, files)
    hub.stuck["model.safetensors"] = 1000
    code = f"print(*fetch([Source.from_text('org/big@{COMMIT}')], Path('mirror')))"
    process = start(hub, tmp_path, code)
    hub.is_stuck.wait()
    while not any(p.stat().st_size for p in (tmp_path / "mirror").rglob("config.json.metadata")):
        assert process.poll() is None
    process.kill()
    process.communicate()
    folder = tmp_path / "mirror" / "org" / "big"
    assert not folder.exists()
    hub.released.set()
    before = len(hub.sent)
    lines, error = run(hub, tmp_path, code)
    assert (lines, error) == ([f"org/big@{COMMIT}: 2 files fetched"], None)
    assert hub.sent[before:] == ["model.safetensors"]
    assert {p.name: p.read_bytes() for p in folder.iterdir() if p.name != ".revision"} == files
    assert [p.name for p in folder.parent.iterdir()] == ["big"]


def test_fetching_again_does_nothing_and_another_commit_is_refused(hub, tmp_path):
    code = "print(*fetch([Source.from_text('org/set@{}')], Path('mirror')))"
    assert run(hub, tmp_path, code.format(COMMIT))[1] is None
    sent = len(hub.sent)
    assert run(hub, tmp_path, code.format(COMMIT))[0] == [f"org/set@{COMMIT}: already there"]
    assert len(hub.sent) == sent
    _, error = run(hub, tmp_path, code.format(OTHER))
    assert error is not None
    assert f"holds commit {COMMIT}, the suite wants {OTHER}" in error


def test_pinning_rewrites_the_word_and_nothing_else(hub, tmp_path):
    before = (
        "# org/set@unpinned: nobody knew the commit\r\n"
        "stages:\n"
        "  a: {use: folders.hub, source: org/set@unpinned:data}   # org/set@unpinned\n"
        "  b: {use: x.y, source: 'org/model@unpinned', other: other-org/set@unpinned}\n"
    )
    (tmp_path / "suite.yaml").write_bytes(before.encode())
    names = "['org/set@unpinned', 'org/model@unpinned']"
    code = f"print(*pin(Path('suite.yaml'), map(Source.from_text, {names})), sep='\\n')"
    lines, error = run(hub, tmp_path, code)
    assert error is None
    assert len(lines) == 2
    after = (tmp_path / "suite.yaml").read_bytes().decode()
    expected = before.replace("source: org/set@unpinned:data", f"source: org/set@{OTHER}:data")
    assert after == expected.replace("'org/model@unpinned'", f"'org/model@{COMMIT}'")


def test_pinning_what_the_file_only_inherits_is_refused_and_changes_nothing(hub, tmp_path):
    (tmp_path / "suite.yaml").write_text("extends: base.yaml\n")
    _, error = run(hub, tmp_path, "pin(Path('suite.yaml'), [Source.from_text('org/set@unpinned')])")
    assert error is not None
    assert "in the file that it extends" in error


def test_paths_need_neither_fetching_nor_pinning(tmp_path):
    (tmp_path / "suite.yaml").write_text("{}\n")
    own = [Source.from_text("path:x")]
    assert list(fetch(own, tmp_path / "mirror")) == []
    assert pin(tmp_path / "suite.yaml", own) == []
