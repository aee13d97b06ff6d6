"""A fine-tuning that is killed goes on exactly where it was."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jobs import FolderJob
from tiny_language_model import FULL, LORA, QLORA, far, history

from harness.artifact import Corpus, LanguageModel
from harness.stages.systems.language_model.models import finetune

pytestmark = pytest.mark.numeric


class KilledError(Exception):
    """Stands for a kill: raised between two steps."""


DROPPED = {"dropout": 0.5}


@pytest.mark.parametrize(
    "how",
    [
        {**FULL, "optimiser": "adamw-8bit", "schedule": "linear"},
        {**LORA, **DROPPED, "accumulate": 2, "warm_up": 1},
        {**QLORA, **DROPPED, "batching": "pack"},
    ],
    ids=["full", "lora", "qlora"],
)
def test_a_killed_training_goes_on_exactly(
    base: LanguageModel, data: Corpus, tmp_path: Path, how: dict[str, Any]
) -> None:
    whole = finetune(base, data, data, **how, job=FolderJob(tmp_path / "whole"))

    def kill(done: int, total: int, what: str) -> None:
        if done == 3:
            raise KilledError

    with pytest.raises(KilledError):
        finetune(base, data, data, **how, job=FolderJob(tmp_path / "killed", kill))
    job = FolderJob(tmp_path / "killed")
    resumed = finetune(base, data, data, **how, job=job)
    assert [done for done, _, _ in job.reports] in (
        [2, 3, 4],
        [3, 4],
    )  # a save that costs too much is left out
    assert far(whole, resumed) == 0
    assert history(whole) == history(resumed)
    costs: Any = [made.facts["cost"] for made in (whole, resumed)]
    assert costs[0]["tokens"] == costs[1]["tokens"]


KILLS_ITSELF = """
import json, os, signal, sys
from pathlib import Path
from jobs import FolderJob
from harness.artifact import Corpus, LanguageModel
from harness.stages.systems.language_model.models import finetune

base, data, root, how = sys.argv[1:]

def kill(done, total, what):
    if done == 3:
        os.kill(os.getpid(), signal.SIGKILL)

finetune(LanguageModel(Path(base)), Corpus(Path(data)), **json.loads(how), job=FolderJob(Path(root), kill))
"""


@pytest.mark.slow
def test_a_training_killed_for_real_goes_on_exactly(
    base: LanguageModel, data: Corpus, tmp_path: Path
) -> None:
    how = {**LORA, **DROPPED}
    arguments = [str(base.path), str(data.path), str(tmp_path / "killed"), json.dumps(how)]
    here = str(Path(__file__).parents[4])
    died = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {here!r})\n{KILLS_ITSELF}", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    job = FolderJob(tmp_path / "killed")
    resumed = finetune(base, data, **how, job=job)
    assert job.reports[0][0] > 1
    assert far(resumed, finetune(base, data, **how, job=FolderJob(tmp_path / "whole"))) == 0
