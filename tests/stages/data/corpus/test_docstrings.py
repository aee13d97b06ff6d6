"""The docstrings of installed packages."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from jobs import FolderJob

from harness.formats.corpus import digest, read
from harness.stages.data import corpus
from harness.stages.data.corpus.texts import Package, _docstrings, _is_public, _module

SOURCE = '''
"""Of the module."""

def first():
    """Of a function.

    Indented:
        twice.
    """
    def inner():
        """Of nobody's business."""

def _private():
    """Private."""

class Lake:
    """Of a class."""

    def __len__(self):
        """Of a protocol's method."""

    def _hidden(self):
        """Hidden."""

    class Shore:
        """Of a class inside."""

class _Town:
    def visible(self):
        """Of a private class's method."""

try:
    async def last():
        """Of a coroutine."""
except ImportError:
    def last():
        """Of its substitute."""

x = 1
"""Of a variable: no docstring."""
'''


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return corpus.docstrings(package="torchgeo.datasets", job=FolderJob(tmp_path_factory.mktemp("torchgeo")))


def test_public_docstrings_come_in_the_order_of_the_source():
    assert list(_docstrings(ast.parse(SOURCE))) == [
        "Of the module.",
        "Of a function.\n\nIndented:\n    twice.",
        "Of a class.",
        "Of a protocol's method.",
        "Of a class inside.",
        "Of a coroutine.",
        "Of its substitute.",
    ]


@pytest.mark.parametrize(
    ("file", "public", "module"),
    [
        ("__init__.py", True, "torchgeo.datasets"),
        ("eurosat.py", True, "torchgeo.datasets.eurosat"),
        ("stats/_continuous.py", True, "torchgeo.datasets.stats._continuous"),
        ("spacenet/__init__.py", True, "torchgeo.datasets.spacenet"),
        ("_lib/doc.py", False, "torchgeo.datasets._lib.doc"),
        ("frame/tests/test_a.py", False, "torchgeo.datasets.frame.tests.test_a"),
    ],
)
def test_private_folders_and_tests_are_left_out_and_a_document_is_a_module(file, public, module):
    assert _is_public(Path(file)) == public
    assert _module("torchgeo.datasets", Path(file)) == module


def test_the_data_sets_of_torchgeo_are_real_english_about_remote_sensing(made):
    rows = read(made.path)
    eurosat = [row for row in rows if row.document == "torchgeo.datasets.eurosat"]
    assert eurosat[0].text == "EuroSAT dataset."
    assert any("Sentinel-2" in row.text for row in eurosat)
    assert [row.row for row in eurosat] == list(range(len(eurosat)))
    assert made.facts["documents"] > 100
    assert made.facts["characters"] > 200_000
    assert made.facts["version"].count(".") == 2


def test_no_text_comes_twice_and_what_did_is_counted(made):
    texts = [row.text for row in read(made.path)]
    assert len(texts) == len(set(texts))
    assert made.facts["repeated"] > 100


def test_the_text_decides_what_can_be_compared(made, tmp_path):
    assert made.conditions == {"text": digest(read(made.path))}
    again = corpus.docstrings(package="torchgeo.datasets", job=FolderJob(tmp_path))
    assert again.conditions == made.conditions


@pytest.mark.proves("corpus.docstrings", "package")
@pytest.mark.slow
def test_another_package_is_another_corpus(made, tmp_path):
    other = corpus.docstrings(package="torchgeo", job=FolderJob(tmp_path))
    assert other.conditions != made.conditions
    assert other.facts["documents"] > made.facts["documents"]


def test_the_version_of_every_package_that_can_be_named_is_in_the_key():
    software = corpus.docstrings.__stage__.software
    assert {package.partition(".")[0] for package in get_args(Package)} == set(software)


def test_nothing_is_imported(tmp_path):
    code = (
        "import sys; from pathlib import Path; from jobs import FolderJob; from harness.stages.data import corpus; "
        "corpus.docstrings(package='torchgeo.datasets', job=FolderJob(Path(sys.argv[1]))); "
        "sys.exit(not {'torchgeo', 'torch', 'scipy'}.isdisjoint(sys.modules))"
    )
    tests = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=tests, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
