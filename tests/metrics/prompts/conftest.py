"""Prompts made by hand, the tokenizer of the shipped pipeline, and an embedder that has read a page about land."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hand_prompts import TOKENIZER
from jobs import FolderJob

from harness.artifact import Corpus, Prompts, TextEmbedder, Tokenizer
from harness.data.corpus import table as corpus_table
from harness.metrics import prompts as metric
from harness.metrics.prompts.checking import CheckScores
from harness.systems import embeddings
from harness.systems.prompt_writer.writing import table
from harness.systems.prompt_writer.writing.table import Prompt

LAND = {
    "Bare Land": """
        Bare land is desert, sand and rock. Dunes of sand move over the barren ground of the desert. Rocky
        ground and gravel are bare soil. Sandy dunes and bare rock cover the desert. Bare ground is dry
        and stony.
    """,
    "Crop Land": """
        Crop land is fields of wheat and maize on a farm. Farmland is divided into rectangular fields.
        Crops grow on arable fields after the plough. Harvest leaves fallow fields. Agricultural fields of
        wheat are golden.
    """,
    "Cultivated Vegetation": """
        Cultivated vegetation is orchards and vineyards. An orchard is planted in rows. Vines stand in the
        rows of a vineyard. Greenhouses and plantations are cultivated. Olive groves and orchards are
        planted.
    """,
    "Natural Vegetation": """
        Natural vegetation is grassland, heath and savanna. Wild grass covers the meadow. Shrubs grow wild
        on the heath. Meadows and grassland are wild vegetation. The moor and the marsh are natural.
    """,
    "Snow Ice": """
        Snow and ice cover the glacier. Crevasses break the ice of the glacier. Ice floes and icebergs are
        frozen. The snowfield is white with snow. A frozen glacier is snow and ice.
    """,
    "Water Body": """
        A water body is a lake, a river or the sea. The river winds to the ocean. Lakes and ponds are open
        water. The shore of the lake is wet. A reservoir of water feeds the river and the canal.
    """,
    "Woody Vegetation": """
        Woody vegetation is forest and trees. The canopy of the forest is dense woodland. Trees of the
        forest are wood. Treetops of the woodland are dark. A forest of trees is a wood with a closed
        canopy.
    """,
}


@pytest.fixture(scope="session")
def embedder(tmp_path_factory) -> TextEmbedder:
    """Knows the words of ``LAND``."""
    root = tmp_path_factory.mktemp("embedder")
    rows = []
    for label, text in LAND.items():
        sentences = " ".join(text.split()).split(". ")
        texts = [*sentences, *map(". ".join, pairwise(sentences)), text]  # rare words are not learnt
        rows += [corpus_table.Row(sentence, label, 0, i) for i, sentence in enumerate(texts)]
    (root / "corpus").mkdir()
    corpus_table.write(root / "corpus", rows)
    return embeddings.local(Corpus(root / "corpus"), dimensions=12, job=FolderJob(root))


@pytest.fixture
def stored(tmp_path) -> Callable[[Sequence[Prompt]], Prompts]:
    """Prompts as an artifact; each call makes another one."""
    made = iter(range(100))

    def store(prompts: Sequence[Prompt]) -> Prompts:
        folder = tmp_path / f"prompts-{next(made)}"
        folder.mkdir()
        table.write(folder, prompts)
        return Prompts(folder, facts=table.count(prompts))

    return store


@pytest.fixture
def check(stored, embedder, tmp_path) -> Callable[..., CheckScores]:
    """``prompts.checks`` of prompts, with the tokenizer and the embedder of this file."""

    def run(prompts: Sequence[Prompt], **settings) -> CheckScores:
        return metric.checks(
            stored(prompts), embedder, Tokenizer(TOKENIZER), **settings, job=FolderJob(tmp_path / "job")
        )

    return run
