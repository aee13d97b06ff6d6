"""Another version of what embeds or stores texts is another result: stages that open an embedder or an index say so."""

from harness.artifact import Index, TextEmbedder
from harness.formats.embedder import EMBEDDER
from harness.stages.systems.prompt_writer import INDEX
from harness.suite.registry import all_stages


def taking(kind):
    found = {s.name: s for s in all_stages() if any(given.kind is kind for given in s.inputs.values())}
    assert found
    return found


def test_who_takes_an_embedder_depends_on_what_embeds():
    stages = taking(TextEmbedder)
    assert {
        "prompt_writer.index",
        "prompt_writer.write",
        "prompts.checks",
        "prompts.variety",
    } <= stages.keys()
    assert {name for name, one in stages.items() if not set(EMBEDDER) <= set(one.software)} == set()


def test_who_takes_an_index_depends_on_what_stores_it():
    assert {name for name, one in taking(Index).items() if not set(INDEX) <= set(one.software)} == set()
